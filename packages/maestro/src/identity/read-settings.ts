import type { JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { members, readSettingsText } from "../manifest/settings.ts";
import type { Fault } from "../manifest/settings.ts";
import { choice, duration, list, named, requiredText, texts } from "./read-parts.ts";
import { readClaim, readClaimRules, readGrants, readRoleNames, readRoleRules } from "./read-rules.ts";
import type { ClaimPath, IdentitySettings, IssuerSettings, LoginSettings, ServiceIdentity } from "./settings.ts";
import {
  ALGORITHMS,
  AUDIENCE_PARAMETERS,
  CALLER_PROPERTIES,
  IDENTITY_DEFAULTS,
  IDENTITY_LIMITS,
  TOKEN_TYPS,
} from "./settings.ts";

/** Strict: what it does not know it refuses, since a misspelt rule would let in, or keep out, whom nobody meant. Errors: `identity_unusable` with every fault. */
export async function readIdentity(text: string, path: string): Promise<IdentitySettings> {
  const faults: string[] = [];
  const fault: Fault = (where, what) => faults.push(`${where} ${what}`);
  const value = await readSettingsText(text, IDENTITY_LIMITS.bytes, (all, cause) => unusable(path, all, cause));
  const root = members(value ?? {}, "the file", ["identity"], fault);
  const identity = members(root["identity"] ?? {}, "identity", ["session", "roles", "issuers", "services"], fault);
  const sessionMs = duration(identity["session"], "identity.session", SESSION, IDENTITY_DEFAULTS.sessionMs, fault);
  const known = readRoleNames(identity["roles"], "identity.roles", fault);
  const services = readServices(identity["services"], known, fault);
  const issuers = new Map<string, IssuerSettings>();
  for (const [name, one] of named(identity["issuers"], "identity.issuers", IDENTITY_LIMITS.issuers, fault)) {
    const own = services.filter(({ issuer }) => issuer === name).map(({ service }) => service);
    const issuer = readIssuer(name, one, { sessionMs, services: own, known }, fault);
    const twin = [...issuers.values()].find((other) => other.issuer === issuer.issuer);
    // A token says its `iss` and no name of ours.
    if (twin !== undefined && issuer.issuer !== "")
      fault(`identity.issuers.${name}.issuer`, `is that of ${twin.name}; put what both say into one`);
    issuers.set(name, issuer);
  }
  for (const { issuer, service } of services) {
    if (issuers.has(issuer)) continue;
    const near = suggest(issuer, [...issuers.keys()]);
    fault(
      `identity.services.${service.name}.issuer`,
      `is ${JSON.stringify(issuer)}, and there is no issuer of that name${near === undefined ? "" : `; did you mean ${near}?`}`,
    );
  }
  if (faults.length > 0) throw unusable(path, faults);
  return { issuers };
}

export const ISSUER_MEMBERS = [
  "issuer",
  "audience",
  "algorithms",
  "type",
  "subject",
  "callers",
  "clockSkew",
  "maxTokenLifetime",
  "session",
  "keyHosts",
  "login",
  "require",
  "roles",
  "properties",
] as const;

function readIssuer(
  name: string,
  value: JsonValue,
  base: {
    readonly sessionMs: number;
    readonly services: readonly ServiceIdentity[];
    readonly known: readonly string[];
  },
  fault: Fault,
): IssuerSettings {
  const at = `identity.issuers.${name}`;
  const given = members(value, at, ISSUER_MEMBERS, fault);
  const issuer = issuerUrl(given["issuer"], `${at}.issuer`, fault);
  const audience = requiredText(
    given["audience"],
    `${at}.audience`,
    "is missing: what `aud` must be, the name of this installation at the provider",
    fault,
  );
  const login = given["login"] === undefined ? undefined : readLogin(given["login"], `${at}.login`, fault);
  // An ID token is meant for the client that logs in; one audience for both would let it pass for an access token.
  if (login !== undefined && login.clientId === audience && audience !== "")
    fault(`${at}.audience`, `is the login's client id; give this installation an audience of its own at the provider`);
  const roles = readRoleRules(given["roles"], `${at}.roles`, base.known, fault);
  if (roles.length === 0 && base.services.length === 0)
    fault(`${at}.roles`, "is missing: without a rule nobody has a role, and nobody could do anything");
  return {
    name,
    issuer,
    audience,
    algorithms: list(
      given["algorithms"],
      `${at}.algorithms`,
      ALGORITHMS,
      fault,
      "is missing: what its keys sign with, such as [RS256] (see `id_token_signing_alg_values_supported` of its discovery document)",
    ),
    type: choice(given["type"], `${at}.type`, TOKEN_TYPS, "at+jwt", fault),
    subject: given["subject"] === undefined ? ["sub"] : readClaim(given["subject"], `${at}.subject`, fault),
    callers: choice(given["callers"], `${at}.callers`, ["user", "service"], "user", fault),
    skewMs: duration(
      given["clockSkew"],
      `${at}.clockSkew`,
      { min: 0, max: IDENTITY_LIMITS.skewMs },
      IDENTITY_DEFAULTS.skewMs,
      fault,
    ),
    maxLifetimeMs: duration(
      given["maxTokenLifetime"],
      `${at}.maxTokenLifetime`,
      { min: 1_000, max: IDENTITY_LIMITS.lifetimeMs },
      IDENTITY_DEFAULTS.lifetimeMs,
      fault,
    ),
    sessionMs: duration(given["session"], `${at}.session`, SESSION, base.sessionMs, fault),
    keyHosts: texts(given["keyHosts"], `${at}.keyHosts`, fault),
    login,
    require: readClaimRules(given["require"], `${at}.require`, fault),
    roles,
    services: base.services,
    properties: readProperties(given["properties"], `${at}.properties`, fault),
  };
}

const SESSION = { min: IDENTITY_LIMITS.sessionMinMs, max: IDENTITY_LIMITS.sessionMaxMs };

export const LOGIN_MEMBERS = ["clientId", "scopes", "audienceParameter"] as const;

function readLogin(value: JsonValue, at: string, fault: Fault): LoginSettings {
  const given = members(value, at, LOGIN_MEMBERS, fault);
  return {
    clientId: requiredText(
      given["clientId"],
      `${at}.clientId`,
      "is missing: the client of `maestro login` at the provider, a public one",
      fault,
    ),
    scopes: given["scopes"] === undefined ? IDENTITY_DEFAULTS.scopes : texts(given["scopes"], `${at}.scopes`, fault),
    ask: choice(given["audienceParameter"], `${at}.audienceParameter`, AUDIENCE_PARAMETERS, "resource", fault),
  };
}

export const SERVICE_MEMBERS = ["issuer", "subject", "roles"] as const;

function readServices(
  value: JsonValue | undefined,
  known: readonly string[],
  fault: Fault,
): readonly { readonly issuer: string; readonly service: ServiceIdentity }[] {
  const seen = new Map<string, string>();
  return named(value, "identity.services", IDENTITY_LIMITS.services, fault).map(([name, one]) => {
    const at = `identity.services.${name}`;
    const given = members(one, at, SERVICE_MEMBERS, fault);
    const issuer = requiredText(given["issuer"], `${at}.issuer`, "is missing: the name of an issuer above", fault);
    const subjects = texts(given["subject"], `${at}.subject`, fault);
    if (subjects.length === 0) fault(`${at}.subject`, "is missing: the exact `sub` of its tokens, or a list of them");
    for (const subject of subjects) {
      const other = seen.get(`${issuer}:${subject}`);
      if (other !== undefined) fault(`${at}.subject`, `${JSON.stringify(subject)} is that of ${other} already`);
      seen.set(`${issuer}:${subject}`, name);
    }
    return { issuer, service: { name, subjects, grants: readGrants(given["roles"], `${at}.roles`, known, fault) } };
  });
}

function readProperties(value: JsonValue | undefined, at: string, fault: Fault): IssuerSettings["properties"] {
  const given = value === undefined ? {} : members(value, at, CALLER_PROPERTIES, fault);
  // What OpenID Connect says about how somebody logged in is known by its own names.
  const read: Record<string, ClaimPath> = { acr: ["acr"], amr: ["amr"] };
  for (const name of CALLER_PROPERTIES)
    if (given[name] !== undefined) read[name] = readClaim(given[name], `${at}.${name}`, fault);
  return read;
}

/** Exactly as tokens have it, so nothing is normalised. */
function issuerUrl(value: JsonValue | undefined, at: string, fault: Fault): string {
  const text = requiredText(
    value,
    at,
    "is missing: the exact `iss` of its tokens, such as https://login.example",
    fault,
  );
  if (text === "") return "";
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "" || url.username !== "") {
    fault(at, `is ${JSON.stringify(text)}, which is no URL such as https://login.example`);
  } else if (url.protocol === "http:" && !isLoopbackHost(url.hostname)) {
    fault(at, `is ${JSON.stringify(text)}: http is for a provider on this machine only; use https`);
  }
  return text;
}

export function isLoopbackHost(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, "");
  return name === "localhost" || name === "::1" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function unusable(path: string, faults: readonly string[], cause?: unknown): MaestroError {
  return new MaestroError("identity_unusable", `The identity settings ${path} cannot be used: ${faults.join("; ")}.`, {
    facts: { path, faults: [...faults] },
    cause,
  });
}
