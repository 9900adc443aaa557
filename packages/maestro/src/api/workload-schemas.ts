import type { JsonObject } from "../core/json.ts";

// What is answered as OpenID Connect and JOSE have it, without members of our own.

const TEXT: JsonObject = { type: "string" };
const TEXTS: JsonObject = { type: "array", items: TEXT };

function all(properties: Readonly<Record<string, JsonObject>>): JsonObject {
  return { type: "object", properties, required: Object.keys(properties) };
}

export const OPENID_CONFIGURATION = all({
  issuer: TEXT,
  jwks_uri: TEXT,
  response_types_supported: TEXTS,
  subject_types_supported: TEXTS,
  id_token_signing_alg_values_supported: TEXTS,
  scopes_supported: TEXTS,
  claims_supported: TEXTS,
});

export const KEY_SET = all({
  keys: { type: "array", items: all({ kty: TEXT, crv: TEXT, x: TEXT, y: TEXT, kid: TEXT, alg: TEXT, use: TEXT }) },
});
