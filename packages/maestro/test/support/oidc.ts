import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { importJWK, SignJWT } from "jose";
import type { ProviderState } from "./oidc-process.ts";

const SCRIPT = fileURLToPath(new URL("oidc-process.ts", import.meta.url));

export const CLIENT = "maestro-cli";
export const AUDIENCE = "https://maestro.test";

/** A real OpenID provider in another process. */
export class OidcProvider {
  #child: ChildProcess;
  #state: ProviderState;

  private constructor(child: ChildProcess, state: ProviderState) {
    this.#child = child;
    this.#state = state;
  }

  /** On any port that is free, or on one that it had before. */
  static async start(port = 0): Promise<OidcProvider> {
    const child = fork(SCRIPT, [String(port)], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    // Its warnings that it is for development are no news here.
    child.stderr?.resume();
    const [state] = (await once(child, "message")) as [ProviderState];
    return new OidcProvider(child, state);
  }

  get issuer(): string {
    return this.#state.issuer;
  }

  get key(): ProviderState["privateKey"] {
    return this.#state.privateKey;
  }

  /** The old keys are gone. */
  async rotate(): Promise<void> {
    this.#child.send("rotate");
    [this.#state] = (await once(this.#child, "message")) as [ProviderState];
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** As it was, after an outage; with other keys. */
  async restart(): Promise<void> {
    await this.stop();
    const next = await OidcProvider.start(Number(new URL(this.issuer).port));
    this.#child = next.#child;
    this.#state = next.#state;
  }

  /** Asked for by a program of its own, as providers give it out. */
  async clientCredentials(resource = AUDIENCE): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa("nightly:a-secret-of-the-tests-only")}` },
      body: new URLSearchParams({ grant_type: "client_credentials", resource }),
    });
    const { access_token: token } = (await response.json()) as { readonly access_token?: string };
    if (token === undefined) throw new Error(`the provider answered with ${response.status}`);
    return token;
  }

  /** What it would sign if it were careless, or somebody else had its key. Undefined takes a member out. */
  async sign(
    claims: Readonly<Record<string, unknown>> = {},
    header: Readonly<Record<string, unknown>> = {},
    key: ProviderState["privateKey"] = this.key,
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: this.issuer,
      aud: AUDIENCE,
      sub: "anna",
      client_id: CLIENT,
      jti: crypto.randomUUID(),
      iat: now,
      exp: now + 300,
      groups: ["shop"],
      ...claims,
    };
    return new SignJWT(payload)
      .setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: this.key.kid ?? "", ...header })
      .sign(await importJWK(key, "RS256"));
  }
}

/** A person in a browser: follows where it is sent and fills in what it is asked, until there is nothing to fill in. Resolves with the last page. */
export async function browse(start: string, login: string): Promise<string> {
  const cookies = new Map<string, string>();
  let request: { readonly url: string; readonly form?: URLSearchParams } = { url: start };
  for (let steps = 0; steps < 20; steps++) {
    const response = await fetch(request.url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(request.form === undefined ? {} : { method: "POST", body: request.form }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    const page = await response.text();
    if (location !== null) {
      request = { url: new URL(location, request.url).href };
      continue;
    }
    const [, action, body = ""] = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(page) ?? [];
    if (action === undefined) return page;
    const form = new URLSearchParams();
    for (const [input] of body.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1] ?? "";
      const value = /value="([^"]*)"/.exec(input)?.[1] ?? "";
      form.set(name, name === "login" ? login : name === "password" ? "any" : value);
    }
    request = { url: new URL(action, request.url).href, form };
  }
  throw new Error(`${start} leads in circles`);
}
