import type { JsonValue } from "../core/json.ts";
import type { Grant } from "./caller.ts";
import { EVERY_NAMESPACE, ROLES } from "./caller.ts";
import { members } from "../manifest/settings.ts";
import type { Fault } from "../manifest/settings.ts";
import { list, texts } from "./read-parts.ts";
import type { ClaimPath, ClaimRule, RoleRule } from "./settings.ts";
import { IDENTITY_LIMITS } from "./settings.ts";

/** What a provider's word can make of somebody. The owner is the user of the data directory and nobody else. */
export const GRANTABLE_ROLES = ROLES.filter((role) => role !== "owner" && role !== "member");

const OWN_ROLE = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * All that can be given: the roles that the default policy knows, and those that the installation has of its own, for approvals
 * and policies that name them. They are listed, so that a misspelt one is none.
 */
export function readRoleNames(own: JsonValue | undefined, at: string, fault: Fault): readonly string[] {
  const names = texts(own, at, fault);
  for (const name of names) {
    if (ROLES.some((role) => role === name)) fault(at, `holds ${name}, which is there without being listed`);
    else if (!OWN_ROLE.test(name))
      fault(at, `holds ${JSON.stringify(name)}, which is no name: lower-case letters, digits and hyphens`);
  }
  return [...GRANTABLE_ROLES, ...names];
}

const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A name, or the names from the outside in: `[realm_access, roles]`. */
export function readClaim(value: JsonValue | undefined, at: string, fault: Fault): ClaimPath {
  const path = texts(value, at, fault);
  if (path.length === 0) fault(at, "is missing: a claim's name, or a list of names from the outside in");
  return path;
}

export function readClaimRules(value: JsonValue | undefined, at: string, fault: Fault): readonly ClaimRule[] {
  return entries(value, at, fault).map(([one, where]) => {
    const given = members(one, where, ["claim", "is"], fault);
    return { claim: readClaim(given["claim"], `${where}.claim`, fault), values: readValues(given["is"], where, fault) };
  });
}

export function readRoleRules(
  value: JsonValue | undefined,
  at: string,
  known: readonly string[],
  fault: Fault,
): readonly RoleRule[] {
  return entries(value, at, fault).map(([one, where]) => {
    const given = members(one, where, ["claim", "is", "namespaces", "roles"], fault);
    return {
      claim: readClaim(given["claim"], `${where}.claim`, fault),
      values: readValues(given["is"], where, fault),
      grants: readGrant(given["namespaces"], given["roles"], where, known, fault),
    };
  });
}

export function readGrants(
  value: JsonValue | undefined,
  at: string,
  known: readonly string[],
  fault: Fault,
): readonly Grant[] {
  const all = entries(value, at, fault);
  if (all.length === 0) fault(at, "is missing: a list of `namespaces` and `roles`");
  return all.flatMap(([one, where]) => {
    const given = members(one, where, ["namespaces", "roles"], fault);
    return readGrant(given["namespaces"], given["roles"], where, known, fault);
  });
}

function readGrant(
  namespaces: JsonValue | undefined,
  roles: JsonValue | undefined,
  at: string,
  known: readonly string[],
  fault: Fault,
): readonly Grant[] {
  const names = texts(namespaces, `${at}.namespaces`, fault);
  if (names.length === 0) fault(`${at}.namespaces`, 'is missing: a list of namespaces, or "*" for all');
  for (const name of names)
    if (name !== EVERY_NAMESPACE && !NAMESPACE.test(name))
      fault(`${at}.namespaces`, `holds ${JSON.stringify(name)}, which is no namespace`);
  if (texts(roles, `${at}.roles`, () => undefined).includes("owner"))
    fault(`${at}.roles`, "holds owner, who is the user of the data directory; the most a provider can give is admin");
  const given = list(roles, `${at}.roles`, known, ownerTold(fault), `is missing: ${known.join(", ")}`);
  return names.map((namespace) => ({ namespace, roles: given }));
}

/** It has a sentence of its own. */
function ownerTold(fault: Fault): Fault {
  return (where, what) => {
    if (!what.startsWith('is "owner"')) fault(where, what);
  };
}

function readValues(value: JsonValue | undefined, at: string, fault: Fault): readonly string[] {
  const values = texts(value, `${at}.is`, fault);
  if (values.length === 0) fault(`${at}.is`, "is missing: the claim's exact value, or a list of which one is enough");
  return values;
}

function entries(value: JsonValue | undefined, at: string, fault: Fault): readonly (readonly [JsonValue, string])[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    fault(at, "is not a list");
    return [];
  }
  const all = value as readonly JsonValue[];
  if (all.length > IDENTITY_LIMITS.rules)
    fault(at, `has ${all.length} entries; at most ${IDENTITY_LIMITS.rules} are read`);
  return all.slice(0, IDENTITY_LIMITS.rules).map((one, i) => [one, `${at}[${i}]`]);
}
