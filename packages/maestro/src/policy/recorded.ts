import { timeOfId } from "../core/id.ts";
import type { Digest } from "../core/digest.ts";
import type { Decision, RunEvent } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Store } from "../store/store.ts";
import type { GateRequest } from "./gate.ts";
import type { MadeDecision } from "./recent.ts";

/** A question that the gate was asked, and how it was answered the last time. */
export interface RecordedQuestion {
  readonly digest: Digest;
  readonly request: GateRequest;
  readonly allow: boolean;
  readonly rules: readonly string[];
  /** How often in that time. */
  readonly count: number;
  readonly lastAt: number;
  /** The newest decision of them. */
  readonly decision: string;
  readonly run?: string;
}

export interface Recorded {
  readonly questions: readonly RecordedQuestion[];
  /** Decisions that were looked at. */
  readonly decisions: number;
  /** Of them those by break-glass, which no policy answered. */
  readonly past: number;
  /** Questions whose text is not kept. */
  readonly missing: number;
  /** There are more than were asked for: the oldest are left out. */
  readonly cut: boolean;
}

export interface RecordedQuery {
  readonly from: number;
  /** Different questions at most. */
  readonly limit: number;
  /** Only of these. */
  readonly namespaces?: readonly string[];
}

export const RECORDED_LIMITS = { entries: 200_000, questions: 10_000 } as const;
const PAGE = 1_000;

interface Seen {
  allow: boolean;
  rules: readonly string[];
  /** Of these answers, those by break-glass. */
  past: number;
  count: number;
  lastAt: number;
  decision: string;
  run: string | undefined;
}

type Reading = Pick<Store, "ledger" | "audit">;

/**
 * What was asked since a moment, the newest first, each question once: of runs by the ledger, of the API by the audit. Of
 * some namespaces only, nothing in it depends on what happens in others.
 */
export async function recorded(store: Reading, { from, limit, namespaces }: RecordedQuery): Promise<Recorded> {
  const seen = new Map<Digest, Seen>();
  const take: Take = (digest, one, mode) => {
    const known = seen.get(digest);
    const isPast = mode === "break-glass";
    if (known === undefined) seen.set(digest, { ...one, count: isPast ? 0 : 1, past: isPast ? 1 : 0 });
    else if (isPast) known.past += 1;
    else {
      if (known.count === 0 || one.lastAt > known.lastAt) Object.assign(known, one);
      known.count += 1;
    }
  };
  const whole = [await ofRuns(store, from, take), await ofAudit(store, from, take)].every(Boolean);
  const questions: RecordedQuestion[] = [];
  const counts = { decisions: 0, past: 0, missing: 0 };
  let left = 0;
  for (const [digest, { run, past, ...one }] of seen) {
    if (questions.length >= limit) {
      left += 1;
      continue;
    }
    const row = await store.audit.question(digest);
    const request = row === undefined ? undefined : (JSON.parse(row.text) as GateRequest);
    if (request === undefined) {
      // Nobody knows whose it was.
      if (namespaces === undefined) counts.missing += 1;
      continue;
    }
    if (namespaces?.includes(request.resource.properties.namespace) === false) continue;
    counts.decisions += one.count + past;
    counts.past += past;
    if (one.count > 0) questions.push({ digest, request, ...one, ...(run === undefined ? {} : { run }) });
  }
  // Whether there is more says something of others where it is not looked at whose it is.
  return { questions, ...counts, cut: namespaces === undefined ? left > 0 || !whole : questions.length >= limit };
}

type Take = (digest: Digest, one: Omit<Seen, "count" | "past">, mode: JsonValue | undefined) => void;

/** False where there was more than is looked at. */
async function ofRuns({ ledger }: Reading, from: number, take: Take): Promise<boolean> {
  let looked = 0;
  for (let end = await ledger.size(); end > 0 && looked < RECORDED_LIMITS.entries; end -= PAGE) {
    const begin = Math.max(0, end - PAGE);
    const page = await ledger.entries({ from: begin, limit: end - begin });
    looked += page.length;
    let newest = 0;
    for (const { kind, run, text } of page.toReversed()) {
      const { time, data, id } = JSON.parse(text) as { time: string; id: string; data: JsonObject };
      const at = Date.parse(time);
      newest = Math.max(newest, at);
      if (kind !== "decision" || at < from) continue;
      take(
        data["request"] as Digest,
        {
          allow: data["allow"] === true,
          rules: textsOf(data["rules"]),
          lastAt: at,
          decision: id,
          run: run ?? undefined,
        },
        data["mode"],
      );
    }
    if (newest < from) return true;
  }
  return looked < RECORDED_LIMITS.entries;
}

