import { tally } from "./approval.ts";
import type { Decision, Obligation } from "./event.ts";
import type { JsonValue } from "./json.ts";
import type { TaskState } from "./run.ts";

/** People that a policy wants to agree before a step begins. */
export interface Owed {
  readonly rule: string;
  readonly count: number;
  readonly roles: readonly string[];
  readonly notRequester: boolean;
  readonly expiresMs: number;
  readonly message: string;
}

const DAY_MS = 86_400_000;
const MOST_PEOPLE = 100;

/**
 * The approval an allowing decision depends on, null where it depends on none, and "unclear" where nobody can tell what it
 * wants: then it is no allow. Obligations of other types are the gate's own to carry out.
 */
export function owedBy({ obligations }: Decision): Owed | "unclear" | null {
  const asks = (obligations ?? []).filter(({ type }) => type === "approval");
  if (asks.length === 0) return null;
  const read = asks.map(readOwed);
  if (read.some((one) => one === undefined)) return "unclear";
  const all = read.filter((one) => one !== undefined);
  const [first, ...rest] = all;
  if (first === undefined) return null;
  // Several rules that want people are content with those who suit each of them only where they name the same roles.
  if (rest.some(({ roles }) => roles.join() !== first.roles.join())) return "unclear";
  return {
    rule: all.map(({ rule }) => rule).join(", "),
    count: Math.max(...all.map(({ count }) => count)),
    roles: first.roles,
    notRequester: all.some(({ notRequester }) => notRequester),
    expiresMs: Math.min(...all.map(({ expiresMs }) => expiresMs)),
    message: all.map(({ message }) => message).join("; "),
  };
}

function readOwed({ id, properties }: Obligation): Owed | undefined {
  const { count = 1, roles = [], notRequester = true, expiresMs = DAY_MS, message = "" } = properties;
  if (!isWhole(count, MOST_PEOPLE) || !isWhole(expiresMs, Number.MAX_SAFE_INTEGER)) return undefined;
  if (typeof notRequester !== "boolean" || typeof message !== "string") return undefined;
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string")) return undefined;
  const sorted = [...new Set(roles)].sort();
  return {
    rule: id,
    count,
    roles: sorted,
    notRequester,
    expiresMs,
    message: message === "" ? `policy: ${id}` : message,
  };
}

function isWhole(value: JsonValue, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most;
}

/** Whether people can still answer what was asked for the task. */
export function isOpen({ status, approval, approved }: TaskState): boolean {
  if (approval === null || approval.expired || approved) return false;
  return (status === "pending" || status === "active") && tally(approval.request, approval.votes) === "open";
}
