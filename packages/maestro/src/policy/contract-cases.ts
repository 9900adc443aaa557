import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { ACTIONS, ALLOWED } from "./builtin.ts";
import type { GateRequest } from "./gate.ts";

/** A question to the default policy, and what it has to answer. */
export interface PolicyCase {
  readonly name: string;
  readonly request: GateRequest;
  readonly allow: boolean;
  /** Of a deny by rules, their ids. */
  readonly rules?: readonly string[];
}

interface CaseFile {
  readonly may: Readonly<Record<string, readonly string[]>>;
  readonly base: JsonObject;
  readonly cases: readonly {
    readonly case: string;
    readonly with: JsonObject;
    readonly allow: boolean;
    readonly rules?: readonly string[];
  }[];
}

export const DEFAULT_POLICY = fileURLToPath(new URL("../../policies/default/", import.meta.url));
export const CASES = `${DEFAULT_POLICY}cases.yaml`;

/** What an action is done with; the others with a run. */
const RESOURCES: Readonly<Record<string, string>> = {
  "run.start": "runbook",
  "task.execute": "task",
  "identity.token": "task",
};

const file = parse(readFileSync(CASES, "utf8")) as CaseFile;
/** A question that an operator is allowed. */
export const BASE = file.base as unknown as GateRequest;
export const MAY = file.may;

/** Every action asked by every role, and what the file says besides. */
export function policyCases(): readonly PolicyCase[] {
  return cases;
}

const cases = readCases();

function readCases(): readonly PolicyCase[] {
  const roles = [...Object.keys(ALLOWED), "owner"];
  const table = [...new Set([...Object.keys(MAY), ...ACTIONS])].flatMap((action) =>
    roles.map((role) => ({
      name: `${role} and ${action}`,
      request: ask(role, action),
      allow: role === "owner" || MAY[action]?.includes(role) === true,
    })),
  );
  const told = file.cases.map(({ case: name, with: patch, allow, rules }) => ({
    name,
    request: patched(patch),
    allow,
    ...(rules === undefined ? {} : { rules }),
  }));
  return [...table, ...told];
}

/** The base with a merge patch (RFC 7396): null takes a member away. */
export function patched(patch: JsonObject): GateRequest {
  return merge(file.base, patch) as unknown as GateRequest;
}

/** A question that nothing speaks against but the role. */
export function ask(role: string, action: string): GateRequest {
  return patched({
    subject: { properties: { roles: [role] } },
    action: { name: action },
    resource: resourceOf(action),
  });
}

/** A patch that makes of the base's runbook what the action is done with. */
export function resourceOf(action: string): JsonObject {
  const type = RESOURCES[action] ?? "run";
  return type === "runbook" ? {} : { type, properties: { purposes: null, authorityRequired: null } };
}

function merge(value: JsonValue, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const merged: Record<string, JsonValue> = isJsonObject(value) ? { ...value } : {};
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete merged[name];
    else merged[name] = merge(merged[name] ?? null, change);
  }
  return merged;
}
