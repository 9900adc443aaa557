import { parseDuration } from "./duration.ts";
import type { JsonObject } from "./json.ts";
import type { ApprovalRule } from "./plan.ts";
import { MaestroError } from "./problem.ts";

/** Where nothing is said: one person, of any role, who did not ask for the run, within a day. */
export const APPROVAL_DEFAULTS = {
  count: 1,
  roles: [],
  notRequester: true,
  expiresMs: 86_400_000,
} as const satisfies ApprovalRule;

/**
 * The input of `approval@1` as a rule, with the defaults filled in.
 * Throws `invalid_input` with all that is wrong; the schema says the same, but a rule that lets people through is checked twice.
 */
export function parseApproval(input: JsonObject): ApprovalRule {
  const problems: string[] = [];
  const {
    count = APPROVAL_DEFAULTS.count,
    roles = APPROVAL_DEFAULTS.roles,
    notRequester = APPROVAL_DEFAULTS.notRequester,
    expires,
    message,
  } = input;
  if (typeof count !== "number" || !Number.isInteger(count) || count < 1 || count > 20)
    problems.push(`count must be a whole number from 1 to 20, is ${JSON.stringify(count)}`);
  if (!isNames(roles)) problems.push(`roles must be a list of role names, is ${JSON.stringify(roles)}`);
  if (typeof notRequester !== "boolean")
    problems.push(`notRequester must be true or false, is ${JSON.stringify(notRequester)}`);
  const expiresMs =
    expires === undefined
      ? APPROVAL_DEFAULTS.expiresMs
      : typeof expires === "string"
        ? parseDuration(expires)
        : undefined;
  if (expiresMs === undefined || expiresMs === 0)
    problems.push(`expires must be a duration such as "24h", is ${JSON.stringify(expires)}`);
  if (message !== undefined && typeof message !== "string")
    problems.push(`message must be a text, is ${JSON.stringify(message)}`);
  if (problems.length > 0)
    throw new MaestroError("invalid_input", `approval@1: ${problems.join("; ")}`, {
      fix: "See `maestro task show approval@1`.",
    });
  return {
    count: count as number,
    roles: roles as readonly string[],
    notRequester: notRequester as boolean,
    expiresMs: expiresMs as number,
    ...(message === undefined ? {} : { message }),
  };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string" && name.length > 0);
}
