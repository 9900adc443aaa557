import { canonical } from "../core/canonical.ts";
import { digestOf } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { messageOf } from "../core/problem.ts";
import { link } from "../core/program.ts";
import { receiptFacts } from "../core/receipt-facts.ts";
import { statement } from "../core/receipt.ts";
import { replay } from "../core/replay.ts";
import type { History } from "./events.ts";
import { CheckFailed } from "./ladder.ts";
import type { ReceiptClaims } from "./receipt-reader.ts";

/**
 * Compares a receipt with the events its digest covers: the chain proves that nobody changed the history, this that
 * the receipt tells it as it was. Returns what was compared. Throws CheckFailed.
 */
export function agreesWithHistory({ events }: History, claims: ReceiptClaims): string {
  const created = events[0]!;
  const ended = events.at(-1)!;
  const compared = ["run", "plan", "status", "times", "decisions"];
  same("the first event", created["kind"], "run_created");
  same("the run", created["run"], claims.run);
  same("the plan", created["planDigest"], claims.plan);
  // Null: they are large and lie in a blob that was not given.
  if (created["inputs"] !== null) {
    same("the inputs", digestOf(created["inputs"] ?? null), claims.inputs);
    compared.push("inputs");
  }
  same("the time of creation", created["at"], claims.createdAt);
  if (claims.request !== null) {
    const { origin } = created;
    same("the request", isJsonObject(origin) ? origin["request"] : undefined, claims.request);
  }
  same("the last event", ended["kind"], "run_ended");
  same("the status", ended["status"], claims.status);
  same("the time of the end", ended["at"], claims.endedAt);
  const decisions = events.filter((event) => event["kind"] === "policy_decided");
  const denied = decisions.filter((event) => !isJsonObject(event["decision"]) || event["decision"]["allow"] !== true);
  same("the number of decisions", decisions.length, claims.asked);
  same("the number of denials", denied.length, claims.denied);
  return `${compared.join(", ")} are those of the events`;
}

/**
 * The strongest check there is: replays the history on its plan and writes the statement anew; it must be the signed
 * one, member for member. Plan and events are those whose digests the receipt names. Throws CheckFailed.
 */
export function retells(plan: JsonValue, { events }: History, signed: JsonObject, claims: ReceiptClaims): string {
  const told = retell(plan, events, claims);
  if (canonical(told) !== canonical(signed)) {
    throw new CheckFailed(
      `plan and events tell it differently at ${firstDifference(told, signed, "statement")}; it was written by version ${claims.version}`,
    );
  }
  return "replaying the events on the plan gives this statement, member for member";
}

function retell(plan: JsonValue, events: readonly JsonObject[], claims: ReceiptClaims): JsonObject {
  try {
    // Their digests are signed, so they are what a Maestro wrote; replay refuses events that do not fit one another.
    const program = link(plan as unknown as Plan, claims.plan, () => "inline");
    const run = replay(program, events as unknown as readonly RunEvent[]);
    const previous = claims.previousReceipt === null ? {} : { previous: claims.previousReceipt };
    return statement(
      receiptFacts(program, run, {
        head: claims.head,
        builder: { id: claims.builder, version: claims.version },
        ...previous,
        ...(claims.request === null ? { request: false } : {}),
      }),
    );
  } catch (error) {
    throw new CheckFailed(`the events cannot be replayed on the plan: ${messageOf(error)}`, { cause: error });
  }
}

function firstDifference(told: JsonValue | undefined, signed: JsonValue | undefined, path: string): string {
  if (Array.isArray(told) && Array.isArray(signed)) {
    const index = told.findIndex((value: JsonValue, i) => !sameJson(value, signed[i] as JsonValue | undefined));
    return index === -1
      ? `${path}[${told.length}]`
      : firstDifference(told[index] as JsonValue, signed[index] as JsonValue | undefined, `${path}[${index}]`);
  }
  if (isJsonObject(told) && isJsonObject(signed)) {
    const name = [...Object.keys(told), ...Object.keys(signed)].find((key) => !sameJson(told[key], signed[key]));
    return name === undefined ? path : firstDifference(told[name], signed[name], `${path}.${name}`);
  }
  return `${path}: ${JSON.stringify(told) ?? "nothing"} by the events, ${JSON.stringify(signed) ?? "nothing"} in the receipt`;
}

function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonical(a) === canonical(b);
}

function same(what: string, inHistory: JsonValue | undefined, inReceipt: string | number): void {
  if (inHistory === inReceipt) return;
  throw new CheckFailed(
    `${what} is ${JSON.stringify(inHistory) ?? "missing"} in the events and ${JSON.stringify(inReceipt)} in the receipt`,
  );
}