async function ofAudit({ audit }: Reading, from: number, take: Take): Promise<boolean> {
  let before: number | undefined;
  for (let looked = 0; looked < RECORDED_LIMITS.entries; looked += PAGE) {
    const rows = await audit.list({ from, limit: PAGE, ...(before === undefined ? {} : { before }) });
    for (const { at, text } of rows) {
      const decision = decisionIn(text);
      if (decision === undefined) continue;
      const { id, allow, rules, requestDigest, mode } = decision;
      take(requestDigest, { allow, rules, lastAt: at, decision: id, run: undefined }, mode);
    }
    if (rows.length < PAGE) return true;
    before = rows.at(-1)?.place;
  }
  return false;
}

function decisionIn(text: string): Decision | undefined {
  const { decision } = JSON.parse(text) as { readonly decision?: Partial<Decision> };
  return decision !== undefined && "allow" in decision ? (decision as Decision) : undefined;
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((one) => typeof one === "string") : [];
}

/** Ids hold their time; what is recorded is recorded soon after. */
const EARLIER_MS = 2_000;
const LATER_MS = 180_000;
const NEAR = 5_000;

/** A decision by its id, wherever it was recorded; undefined where it was not, or what it was made on is gone. */
export async function findDecision(
  store: Pick<Store, "ledger" | "audit" | "runEvents">,
  id: string,
): Promise<MadeDecision | undefined> {
  const at = timeOfId(id);
  if (at === undefined || !id.startsWith("d_")) return undefined;
  const run = await runOf(store, id, at);
  if (run !== undefined) return (await decisionsOf(store, run)).find(({ decision }) => decision.id === id);
  const rows = await store.audit.list({ from: at - EARLIER_MS, to: at + LATER_MS, limit: PAGE });
  for (const { at: when, text } of rows) {
    const decision = decisionIn(text);
    if (decision?.id === id) return withQuestion(store, { decision, at: when });
  }
  return undefined;
}

/** The decisions in a run's history, in order. */
export async function decisionsOf(
  store: Pick<Store, "runEvents" | "audit">,
  run: string,
): Promise<readonly MadeDecision[]> {
  const made: MadeDecision[] = [];
  for (let afterSeq = 0; ;) {
    const page = await store.runEvents(run, { afterSeq, limit: PAGE });
    for (const { text } of page) {
      if (!text.includes('"policy_decided"')) continue;
      const event = JSON.parse(text) as RunEvent;
      if (event.kind !== "policy_decided") continue;
      const task =
        event.task === undefined
          ? {}
          : { task: event.item === undefined || event.item === -1 ? event.task : `${event.task}[${event.item}]` };
      const one = await withQuestion(store, { decision: event.decision, at: event.at, run, ...task });
      if (one !== undefined) made.push(one);
    }
    if (page.length < PAGE) return made;
    afterSeq = page.at(-1)?.seq ?? Number.MAX_SAFE_INTEGER;
  }
}

async function withQuestion(
  { audit }: Pick<Store, "audit">,
  made: Omit<MadeDecision, "request">,
): Promise<MadeDecision | undefined> {
  const row = await audit.question(made.decision.requestDigest);
  return row === undefined ? undefined : { ...made, request: JSON.parse(row.text) as GateRequest };
}

/** By halves: the ledger is in the order of time, but for what was noted and written a minute later. */
async function runOf({ ledger }: Pick<Store, "ledger">, id: string, at: number): Promise<string | undefined> {
  let low = 0;
  let high = await ledger.size();
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [row] = await ledger.entries({ from: middle, limit: 1 });
    if (row === undefined || timeIn(row.text) >= at - EARLIER_MS) high = middle;
    else low = middle + 1;
  }
  const begin = Math.max(0, low - 200);
  for (let from = begin; from < begin + NEAR; from += PAGE) {
    const page = await ledger.entries({ from, limit: PAGE });
    const found = page.find(({ kind, text }) => kind === "decision" && text.includes(`"id":${JSON.stringify(id)}`));
    if (found !== undefined) return found.run ?? undefined;
    if (page.length < PAGE) return undefined;
  }
  return undefined;
}

function timeIn(text: string): number {
  const value = JSON.parse(text) as JsonValue;
  return isJsonObject(value) && typeof value["time"] === "string" ? Date.parse(value["time"]) : 0;
}
