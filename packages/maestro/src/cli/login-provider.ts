import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Configuration } from "openid-client";
import { isLoopback } from "../api/listen-address.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { createServer } from "../node-http.ts";

/** A provider where people log in, as the control plane describes it. */
export interface LoginIssuer {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly type: string;
  readonly login: {
    readonly clientId: string;
    readonly scopes: readonly string[];
    readonly audienceParameter: string;
  } | null;
}

/** So long a person may take at the provider. */
const PATIENCE_MS = 600_000;
const ANSWER_SECONDS = 15;

/** Resolves with an access token: a person logs in by a browser on this machine. */
export async function loginByBrowser(issuer: LoginIssuer, say: (line: string) => void): Promise<string> {
  const oidc = await import("openid-client");
  const { config, parameters } = await discover(issuer);
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const isOpenId = issuer.login?.scopes.includes("openid") === true;
  const server = createServer();
  const answered = Promise.withResolvers<readonly [URL, ServerResponse]>();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const url = URL.parse(request.url ?? "", origin(server.address() as AddressInfo));
    // Whoever does not know the state was not sent by the provider to this login.
    const isOurs = url?.pathname === "/callback" && url.searchParams.get("state") === state;
    if (url !== null && isOurs && request.method === "GET") answered.resolve([url, response]);
    else page(response, 404, "There is nothing here.");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const late = setTimeout(() => answered.reject(tooLate(issuer)), PATIENCE_MS).unref();
  try {
    const redirect = `${origin(server.address() as AddressInfo)}/callback`;
    const url = oidc.buildAuthorizationUrl(config, {
      ...parameters,
      redirect_uri: redirect,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      ...(isOpenId ? { nonce } : {}),
    });
    say("Open this address in a browser on this machine:");
    say(`  ${url.href}`);
    const [back, response] = await answered.promise;
    try {
      const tokens = await oidc.authorizationCodeGrant(
        config,
        back,
        { pkceCodeVerifier: verifier, expectedState: state, ...(isOpenId ? { expectedNonce: nonce } : {}) },
        resourceOf(parameters),
      );
      page(response, 200, "Logged in. You may close this page and go back to the terminal.");
      return tokens.access_token;
    } catch (error) {
      page(response, 400, "The login did not succeed. The terminal says why.");
      throw refusedBy(issuer, error);
    }
  } finally {
    clearTimeout(late);
    server.close();
    server.closeIdleConnections();
  }
}

/** Resolves with an access token: a person logs in by a browser anywhere, with a code that is shown here. */
export async function loginByDevice(issuer: LoginIssuer, say: (line: string) => void): Promise<string> {
  const oidc = await import("openid-client");
  const { config, parameters } = await discover(issuer);
  try {
    const asked = await oidc.initiateDeviceAuthorization(config, parameters);
    say("Open this address in any browser:");
    say(`  ${asked.verification_uri_complete ?? asked.verification_uri}`);
    say(`and compare the code: ${asked.user_code}`);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, asked, resourceOf(parameters), { signal });
    return tokens.access_token;
  } catch (error) {
    throw refusedBy(issuer, error);
  }
}

async function discover(
  issuer: LoginIssuer,
): Promise<{ readonly config: Configuration; readonly parameters: Record<string, string> }> {
  const { login, audience } = issuer;
  if (login === null) throw new TypeError(`nobody logs in by ${issuer.name}`);
  const url = new URL(issuer.issuer);
  const isHere = url.protocol === "http:" && isLoopback(url.hostname.replace(/^\[|\]$/g, ""));
  const oidc = await import("openid-client");
  try {
    const config = await oidc.discovery(url, login.clientId, undefined, oidc.None(), {
      timeout: ANSWER_SECONDS,
      execute: isHere ? [oidc.allowInsecureRequests] : [],
    });
    const ask = login.audienceParameter === "none" ? {} : { [login.audienceParameter]: audience };
    return { config, parameters: { scope: login.scopes.join(" "), ...ask } };
  } catch (error) {
    throw new MaestroError(
      "issuer_unreachable",
      `The identity provider ${issuer.name} at ${issuer.issuer} cannot be asked: ${whyOf(error)}.`,
      {
        cause: error,
      },
    );
  }
}

/** RFC 8707 2.2: said again where the token is asked for. */
function resourceOf({ resource }: Readonly<Record<string, string>>): Record<string, string> {
  return resource === undefined ? {} : { resource };
}

function origin({ port }: AddressInfo): string {
  return `http://127.0.0.1:${port}`;
}

function page(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(`${text}\n`);
}

function tooLate({ name }: LoginIssuer): MaestroError {
  return new MaestroError("timed_out", `Nobody logged in at ${name} within ${PATIENCE_MS / 60_000} minutes.`, {
    fix: "Call `maestro login` again; where no browser runs on this machine, with --device.",
  });
}

function refusedBy({ name }: LoginIssuer, error: unknown): MaestroError {
  if (error instanceof MaestroError) return error;
  return new MaestroError("unauthorized", `The identity provider ${name} did not let anybody in: ${whyOf(error)}.`, {
    cause: error,
    fix: "Log in again. If it goes on, compare the client at the provider with `login` in identity.yaml: docs/guides/identity.md.",
  });
}

/** What OAuth says about an error is in members of its own; a token is in none of them. */
function whyOf(error: unknown): string {
  const { error: code, error_description: text } = (error ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof code === "string") return typeof text === "string" ? `${code}, ${text.replace(/\.$/, "")}` : code;
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${messageOf(error)}${cause}`;
}
