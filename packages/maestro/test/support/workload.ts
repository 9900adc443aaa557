import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import assert from "node:assert/strict";
import { createRemoteJWKSet, jwtVerify } from "jose";
import type { JWTPayload } from "jose";
import type { Place, Started } from "./maestro.ts";
import type { Server } from "./server.ts";

/** A task that asks for a token, says where it asked, and stays until somebody writes into its pipe. */
export const holding = (sandbox: string): string => `
    ask:
      uses: exec@1
      identity: { audiences: [vault] }
      runner: { sandbox: ${sandbox} }
      with:
        script: |
          mkfifo go
          printf %s "$MAESTRO_TOKEN_SOCKET" > socket.txt
          curl -sf --unix-socket "$MAESTRO_TOKEN_SOCKET" "http://token/token?audience=vault" > token.json
          curl -s --unix-socket "$MAESTRO_TOKEN_SOCKET" "http://token/token?audience=other" > refused.json
          # What no task should do.
          cat token.json; cat token.json >&2; cat token.json > "$MAESTRO_OUTPUT"
          echo "attempt $MAESTRO_ATTEMPT is holding"
          cat go > /dev/null
`;

export const manifest = (name: string, tasks: string): string => `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: ${name}, version: 1.0.0 }
spec:
  type: demo
  purposes: [release]
  budget: { wall: 5m }
  tasks:${tasks}`;

export interface Held {
  readonly run: string;
  /** The attempt's folder. */
  readonly dir: string;
  readonly logs: Started;
  readonly token: string;
  /** As the task sees it. */
  readonly socket: string;
  /** What it was told about an audience that it may not have. */
  readonly refused: Readonly<Record<string, unknown>>;
}

/** Starts a run whose task is `holding`. */
export async function hold(place: Place, file: string): Promise<Held> {
  const started = await place.run(["run", file, "--purpose", "release", "--detach", "-o", "name"]);
  assert.equal(started.code, 0, started.err);
  return held(place, started.out.trim(), 1);
}

/** When that attempt has its token. */
export async function held(place: Place, run: string, attempt: number): Promise<Held> {
  const logs = place.start(["logs", run, "--follow"]);
  await logs.shows(new RegExp(`attempt ${attempt} is holding`));
  const dir = join(place.dir, "data/work", run, `ask.${attempt}`);
  const { token } = JSON.parse(readFileSync(join(dir, "token.json"), "utf8")) as { readonly token: string };
  const refused = JSON.parse(readFileSync(join(dir, "refused.json"), "utf8")) as Held["refused"];
  return { run, dir, logs, token, refused, socket: readFileSync(join(dir, "socket.txt"), "utf8") };
}

export async function letGo(place: Place, { run, dir, logs }: Held): Promise<void> {
  await writeFile(join(dir, "go"), "");
  const watched = await place.run(["watch", run]);
  assert.equal(watched.code, 0, `${watched.out}${watched.err}`);
  await logs.ended;
}

/** As another system would: by the discovery document and the key set. */
export async function verified(server: Server, token: string): Promise<JWTPayload> {
  const discovery = await server.ask({ path: "/.well-known/openid-configuration", token: null });
  assert.equal(discovery.headers["cache-control"], "public, max-age=300");
  assert.equal(discovery.json["issuer"], server.url);
  const keys = createRemoteJWKSet(new URL(String(discovery.json["jwks_uri"])));
  const { payload } = await jwtVerify(token, keys, {
    issuer: server.url,
    audience: "vault",
    algorithms: discovery.json["id_token_signing_alg_values_supported"] as string[],
    typ: "JWT",
  });
  return payload;
}
