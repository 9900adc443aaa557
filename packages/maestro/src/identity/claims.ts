import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Caller, Grant } from "./caller.ts";
import { Refused } from "./refused.ts";
import { CALLER_PROPERTIES } from "./settings.ts";
import type { ClaimPath, ClaimRule, IssuerSettings } from "./settings.ts";

/** An id with line breaks or no end would be trouble in every list and log. */
const SUBJECT = /^[^\p{Cc}\p{Zl}\p{Zp}]{1,255}$/u;

const MAX_PROPERTY = 1_000;

/** Who claims are about that were proved to be the issuer's, with the roles that the settings give them now. Throws Refused. */
export function callerOf(
  settings: IssuerSettings,
  claims: JsonObject,
): Pick<Caller, "type" | "id" | "grants" | "properties"> {
  const subject = claimAt(claims, settings.subject);
  if (typeof subject !== "string" || !SUBJECT.test(subject))
    throw new Refused("bad_claims", `${settings.subject.join(".")} is no name`);
  for (const rule of settings.require)
    if (!holds(claims, rule)) throw new Refused("not_required", rule.claim.join("."));
  const service = settings.services.find(({ subjects }) => subjects.includes(subject));
  const byRule = settings.roles.filter((rule) => holds(claims, rule)).flatMap(({ grants }) => grants);
  return {
    type: service === undefined ? settings.callers : "service",
    id: `${settings.name}:${subject}`,
    grants: merged([...byRule, ...(service?.grants ?? [])]),
    properties: propertiesOf(settings, claims),
  };
}

/** The claims that the settings look at and no others: what a session remembers of its token. */
export function keptClaims(settings: IssuerSettings, claims: JsonObject): JsonObject {
  const paths = [
    settings.subject,
    ...[...settings.require, ...settings.roles].map(({ claim }) => claim),
    ...Object.values(settings.properties),
  ];
  const names = new Set(["iss", ...paths.map(([name = ""]) => name)]);
  return Object.fromEntries(Object.entries(claims).filter(([name]) => names.has(name)));
}

function holds(claims: JsonObject, { claim, values }: ClaimRule): boolean {
  const found = claimAt(claims, claim);
  const all: readonly JsonValue[] = Array.isArray(found) ? found : found === undefined ? [] : [found];
  // Providers write booleans and numbers where people write words.
  return all.some((one) => (typeof one === "object" ? false : values.includes(String(one))));
}

function claimAt(claims: JsonObject, path: ClaimPath): JsonValue | undefined {
  let value: JsonValue | undefined = claims;
  for (const name of path) value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

function propertiesOf(settings: IssuerSettings, claims: JsonObject): JsonObject {
  const found: Record<string, JsonValue> = { iss: settings.issuer };
  for (const name of CALLER_PROPERTIES) {
    const path = settings.properties[name];
    const value = path === undefined ? undefined : claimAt(claims, path);
    // Texts and lists of texts; anything else has no meaning that policies could rely on.
    const isText = typeof value === "string" || (Array.isArray(value) && value.every((one) => typeof one === "string"));
    if (value !== undefined && isText && JSON.stringify(value).length <= MAX_PROPERTY) found[name] = value;
  }
  return found;
}

/** One grant per namespace. */
function merged(grants: readonly Grant[]): readonly Grant[] {
  const roles = new Map<string, Set<string>>();
  for (const grant of grants) {
    const known = roles.get(grant.namespace) ?? new Set<string>();
    for (const role of grant.roles) known.add(role);
    roles.set(grant.namespace, known);
  }
  return [...roles].map(([namespace, own]) => ({ namespace, roles: [...own].sort() }));
}
