import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { auditCloudEvent } from "../provenance/export/cloudevents.ts";
import { auditOcsf } from "../provenance/export/ocsf.ts";
import { decisionInAudit, decisionInLedger, opaDecision } from "../provenance/export/opa.ts";
import type { LoggedDecision } from "../provenance/export/opa.ts";
import { readRecord } from "../provenance/export/record.ts";
import type { AuditRecord, ExportPlace } from "../provenance/export/record.ts";
import type { AuditQuery, StoredAuditRow } from "../store/audit.ts";
import { AUDIT_KINDS } from "../store/audit.ts";
import type { Store } from "../store/store.ts";
import { choice, flag, integer, optional, text } from "./field.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

/** Rows that one request looks through; beyond them a page is short, or empty, and has a cursor all the same. */
const MAX_SCANNED = 10_000;
const SCAN = 1_000;

const FILTERS = {
  actor: optional(text("The id of who did it, whole.", { max: 512 })),
  action: optional(text("`noun.verb`, as policies name it.", { max: 100 })),
  resource: optional(text("`type/id`, whole.", { max: 512 })),
  namespace: optional(text("Only of this namespace.", { max: 100 })),
  kind: optional(choice("What was changed, what evidence was looked at, what else was read, ...", AUDIT_KINDS)),
  allow: optional(flag("false: what was refused.")),
  run: optional(text("Only what was about this run; its whole id.", { max: 64 })),
  text: optional(text("Part of an entry; plain text, upper and lower case alike.", { max: 200 })),
  from: optional(integer("From this time on, epoch milliseconds.", { min: 0, max: Number.MAX_SAFE_INTEGER })),
  to: optional(integer("Before this time, epoch milliseconds.", { min: 0, max: Number.MAX_SAFE_INTEGER })),
};

export const listAudit = route({
  method: "GET",
  path: "/v1/audit",
  operation: "listAudit",
  access: { action: "audit.read", as: "evidence" },
  summary:
    "Who did, saw or was refused what, newest first. The work of a request is bounded: a page may be short and still have a cursor.",
  query: {
    ...FILTERS,
    limit: optional(integer("Default 50.", { min: 1, max: 500 })),
    cursor: optional(text("`cursor` of the page before.", { max: 16, pattern: "^[0-9]{1,15}$" })),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "AuditList",
      description: "`entries`: place in the audit and the entry itself; `cursor` of the next page, null at the end.",
    },
  ],
  async handle({ store, audit }, { query, access }) {
    const namespaces = await access.inNamespaces(query.namespace);
    // What was noted a moment ago is part of the answer.
    await audit.flush();
    const { entries, cursor } = await find(
      store,
      query,
      query.namespace === undefined ? namespaces : [query.namespace],
    );
    return object("AuditList", {
      entries: entries.map((row) => ({ place: row.place, entry: readRecord(row).whole })),
      cursor: cursor === null ? null : String(cursor),
    });
  },
});

const FORMATS = ["jsonl", "cloudevents", "ocsf", "opa"] as const;

export const exportAudit = route({
  method: "GET",
  path: "/v1/audit/export",
  operation: "exportAudit",
  access: { action: "audit.export", as: "evidence" },
  summary: "The audit, oldest first, a line for each entry, in a format that other systems read; in pages.",
  query: {
    format: choice(
      "`jsonl`: entries as they were committed, which the ledger has the digests of. `cloudevents`: 1.0, structured. `ocsf`: 1.8.0. `opa`: decisions as OPA logs them.",
      FORMATS,
    ),
    source: optional(
      choice("Of `opa`: decisions about requests (audit, the default) or about runs (ledger).", ["audit", "ledger"]),
    ),
    after: optional(integer("Begin at this place, counted from 0.", { min: 0, max: Number.MAX_SAFE_INTEGER })),
    from: FILTERS.from,
    to: FILTERS.to,
    limit: optional(integer("Places per page; default 1,000.", { min: 1, max: 1_000 })),
  },
  answers: [
    {
      status: 200,
      type: "application/jsonl",
      description: "One object a line. `maestro-next`: `after` of the next page; absent at the end.",
    },
  ],
  async handle({ store, audit, catalog, version }, { query, access }) {
    await access.onInstallation();
    await audit.flush();
    const place = { source: catalog.signer.builder, version };
    const { after = 0, limit = SCAN, format, source, from = 0, to = Number.MAX_SAFE_INTEGER } = query;
    const isIn = (at: number): boolean => at >= from && at < to;
    const page =
      format === "opa" && source === "ledger"
        ? await ledgerDecisions(store, { after, limit, isIn }, place)
        : await auditLines(store, { after, limit, isIn }, format, place);
    return bytes(
      Buffer.from(page.lines.map((line) => `${line}\n`).join("")),
      "application/jsonl",
      page.next === null ? {} : { "maestro-next": String(page.next) },
    );
  },
});

