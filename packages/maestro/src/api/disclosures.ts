import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { Disclosure, DisclosureRequest, PermittedRun } from "../operations/disclosure/build.ts";
import { DISCLOSURE_LIMITS } from "../provenance/disclosure/form.ts";
import type { RunRow, Store } from "../store/store.ts";
import type { Access } from "./access.ts";
import type { AppDeps } from "./app-deps.ts";
import { flag, integer, list, optional, text } from "./field.ts";
import { findRun } from "./find-run.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

const ACCESS = { action: "receipt.disclose", as: "evidence" } as const;
const TAR = "application/x-tar";
/** The last second that a tar can name. */
const MAX_EPOCH = 8 ** 11 - 1;

const BODY = {
  runs: list(
    "Runs that have ended: ids, unique beginnings or ends of them, @last, @failed.",
    text("", { max: 64 }),
    DISCLOSURE_LIMITS.runs,
  ),
  recipient: text("Who gets it.", { max: 500 }),
  purpose: text("Why they get it.", { max: 200 }),
  authority: text("Under which mandate: a contract, a request, a legal basis.", { max: 1000 }),
  redact: optional(
    list(
      "JSON Pointers into a run (`/inputs/email`; `*` is any member, `**` any number of them; `/plan` and `/events` begin those of its plan and its events), or rules: `inputs`, `outputs`, `secrets`, `key:NAME`.",
      text("", { max: 500 }),
      DISCLOSURE_LIMITS.rules,
    ),
  ),
  artifacts: optional(flag("Put the runs' artifacts in.")),
  logs: optional(flag("Put the runs' logs in.")),
} as const;

export const createDisclosure = route({
  method: "POST",
  path: "/v1/disclosures",
  operation: "createDisclosure",
  access: ACCESS,
  hides: true,
  summary:
    "A disclosure package as a tar: receipts, their proofs, the policy, and the evidence without what is to be redacted. The same bytes whenever it is asked for.",
  body: {
    ...BODY,
    epoch: optional(integer("Seconds: the time that its files have; default 0.", { min: 0, max: MAX_EPOCH })),
  },
  answers: [
    {
      status: 200,
      type: TAR,
      description:
        "The package; `maestro-package-digest` is the digest of its manifest, `maestro-package-redactions` how many places were redacted.",
    },
  ],
  async handle(deps, { body, access }) {
    const disclosure = await make(deps, access, body, false);
    const { packTar } = await import("../operations/disclosure/pack.ts");
    const parts = packTar(disclosure.files, (body.epoch ?? 0) * 1000);
    return bytes(ReadableStream.from(parts), TAR, {
      "maestro-package-digest": disclosure.digest,
      "maestro-package-redactions": String(disclosure.redactions),
    });
  },
});

export const createDisclosureSalts = route({
  method: "POST",
  path: "/v1/disclosures/salts",
  operation: "createDisclosureSalts",
  access: ACCESS,
  hides: true,
  summary:
    "What was redacted in the package that the same request makes, each value with its salt: for whoever is to show some of it later.",
  body: BODY,
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "DisclosureSalts",
      description: "`package`: the digest of its manifest; `fields`: path, pointer, salt and value of each.",
    },
  ],
  async handle(deps, { body, access }) {
    const { digest, fields } = await make(deps, access, body, true);
    return object("DisclosureSalts", { package: digest, fields });
  },
});

type Body = Pick<DisclosureRequest, "recipient" | "purpose" | "authority"> & {
  readonly runs: readonly string[];
  readonly redact?: readonly string[];
  readonly artifacts?: boolean;
  readonly logs?: boolean;
};

/** Asks of every run before anything of one is read; tells the audit what came of it. */
async function make(deps: AppDeps, access: Access, body: Body, values: boolean): Promise<Disclosure> {
  if (body.runs.length === 0) throw new MaestroError("invalid_request", "the body: runs names no run.");
  const { recipient, purpose, authority, redact = [], artifacts = false, logs = false } = body;
  const rows = new Map<string, RunRow>();
  for (const reference of body.runs) {
    const row = await findRun(deps.store, reference, access.scope);
    rows.set(row.id, row);
  }
  const permitted: PermittedRun[] = [];
  for (const row of rows.values()) {
    const target = {
      type: "receipt",
      id: `${row.namespace}/${row.workflow}`,
      namespace: row.namespace,
      properties: { workflow: row.workflow, initiator: row.initiator },
      run: row.id,
    };
    const license = await licenseOf(deps.store, row);
    const context = { purpose, authority, recipient, license, artifacts, logs };
    permitted.push({ row, action: ACCESS.action, decision: await access.on(target, ACCESS.action, context) });
    // A policy may let somebody disclose who may not see what was redacted.
    if (values) await access.on(target, ACCESS.action, { ...context, values });
  }
  const disclosure = await deps.disclose({ recipient, purpose, authority, redact, artifacts, logs }, permitted);
  const runs = permitted.map(({ row }) => row.id);
  access.tell({ package: disclosure.digest, recipient, purpose, authority, runs, redactions: disclosure.redactions });
  return disclosure;
}

async function licenseOf(store: Store, row: RunRow): Promise<string> {
  const plan = await store.planGet(row.planDigest);
  if (plan === undefined)
    throw new MaestroError("store_corrupt", `The plan ${row.planDigest} of run ${row.id} is missing.`);
  return (JSON.parse(plan.text) as Plan).license;
}
