import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { claimsOf, CLAIMS, signToken, TOKEN_SECONDS } from "./token.ts";
import type { TokenFacts } from "./token.ts";
import { openWorkloadKeys, publishedAt } from "./workload-keys.ts";
import type { WorkloadKeys } from "./workload-keys.ts";

/** This installation as an OpenID Connect issuer for its workloads. It knows no people, and nobody logs in here. */
export interface Issuer {
  /** The URL under which others find it; undefined: nobody can. */
  readonly url: string | undefined;
  /** The API is served there from now on: that is the issuer, where none was named. */
  listens(url: string): void;
  /** OpenID Connect Discovery 1.0. Errors: `no_issuer`. */
  discovery(): JsonObject;
  /** RFC 7517: the public keys, those of the last and the next rotation included. Errors: `key_unusable`, `no_issuer`. */
  keySet(): JsonObject;
  /** Errors: `no_issuer`, `key_unusable`. */
  issue(facts: Omit<TokenFacts, "issuer">): IssuedToken;
}

export interface IssuedToken {
  readonly token: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly kid: string;
}

export const WELL_KNOWN = { discovery: "/.well-known/openid-configuration", keySet: "/.well-known/jwks.json" } as const;

const ALGORITHM = "ES256";

export function openIssuer(options: {
  /** `<data>/keys`; the keys are made when they are first needed. */
  readonly dir: string;
  readonly passphrase?: string;
  /** What others know it by, if it is not where the API is served. Checked by `readIssuerUrl`. */
  readonly url?: string;
  now(): number;
}): Issuer {
  let keys: WorkloadKeys | undefined;
  let listensAt: string | undefined;
  const open = (): WorkloadKeys => (keys ??= openWorkloadKeys({ ...options, now: options.now() }));
  const url = (): string => {
    const found = options.url ?? listensAt;
    if (found === undefined) throw noIssuer();
    return found;
  };
  return {
    get url() {
      return options.url ?? listensAt;
    },
    listens(at) {
      listensAt = at;
    },
    discovery: () => ({
      issuer: url(),
      jwks_uri: `${url()}${WELL_KNOWN.keySet}`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: [ALGORITHM],
      scopes_supported: ["openid"],
      claims_supported: CLAIMS,
    }),
    keySet() {
      url();
      const published = publishedAt(open().keys, options.now());
      return {
        keys: published.map(({ kid, publicKey }) => {
          const { crv = "", kty = "", x = "", y = "" } = publicKey.export({ format: "jwk" });
          return { kty, crv, x, y, kid, alg: ALGORITHM, use: "sig" };
        }),
      };
    },
    issue(facts) {
      const issuer = url();
      const signer = open().signingKey(facts.issuedAt);
      return {
        token: signToken(claimsOf({ ...facts, issuer }), signer),
        expiresAt: (Math.floor(facts.issuedAt / 1000) + TOKEN_SECONDS) * 1000,
        kid: signer.kid,
      };
    },
  };
}

const MAX_URL = 255;

/** OpenID Connect Discovery 1.0, 3: https, no query, no fragment; http only on this machine. Errors: `invalid_request`. */
export function readIssuerUrl(text: string): string {
  const url = URL.parse(text);
  const wrong =
    url === null
      ? "it is no URL"
      : url.protocol !== "https:" && !(url.protocol === "http:" && isThisMachine(url.hostname))
        ? "others must reach it by https"
        : url.search !== "" || url.hash !== "" || text.includes("?") || text.includes("#")
          ? "it has a query or a fragment"
          : url.username !== "" || url.password !== ""
            ? "it holds a name or a password"
            : text.length > MAX_URL
              ? `it is longer than ${MAX_URL} characters`
              : undefined;
  // Verifiers compare it as text, so what a URL parser would mend is refused; a slash at its end alone means the same.
  const plain = text.replace(/\/+$/, "");
  if (wrong === undefined && url?.href.replace(/\/+$/, "") === plain) return plain;
  throw new MaestroError(
    "invalid_request",
    `The issuer ${JSON.stringify(text.slice(0, MAX_URL))} cannot be used: ${wrong ?? "it is not written in its normal form"}.`,
    { fix: "Give the URL under which this control plane is reached from outside, such as https://maestro.example." },
  );
}

function isThisMachine(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

export function noIssuer(): MaestroError {
  return new MaestroError("no_issuer", "Nobody could verify a token: this control plane has no address.");
}
