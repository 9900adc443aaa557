import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { TaskFailure } from "./task.ts";

/** A token that says which run, task and attempt its holder is (OpenID Connect). It is a secret: hand it on, never print it. */
export interface WorkloadToken {
  /** For `Authorization: Bearer`, or to be exchanged for what the other side gives out. */
  readonly token: string;
  /** Epoch milliseconds, five minutes after it was asked for. */
  readonly expiresAt: number;
}

export interface TokenOptions {
  /** Default: what MAESTRO_TOKEN_SOCKET says. */
  readonly socket?: string | undefined;
  readonly signal?: AbortSignal;
}

const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * A token of this attempt for one of the audiences that its task names under `identity` in the runbook. Ask when it is
 * needed and not before: each is new. Throws TaskFailure with the code TOKEN, which says why there is none.
 */
export async function workloadToken(audience: string, options: TokenOptions = {}): Promise<WorkloadToken> {
  const socketPath = options.socket ?? process.env["MAESTRO_TOKEN_SOCKET"];
  if (socketPath === undefined)
    throw refused(
      "this task may have no tokens; name the audience under `identity: { audiences: [...] }` in its runbook",
      {
        final: true,
      },
    );
  const path = `/token?audience=${encodeURIComponent(audience)}`;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  let status: number;
  let text: string;
  try {
    ({ status, text } = await ask({ socketPath, path, ...signal }));
  } catch (error) {
    options.signal?.throwIfAborted();
    throw refused(`the socket ${socketPath} does not answer: ${String(error)}`, { cause: error });
  }
  const answer = readObject(text);
  const { token, expiresAt, detail, fix } = answer;
  if (status === 200 && typeof token === "string" && typeof expiresAt === "number") return { token, expiresAt };
  const why = typeof detail === "string" ? detail : `the answer has the status ${status}`;
  // What was refused will be refused again; what is overloaded or not up yet may not.
  throw refused(typeof fix === "string" ? `${why} ${fix}` : why, { final: status < 500 && status !== 429 });
}

function ask(options: {
  readonly socketPath: string;
  readonly path: string;
  readonly signal?: AbortSignal;
}): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, headers: { host: "token" }, agent: false }, (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    sent.once("error", reject);
    sent.end();
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    // Not one of ours: its status says enough.
    return {};
  }
}

function refused(why: string, options: { readonly final?: boolean; readonly cause?: unknown }): TaskFailure {
  return new TaskFailure("TOKEN", `No token was given: ${why}.`.replace(/\.\.$/, "."), options);
}
