import type { Grant } from "./caller.ts";

/** Who may come in by another's word, and as what: `identity.yaml`, checked. */
export interface IdentitySettings {
  readonly issuers: ReadonlyMap<string, IssuerSettings>;
}

/** One identity provider. */
export interface IssuerSettings {
  /** As the configuration calls it; the first part of its callers' ids. */
  readonly name: string;
  /** The exact `iss` of its tokens. */
  readonly issuer: string;
  /** What `aud` must hold, exactly. */
  readonly audience: string;
  readonly algorithms: readonly Algorithm[];
  /** The `typ` of its tokens. With `JWT`, which ID tokens have as well, a token is only exchanged and never accepted by itself. */
  readonly type: TokenTyp;
  /** The claim that names who it is. */
  readonly subject: ClaimPath;
  readonly callers: "user" | "service";
  readonly skewMs: number;
  /** From `iat` to `exp` at most. */
  readonly maxLifetimeMs: number;
  /** How long a session lasts that began with one of its tokens. */
  readonly sessionMs: number;
  /** Hosts that its keys may come from, beside its own. */
  readonly keyHosts: readonly string[];
  /** Absent: it knows no logins of people here. */
  readonly login: LoginSettings | undefined;
  /** A token must have one of these values for each; else it is refused. */
  readonly require: readonly ClaimRule[];
  readonly roles: readonly RoleRule[];
  readonly services: readonly ServiceIdentity[];
  readonly properties: Readonly<Partial<Record<CallerProperty, ClaimPath>>>;
}

export interface LoginSettings {
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** How the provider is asked for the audience: by `resource` of RFC 8707, by `audience`, or by what its scopes say. */
  readonly ask: (typeof AUDIENCE_PARAMETERS)[number];
}

export interface ClaimRule {
  readonly claim: ClaimPath;
  readonly values: readonly string[];
}

/** Whoever has one of the values in the claim has these roles. */
export interface RoleRule extends ClaimRule {
  readonly grants: readonly Grant[];
}

/** A program that is known by its subject. */
export interface ServiceIdentity {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly grants: readonly Grant[];
}

/** Member names from the outside in. */
export type ClaimPath = readonly string[];

/** Asymmetric ones: with a shared secret, who checks tokens could make them as well. */
export const ALGORITHMS = [
  "EdDSA",
  "ES256",
  "ES384",
  "ES512",
  "PS256",
  "PS384",
  "PS512",
  "RS256",
  "RS384",
  "RS512",
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export const TOKEN_TYPS = ["at+jwt", "JWT"] as const;
export type TokenTyp = (typeof TOKEN_TYPS)[number];

export const AUDIENCE_PARAMETERS = ["resource", "audience", "none"] as const;

/** What policies may look at beside the roles. `iss` is always there. */
export const CALLER_PROPERTIES = ["acr", "amr", "org", "clearance"] as const;
export type CallerProperty = (typeof CALLER_PROPERTIES)[number];

export const NOBODY_ELSE: IdentitySettings = { issuers: new Map() };

export const IDENTITY_LIMITS = {
  bytes: 256 * 1024,
  issuers: 20,
  rules: 1_000,
  services: 1_000,
  values: 100,
  skewMs: 60_000,
  lifetimeMs: 24 * 3_600_000,
  sessionMinMs: 60_000,
  sessionMaxMs: 30 * 24 * 3_600_000,
} as const;

export const IDENTITY_DEFAULTS = {
  skewMs: 30_000,
  lifetimeMs: 2 * 3_600_000,
  sessionMs: 8 * 3_600_000,
  scopes: ["openid"],
} as const;

/** Providers' tokens have one to four thousand characters. */
export const MAX_TOKEN_LENGTH = 8 * 1024;

export const SESSION_LIMITS = {
  /** Good sessions of one caller at once. */
  perSubject: 500,
  /** A session is said to be used now unless that was said less than this ago. */
  seenEveryMs: 300_000,
  /** What is over is kept for so long: longer than any token that began one is valid. */
  keptMs: 30 * 24 * 3_600_000,
  labelLength: 200,
} as const;

/** The types of RFC 8693 that are exchanged here. */
export const TOKEN_TYPES = [
  "urn:ietf:params:oauth:token-type:access_token",
  "urn:ietf:params:oauth:token-type:jwt",
  "urn:ietf:params:oauth:token-type:id_token",
] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];
