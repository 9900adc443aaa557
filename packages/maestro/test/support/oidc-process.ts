// A real OpenID provider on a free port, in a process of its own. Prints its URL. Its parent may send `rotate`: other keys from
// then on. Anybody logs in with any password; `groups` come from the name: `anna+shop+ops` is in shop and ops.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import type { JWK } from "jose";
import { Provider } from "oidc-provider";
import type { Configuration } from "oidc-provider";

const ALGORITHM = "RS256";

/** What its parent is told whenever it has new keys: for tokens that only a provider gone astray would sign. */
export interface ProviderState {
  readonly issuer: string;
  readonly privateKey: JWK;
}

async function makeKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: ALGORITHM, use: "sig" };
}

function configuration(keys: readonly JWK[]): Configuration {
  return {
    jwks: { keys: [...keys] },
    clients: [
      {
        client_id: "maestro-cli",
        application_type: "native",
        token_endpoint_auth_method: "none",
        redirect_uris: ["http://127.0.0.1/callback"],
        response_types: ["code"],
        grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        id_token_signed_response_alg: ALGORITHM,
      },
      {
        client_id: "nightly",
        client_secret: "a-secret-of-the-tests-only",
        redirect_uris: [],
        response_types: [],
        grant_types: ["client_credentials"],
        id_token_signed_response_alg: ALGORITHM,
      },
    ],
    pkce: { required: () => true },
    cookies: { keys: ["test"] },
    ttl: { Session: 3_600, Interaction: 600, Grant: 3_600, DeviceCode: 600, AccessToken: 300, IdToken: 300 },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_context, token) => {
      const [, ...groups] = ("accountId" in token ? token.accountId : "").split("+");
      return { groups, acr: "urn:test:password" };
    },
    features: {
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => ({
          scope: "",
          audience: resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 300,
          jwt: { sign: { alg: ALGORITHM } },
        }),
      },
    },
  };
}

let answer: ReturnType<Provider["callback"]> | undefined;
const server = createServer((request, response) => void answer?.(request, response));
const port = Number(process.argv[2] ?? 0);
await new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function renew(): Promise<void> {
  const privateKey = await makeKey();
  answer = new Provider(issuer, configuration([privateKey])).callback();
  process.send?.({ issuer, privateKey } satisfies ProviderState);
}

process.on("message", () => void renew());
process.on("disconnect", () => process.exit(0));
await renew();
process.stdout.write(`${issuer}\n`);
// For pages of the documentation, which end what stays by Ctrl-C.
if (process.argv[3] !== undefined) writeFileSync(process.argv[3], issuer);
process.on("SIGINT", () => process.exit(0));
