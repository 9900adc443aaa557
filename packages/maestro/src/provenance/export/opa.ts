import type { JsonObject, JsonValue } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import type { ExportPlace } from "./record.ts";

/** A decision of the gate, from the audit or from the ledger. */
export interface LoggedDecision {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly action: string;
  readonly allow: boolean;
  readonly rules: readonly string[];
  readonly reasons?: readonly string[];
  readonly policyDigest: string;
  readonly requestDigest: string;
  /** `cedar@4.13.0`. */
  readonly engine: string;
  readonly mode?: string;
  readonly masked?: readonly string[];
  readonly run?: string;
  readonly requestId?: string;
  readonly traceparent?: string;
  readonly from?: string;
  /** What was asked, where that is kept still. */
  readonly input: JsonObject | undefined;
}

/**
 * As OPA logs decisions (https://www.openpolicyagent.org/docs/management-decision-logs), so that what reads those reads
 * these; and what OPA does not know: digests, engine, mode. What is not kept is listed as erased, what was masked as masked.
 */
export function opaDecision(decision: LoggedDecision, { source, version }: ExportPlace): JsonObject {
  const { id, at, action, allow, rules, reasons, policyDigest, requestDigest, engine, mode, input } = decision;
  const [name, engineVersion] = splitOnce(engine);
  const trace = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(decision.traceparent ?? "");
  const masked = (decision.masked ?? []).map((pointer) => `/input${pointer}`);
  return {
    decision_id: id,
    labels: { id: source, version, app: "summit-maestro", action },
    bundles: { policy: { revision: policyDigest } },
    path: "maestro/authz",
    ...(input === undefined ? {} : { input }),
    result: { allow, rules: [...rules], ...(reasons === undefined ? {} : { reasons: [...reasons] }) },
    ...(decision.from === undefined ? {} : { requested_by: decision.from }),
    timestamp: new Date(at).toISOString(),
    metrics: {},
    ...(input === undefined ? { erased: ["/input"] } : {}),
    ...(masked.length === 0 ? {} : { masked }),
    ...(trace === null ? {} : { trace_id: trace[1] ?? "", span_id: trace[2] ?? "" }),
    ...(decision.requestId === undefined ? {} : { req_id: decision.requestId }),
    policyDigest,
    inputDigest: requestDigest,
    engine: { name, ...(engineVersion === undefined ? {} : { version: engineVersion }) },
    mode: mode ?? "enforce",
    ...(decision.run === undefined ? {} : { run: decision.run }),
  };
}

/** What the ledger says of a decision: everything but the reasons. Undefined for an entry that is about something else. */
export function decisionInLedger(event: JsonValue): Omit<LoggedDecision, "input"> | undefined {
  if (!isJsonObject(event) || event["type"] !== "dev.summit-maestro.decision") return undefined;
  const data = event["data"];
  if (!isJsonObject(data)) return undefined;
  const subject = textIn(event["subject"]);
  return {
    id: textIn(event["id"]),
    at: Date.parse(textIn(event["time"])),
    action: textIn(data["action"]),
    allow: data["allow"] === true,
    rules: textsIn(data["rules"]),
    policyDigest: textIn(data["policy"]),
    requestDigest: textIn(data["request"]),
    engine: textIn(data["engine"]),
    ...(typeof data["mode"] === "string" ? { mode: data["mode"] } : {}),
    ...(subject.startsWith("run/") ? { run: subject.slice("run/".length) } : {}),
  };
}

/** The decision that a row of the audit followed from. */
export function decisionInAudit(
  decision: JsonObject,
  row: Pick<LoggedDecision, "at" | "action"> &
    Partial<Pick<LoggedDecision, "run" | "requestId" | "traceparent" | "from">>,
): Omit<LoggedDecision, "input"> {
  return {
    ...row,
    id: textIn(decision["id"]),
    allow: decision["allow"] === true,
    rules: textsIn(decision["rules"]),
    reasons: textsIn(decision["reasons"]),
    policyDigest: textIn(decision["policyDigest"]),
    requestDigest: textIn(decision["requestDigest"]),
    engine: textIn(decision["engine"]),
    ...(typeof decision["mode"] === "string" ? { mode: decision["mode"] } : {}),
    masked: textsIn(decision["masked"]),
  };
}

function textIn(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function textsIn(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** The version stands behind the last at sign; an address may have others. */
function splitOnce(engine: string): readonly [string, string?] {
  const at = engine.indexOf("@");
  return at < 0 ? [engine] : [engine.slice(0, at), engine.slice(at + 1)];
}
