import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { ROLES } from "../identity/caller.ts";
import type { GateRequest } from "./gate.ts";
import { questionOf, readLoose } from "./question.ts";
import { unusable } from "./unusable.ts";

/** A question to a policy, and what it has to answer. */
export interface PolicyCase {
  readonly name: string;
  /** Where it stands. */
  readonly file: string;
  readonly request: GateRequest;
  readonly allow: boolean;
  /** The rules that have to decide, all of them and no others; absent: any. */
  readonly rules?: readonly string[];
}

export const CASE_LIMITS = { cases: 5_000, bytes: 1024 * 1024 } as const;

/** Files of cases in the folder of a policy. */
export const CASE_FILE = /^(?:[\w.-]+\.)?cases\.(?:ya?ml|json)$/;

const MEMBERS = ["may", "base", "cases"];
const CASE_MEMBERS = ["case", "with", "allow", "rules"];

/** Errors: `policy_unusable` with every fault of the file. */
export async function readCases(text: string, file: string): Promise<readonly PolicyCase[]> {
  if (Buffer.byteLength(text) > CASE_LIMITS.bytes)
    throw unusable(file, [`it has more than ${CASE_LIMITS.bytes} bytes`]);
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { uniqueKeys: true, merge: false });
  if (document.errors.length > 0)
    throw unusable(
      file,
      document.errors.map(({ message }) => message.split("\n")[0] ?? ""),
    );
  const faults: string[] = [];
  const root = document.toJS({ maxAliasCount: 0 }) as JsonValue;
  if (!isJsonObject(root)) throw unusable(file, ["it is not a mapping with `cases`"]);
  for (const name of Object.keys(root))
    if (!MEMBERS.includes(name)) faults.push(`there is no ${name}; there are ${MEMBERS.join(", ")}`);
  const base = root["base"] ?? {};
  if (!isJsonObject(base)) throw unusable(file, ["base is not a mapping"]);
  const cases = [...tableOf(root["may"], base, file, faults), ...listOf(root["cases"], base, file, faults)];
  if (cases.length > CASE_LIMITS.cases) faults.push(`it has more than ${CASE_LIMITS.cases} cases`);
  if (faults.length > 0) throw unusable(file, faults);
  return cases;
}

/** `may: { run.cancel: [operator] }`: every role is asked, and those that are not named may not. The owner may do all of it. */
function tableOf(may: JsonValue | undefined, base: JsonObject, file: string, faults: string[]): readonly PolicyCase[] {
  if (may === undefined) return [];
  if (!isJsonObject(may)) {
    faults.push("may is not a mapping of actions to roles");
    return [];
  }
  return Object.entries(may).flatMap(([action, roles]) => {
    if (!Array.isArray(roles)) {
      faults.push(`may.${action} is not a list of roles`);
      return [];
    }
    const named = roles as readonly JsonValue[];
    for (const role of named)
      if (!ROLES.some((known) => known === role))
        faults.push(`may.${action}: there is no role ${JSON.stringify(role)}`);
    return ROLES.flatMap((role) =>
      oneCase({
        name: `${role} and ${action}`,
        file,
        patch: roleAsks(role, action),
        base,
        allow: role === "owner" || named.includes(role),
        faults,
      }),
    );
  });
}

/** What is done with tasks; a schema may know it of nothing else. */
const TASK_ACTIONS: ReadonlySet<string> = new Set(["identity.token", "task.execute"]);

/** A question that nothing speaks against but the role: what only starts of runs have is left out elsewhere. */
function roleAsks(role: string, action: string): JsonObject {
  const about = { subject: { properties: { roles: [role] } }, action: { name: action } };
  if (action === "run.start") return about;
  const type = TASK_ACTIONS.has(action) ? "task" : "run";
  return { ...about, resource: { type, properties: { purposes: null, authorityRequired: null } } };
}

function listOf(cases: JsonValue | undefined, base: JsonObject, file: string, faults: string[]): readonly PolicyCase[] {
  if (cases === undefined) return [];
  if (!Array.isArray(cases)) {
    faults.push("cases is not a list");
    return [];
  }
  return (cases as readonly JsonValue[]).flatMap((one, i) => {
    const where = `cases[${i}]`;
    if (!isJsonObject(one)) {
      faults.push(`${where} is not a mapping`);
      return [];
    }
    const { case: name, with: patch = {}, allow, rules } = one;
    for (const member of Object.keys(one))
      if (!CASE_MEMBERS.includes(member))
        faults.push(`${where} has no ${member}; there are ${CASE_MEMBERS.join(", ")}`);
    if (typeof name !== "string" || name === "") faults.push(`${where}.case is not a name`);
    if (typeof allow !== "boolean") faults.push(`${where}.allow is neither true nor false`);
    if (!isJsonObject(patch)) faults.push(`${where}.with is not a mapping`);
    if (rules !== undefined && !isTexts(rules)) faults.push(`${where}.rules is not a list of ids`);
    if (typeof name !== "string" || typeof allow !== "boolean" || !isJsonObject(patch)) return [];
    return oneCase({ name, file, patch, base, allow, faults, ...(isTexts(rules) ? { rules } : {}) });
  });
}

function oneCase(parts: {
  readonly name: string;
  readonly file: string;
  readonly patch: JsonObject;
  readonly base: JsonObject;
  readonly allow: boolean;
  readonly rules?: readonly string[];
  readonly faults: string[];
}): readonly PolicyCase[] {
  const { name, file, patch, base, allow, rules, faults } = parts;
  try {
    const whole = merged(base, patch) as JsonObject;
    const request = questionOf(readLoose(whole), "local");
    return [{ name, file, request, allow, ...(rules === undefined ? {} : { rules }) }];
  } catch (error) {
    faults.push(`${name}: ${messageOf(error)}`);
    return [];
  }
}

/** A merge patch (RFC 7396): null takes a member away. */
function merged(value: JsonValue, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const whole: Record<string, JsonValue> = isJsonObject(value) ? { ...value } : {};
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete whole[name];
    else whole[name] = merged(whole[name] ?? null, change);
  }
  return whole;
}

function isTexts(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
