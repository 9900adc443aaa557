import { chain, digestOf, type Digest } from "../core/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseStrict } from "../core/strict-json.ts";
import { CheckFailed } from "./ladder.ts";
import type { ReceiptClaims } from "./receipt-reader.ts";

/** The chain over the texts of a run's events, oldest first (core/digest.ts). */
export function headOf(events: readonly string[]): Digest | "" {
  let head: Digest | "" = "";
  for (const event of events) head = chain(head, event);
  return head;
}

/**
 * Compares a receipt with the events its digest covers: the chain proves that nobody changed the history, this that
 * the receipt tells it as it was. Returns what was compared. Throws CheckFailed or SyntaxError.
 */
export function agreesWithHistory(events: readonly string[], claims: ReceiptClaims): string {
  const history = events.map((text, index) => readEvent(text, index));
  const created = history[0]!;
  const ended = history.at(-1)!;
  same("the first event", created["kind"], "run_created");
  same("the run", created["run"], claims.run);
  same("the plan", created["planDigest"], claims.plan);
  same("the inputs", digestOf(created["inputs"] ?? null), claims.inputs);
  same("the time of creation", created["at"], claims.createdAt);
  same("the last event", ended["kind"], "run_ended");
  same("the status", ended["status"], claims.status);
  same("the time of the end", ended["at"], claims.endedAt);
  const decisions = history.filter((event) => event["kind"] === "policy_decided");
  const denied = decisions.filter((event) => !isJsonObject(event["decision"]) || event["decision"]["allow"] !== true);
  same("the number of decisions", decisions.length, claims.asked);
  same("the number of denials", denied.length, claims.denied);
  return "run, plan, inputs, status, times and decisions are those of the events";
}

function readEvent(text: string, index: number): JsonObject {
  const event = parseStrict(text);
  if (!isJsonObject(event)) throw new CheckFailed(`event ${index + 1} is not an object`);
  same(`the seq of event ${index + 1}`, event["seq"], index + 1);
  return event;
}

function same(what: string, inHistory: JsonValue | undefined, inReceipt: string | number): void {
  if (inHistory === inReceipt) return;
  throw new CheckFailed(`${what} is ${JSON.stringify(inHistory) ?? "missing"} in the events and ${JSON.stringify(inReceipt)} in the receipt`);
}