interface Page {
  readonly after: number;
  readonly limit: number;
  readonly isIn: (at: number) => boolean;
}

interface Lines {
  readonly lines: readonly string[];
  readonly next: number | null;
}

type Filters = Omit<AuditQuery, "limit" | "before" | "namespaces"> & {
  readonly run?: string;
  readonly text?: string;
  readonly limit?: number;
  readonly cursor?: string;
};

async function find(
  store: Pick<Store, "audit">,
  query: Filters,
  namespaces: readonly string[] | undefined,
): Promise<{ readonly entries: readonly StoredAuditRow[]; readonly cursor: number | null }> {
  const { run, text: part, limit = 50, cursor, actor, action, resource, from, to, kind, allow } = query;
  const set = <K extends string, V>(name: K, value: V | undefined): { readonly [key in K]?: V } =>
    (value === undefined ? {} : { [name]: value }) as { readonly [key in K]?: V };
  const filters = {
    ...set("actor", actor),
    ...set("action", action),
    ...set("resource", resource),
    ...set("from", from),
    ...set("to", to),
    ...set("kind", kind),
    ...set("allow", allow),
    ...set("namespaces", namespaces),
  };
  const isAsked = matcher(run, part);
  const entries: StoredAuditRow[] = [];
  let before = cursor === undefined ? undefined : Number(cursor);
  // Where nothing is left to look for in the texts, the database has done all of it.
  const size = run === undefined && part === undefined ? limit : SCAN;
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += size) {
    const rows = await store.audit.list({ ...filters, limit: size, ...set("before", before) });
    for (const row of rows) {
      before = row.place;
      if (isAsked(row) && entries.push(row) === limit) return { entries, cursor: row.place === 0 ? null : row.place };
    }
    if (rows.length < size) return { entries, cursor: null };
  }
  return { entries, cursor: before ?? null };
}

function matcher(run: string | undefined, part: string | undefined): (row: StoredAuditRow) => boolean {
  const words = part?.toLowerCase();
  return (row) => {
    if (words !== undefined && !row.text.toLowerCase().includes(words)) return false;
    return run === undefined || row.resource === `run/${run}` || readRecord(row).run === run;
  };
}

async function auditLines(
  store: Pick<Store, "audit">,
  { after, limit, isIn }: Page,
  format: (typeof FORMATS)[number],
  place: ExportPlace,
): Promise<Lines> {
  const rows = await store.audit.page({ from: after, limit });
  const lines: string[] = [];
  for (const row of rows) {
    if (!isIn(row.at)) continue;
    const line = format === "jsonl" ? row.text : await lineOf(store, readRecord(row), format, place);
    if (line !== undefined) lines.push(line);
  }
  return { lines, next: rows.length < limit ? null : (rows.at(-1)?.place ?? 0) + 1 };
}

async function lineOf(
  store: Pick<Store, "audit">,
  record: AuditRecord,
  format: Exclude<(typeof FORMATS)[number], "jsonl">,
  place: ExportPlace,
): Promise<string | undefined> {
  switch (format) {
    case "cloudevents":
      return JSON.stringify(auditCloudEvent(record, place));
    case "ocsf":
      return JSON.stringify(auditOcsf(record, place));
    case "opa": {
      const { decision, at, action, run, request, traceparent, from } = record;
      if (decision?.["policyDigest"] === undefined) return undefined;
      const logged = decisionInAudit(decision, {
        at,
        action,
        ...(run === undefined ? {} : { run }),
        ...(request === undefined ? {} : { requestId: request }),
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(from === undefined ? {} : { from }),
      });
      return JSON.stringify(opaDecision(await withInput(store, logged), place));
    }
  }
}

/** The decisions about runs stand in their histories, and by digest in the ledger, where they stay when a history goes. */
async function ledgerDecisions(
  store: Pick<Store, "audit" | "ledger">,
  { after, limit, isIn }: Page,
  place: ExportPlace,
): Promise<Lines> {
  const rows = await store.ledger.entries({ from: after, limit });
  const lines: string[] = [];
  for (const row of rows) {
    const decision = row.kind === "decision" ? decisionInLedger(JSON.parse(row.text) as JsonValue) : undefined;
    if (decision !== undefined && isIn(decision.at))
      lines.push(JSON.stringify(opaDecision(await withInput(store, decision), place)));
  }
  return { lines, next: rows.length < limit ? null : (rows.at(-1)?.place ?? 0) + 1 };
}

async function withInput(
  store: Pick<Store, "audit">,
  decision: Omit<LoggedDecision, "input">,
): Promise<LoggedDecision> {
  const digest = decision.requestDigest;
  const question = digest.startsWith("sha256:") ? await store.audit.question(digest as `sha256:${string}`) : undefined;
  return { ...decision, input: question === undefined ? undefined : objectOf(question.text) };
}

function objectOf(json: string): JsonObject | undefined {
  const value = JSON.parse(json) as JsonValue;
  return isJsonObject(value) ? value : undefined;
}
