import type { JWTVerifyGetKey } from "jose";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { CompactToken } from "./compact.ts";
import { FETCH_LIMITS, fetchJson } from "./fetch-json.ts";
import { isLoopbackHost } from "./read-settings.ts";
import { Refused } from "./refused.ts";
import type { IssuerSettings } from "./settings.ts";

export const KEY_LIMITS = {
  /** Keys are asked for anew after so long at most. */
  maxAgeMs: 600_000,
  /** A key nobody knows makes us ask anew, but not more often than this. */
  cooldownMs: 30_000,
  /** After an answer that was none. */
  retryMs: 5_000,
  keys: 100,
} as const;

export interface ProviderParts {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly limits?: Partial<Record<keyof typeof FETCH_LIMITS, number>>;
}

interface Keys {
  readonly find: JWTVerifyGetKey;
  readonly at: number;
}

/** Checks the tokens of one identity provider by its published keys. What cannot be known is refused. */
export class Provider {
  readonly settings: IssuerSettings;
  readonly #now: () => number;
  readonly #limits: Readonly<Record<keyof typeof FETCH_LIMITS, number>>;
  #keys: Keys | undefined;
  #loading: Promise<Keys> | undefined;
  #failed: { readonly at: number; readonly error: MaestroError } | undefined;

  constructor(settings: IssuerSettings, { now, limits }: ProviderParts) {
    this.settings = settings;
    this.#now = now;
    this.#limits = { ...FETCH_LIMITS, ...limits };
  }

  /**
   * Resolves where the token is one of this issuer's, for this installation, now: RFC 8725 and 9068. Rejects with Refused,
   * or `issuer_unreachable` where its keys cannot be had.
   */
  async verify(token: CompactToken): Promise<void> {
    const { settings } = this;
    const { alg, kid, typ } = token.header;
    const algorithm = settings.algorithms.find((one) => one === alg);
    if (algorithm === undefined) throw new Refused("wrong_algorithm");
    if (typeof typ !== "string" || typOf(typ) !== typOf(settings.type)) throw new Refused("wrong_type");
    // A key's name is looked up in what the issuer publishes and is used for nothing else.
    if (kid !== undefined && (typeof kid !== "string" || kid.length > 512)) throw new Refused("malformed", "its kid");
    checkClaims(token.claims, settings);
    const { jwtVerify } = await import("jose");
    try {
      await jwtVerify(token.text, async (header, input) => this.#find(header, input), {
        algorithms: [algorithm],
        issuer: settings.issuer,
        audience: settings.audience,
        typ: settings.type,
        requiredClaims: ["iss", "aud", "exp", "iat"],
        clockTolerance: settings.skewMs / 1000,
        currentDate: new Date(this.#now()),
      });
    } catch (error) {
      throw error instanceof Refused || error instanceof MaestroError ? error : asRefused(error);
    }
    checkTimes(token.claims, settings, this.#now());
  }

  /** How many keys it has now. Errors: `issuer_unreachable`. */
  async check(): Promise<{ readonly keys: number }> {
    const { keys } = await this.#fetch();
    return { keys: keys.length };
  }

  async #find(...[header, input]: Parameters<JWTVerifyGetKey>): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    const keys = await this.#current();
    try {
      return await keys.find(header, input);
    } catch (error) {
      if (codeOf(error) !== "ERR_JWKS_NO_MATCHING_KEY" || this.#now() - keys.at < KEY_LIMITS.cooldownMs) throw error;
    }
    // Perhaps it has new ones.
    return (await this.#load()).find(header, input);
  }

  async #current(): Promise<Keys> {
    const keys = this.#keys;
    return keys !== undefined && this.#now() - keys.at < KEY_LIMITS.maxAgeMs ? keys : this.#load();
  }

  /** Once for all who wait. */
  async #load(): Promise<Keys> {
    const { at, error } = this.#failed ?? { at: Number.NEGATIVE_INFINITY, error: undefined };
    if (error !== undefined && this.#now() - at < KEY_LIMITS.retryMs) throw error;
    this.#loading ??= this.#loadNow().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #loadNow(): Promise<Keys> {
    try {
      const { createLocalJWKSet } = await import("jose");
      const { keys } = await this.#fetch();
      const find = createLocalJWKSet({ keys: keys as unknown as Parameters<typeof createLocalJWKSet>[0]["keys"] });
      this.#failed = undefined;
      return (this.#keys = { find, at: this.#now() });
    } catch (error) {
      const failure = error instanceof MaestroError ? error : this.#unreachable(messageOf(error), error);
      this.#failed = { at: this.#now(), error: failure };
      throw failure;
    }
  }

  async #fetch(): Promise<{ readonly keys: readonly JsonObject[] }> {
    const { issuer } = this.settings;
    try {
      const document = await fetchJson(discoveryUrl(issuer), this.#limits);
      // Whoever could put another name there could put other keys there as well (OpenID Connect Discovery 4.3).
      if (document["issuer"] !== issuer)
        throw new Error(`its discovery document is that of ${JSON.stringify(document["issuer"])}`);
      return { keys: keysOf(await fetchJson(this.#keysUrl(document["jwks_uri"]), this.#limits)) };
    } catch (error) {
      throw this.#unreachable(messageOf(error), error);
    }
  }

  #keysUrl(value: JsonValue | undefined): string {
    const url = typeof value === "string" ? URL.parse(value) : null;
    if (url === null) throw new Error("its discovery document names no jwks_uri");
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopbackHost(url.hostname)))
      throw new Error(`its keys would come from ${url.protocol}//${url.host}, which is not https`);
    const own = new URL(this.settings.issuer).host;
    if (url.host !== own && !this.settings.keyHosts.includes(url.host))
      throw new Error(`its keys would come from ${url.host}; if that is right, add it to keyHosts`);
    return url.href;
  }

  #unreachable(why: string, cause: unknown): MaestroError {
    const { name, issuer } = this.settings;
    return new MaestroError("issuer_unreachable", `The identity provider ${name} cannot be asked: ${why}.`, {
      cause,
      facts: { issuer: name, url: issuer },
    });
  }
}

/** OpenID Connect Discovery 4: a slash at the end is taken off first. */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}

