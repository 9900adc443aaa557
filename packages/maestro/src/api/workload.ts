import { JWKS_SECONDS } from "../identity/token.ts";
import { WELL_KNOWN } from "../identity/issuer.ts";
import type { JsonObject } from "../core/json.ts";
import { route } from "./route.ts";
import { WholeResponse } from "./whole.ts";

export const getOpenIdConfiguration = route({
  method: "GET",
  path: WELL_KNOWN.discovery,
  operation: "getOpenIdConfiguration",
  access: null,
  summary: "This control plane as an OpenID Connect issuer of tokens for workloads. Needs no token.",
  answers: [
    { status: 200, type: "application/json", schema: "OpenIdConfiguration", description: "The discovery document." },
    { status: 503, type: "application/problem+json", description: "It is no issuer (`no_issuer`)." },
  ],
  handle: async ({ issuer }) => kept(issuer.discovery()),
});

export const getKeySet = route({
  method: "GET",
  path: WELL_KNOWN.keySet,
  operation: "getKeySet",
  access: null,
  summary: "The public keys of tokens for workloads, those of the last and the next rotation included. Needs no token.",
  answers: [
    { status: 200, type: "application/json", schema: "KeySet", description: "A JSON Web Key Set." },
    { status: 503, type: "application/problem+json", description: "It is no issuer (`no_issuer`)." },
  ],
  handle: async ({ issuer }) => kept(issuer.keySet()),
});

/** As the standards have it, without members of our own; verifiers may keep it for a while. */
function kept(value: JsonObject): Promise<Response> {
  const headers = { "content-type": "application/json", "cache-control": `public, max-age=${JWKS_SECONDS}` };
  return Promise.resolve(new WholeResponse(JSON.stringify(value), { headers }));
}