function keysOf(document: JsonObject): readonly JsonObject[] {
  const { keys } = document;
  if (!Array.isArray(keys)) throw new Error("its key set has no keys");
  if (keys.length > KEY_LIMITS.keys) throw new Error(`its key set has more than ${KEY_LIMITS.keys} keys`);
  // One of a kind that is not known here must not spoil the others.
  return keys.filter((key: JsonValue) => isJsonObject(key) && key["kty"] !== "oct") as readonly JsonObject[];
}

function checkClaims(claims: JsonObject, settings: IssuerSettings): void {
  const { iss, aud } = claims;
  if (iss !== settings.issuer) throw new Refused("wrong_issuer");
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.every((one) => typeof one === "string")) throw new Refused("bad_claims", "aud");
  if (!audiences.includes(settings.audience)) throw new Refused("wrong_audience");
  // What a login ends with is about its client and is meant for nobody else.
  const own =
    settings.type === "JWT" ? ["nonce", "at_hash", "c_hash"].find((name) => Object.hasOwn(claims, name)) : undefined;
  if (own !== undefined) throw new Refused("wrong_type", `it has ${own}, so it is the ID token of a login`);
}

/** What jose leaves to us: when it was made, and for how long. Seconds, as in the claims. */
function checkTimes({ iat, exp }: JsonObject, settings: IssuerSettings, nowMs: number): void {
  if (typeof iat !== "number" || typeof exp !== "number") throw new Refused("bad_claims", "iat or exp");
  if (iat * 1000 > nowMs + settings.skewMs) throw new Refused("not_yet_valid");
  if ((exp - iat) * 1000 > settings.maxLifetimeMs) throw new Refused("lives_too_long");
}

/** RFC 7515 4.1.9: `application/` may be left out; letters' case does not matter. */
function typOf(typ: string): string {
  const name = typ.toLowerCase();
  return name.startsWith("application/") ? name.slice("application/".length) : name;
}

function asRefused(error: unknown): Refused {
  const claim = error instanceof Error && "claim" in error ? String(error.claim) : "";
  switch (codeOf(error)) {
    case "ERR_JWT_EXPIRED":
      return new Refused("expired", undefined, error);
    case "ERR_JWT_CLAIM_VALIDATION_FAILED":
      return new Refused(claim === "nbf" ? "not_yet_valid" : "bad_claims", claim, error);
    case "ERR_JWKS_NO_MATCHING_KEY":
      return new Refused("unknown_key", undefined, error);
    case "ERR_JWKS_MULTIPLE_MATCHING_KEYS":
      return new Refused("unknown_key", "its header names none, and there are several", error);
    case "ERR_JWS_SIGNATURE_VERIFICATION_FAILED":
      return new Refused("bad_signature", undefined, error);
    default:
      // Keys that are too short, signatures of a wrong length, and whatever else is not as it should be.
      return new Refused("bad_signature", "it cannot be checked", error);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
