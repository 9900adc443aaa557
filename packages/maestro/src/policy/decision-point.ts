import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";
import type { Dispatcher } from "undici";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";
import { Breaker } from "./breaker.ts";

/** Where a policy decision point elsewhere is, and how to speak to it. */
export interface DecisionPointSettings {
  readonly url: string;
  /** From the question to the whole answer. Default 250. */
  readonly timeoutMs?: number;
  /** A file with a bearer token; read with each question, so that it may be exchanged. */
  readonly tokenFile?: string;
  /** Certificates, in PEM, that its certificate may descend from; instead of the system's. */
  readonly caFile?: string;
}

export const POINT_LIMITS = {
  timeoutMs: 250,
  longestTimeoutMs: 10_000,
  answerBytes: 256 * 1024,
  answerDepth: 32,
  headerBytes: 16 * 1024,
  tokenBytes: 16 * 1024,
  connections: 32,
  /** Questions under way; further ones are answered with no. */
  questions: 1_000,
} as const;

/**
 * A decision point elsewhere. What is no whole, well-formed answer to the question, in time, from the place that was named
 * is thrown: a gate makes a no of it. No answer is kept, and no redirect is followed: a policy does not move.
 */
export class DecisionPoint {
  readonly #settings: DecisionPointSettings;
  readonly #breaker: Breaker;
  #agent: Promise<Dispatcher> | undefined;
  #asking = 0;

  constructor(settings: DecisionPointSettings, now: () => number) {
    this.#settings = settings;
    this.#breaker = new Breaker(now);
  }

  /** The JSON that comes back. `path` is under the origin of the settings. */
  async ask(
    method: "GET" | "POST",
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: JsonValue,
  ): Promise<JsonObject> {
    const wait = this.#breaker.waitMs();
    if (wait > 0)
      throw new Error(
        `${this.#origin} has failed several times in a row and is left alone; it is asked again in ${Math.ceil(wait / 1000)} s`,
      );
    try {
      if (this.#asking >= POINT_LIMITS.questions)
        throw new Error(`${POINT_LIMITS.questions} questions wait for ${this.#origin} already`);
      this.#asking += 1;
      try {
        const answer = await this.#exchange(method, path, headers, body);
        this.#breaker.succeeded();
        return answer;
      } finally {
        this.#asking -= 1;
      }
    } catch (error) {
      this.#breaker.failed();
      throw error;
    }
  }

  async close(): Promise<void> {
    const agent = await this.#agent;
    await agent?.close();
  }

  get #origin(): string {
    return new URL(this.#settings.url).origin;
  }

  async #dispatcher(): Promise<Dispatcher> {
    const opening = (this.#agent ??= openAgent(this.#settings));
    try {
      return await opening;
    } catch (error) {
      // The certificates may be readable the next time.
      this.#agent = undefined;
      throw error;
    }
  }

  async #exchange(
    method: "GET" | "POST",
    path: string,
    headers: Readonly<Record<string, string>>,
    body: JsonValue | undefined,
  ): Promise<JsonObject> {
    const { timeoutMs = POINT_LIMITS.timeoutMs, tokenFile } = this.#settings;
    const token = tokenFile === undefined ? {} : { authorization: `Bearer ${await readBearer(tokenFile)}` };
    // Loaded by the first question: it is a tenth of the time in which a command starts.
    const { request } = await import("undici");
    const dispatcher = await this.#dispatcher();
    // Not before: what this process still had to load is no delay of the other side's.
    const signal = AbortSignal.timeout(timeoutMs);
    const send = async (): Promise<JsonObject> => {
      const response = await request(new URL(path, this.#origin), {
        dispatcher,
        method,
        signal,
        headers: {
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
          ...token,
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      return readAnswer(response, this.#origin);
    };
    try {
      // A connection that was kept may have been closed by the other side in the meantime: a question changes nothing.
      return await send().catch(async (error: unknown) => (wasClosed(error) ? send() : Promise.reject(error)));
    } catch (error) {
      if (signal.aborted) throw new Error(`${this.#origin} did not answer within ${timeoutMs} ms`, { cause: error });
      throw new Error(
        messageOf(error).includes(this.#origin) ? messageOf(error) : `${this.#origin}: ${reasonOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** What is wrong with the address of a decision point. In clear text anybody on the way could say yes. */
export function pointProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return `${JSON.stringify(text.slice(0, 200))} is not a URL`;
  if (url.protocol !== "https:" && url.protocol !== "http:") return `${text} is neither https: nor http:`;
  if (url.username !== "" || url.password !== "") return "it holds a password; name a file with `tokenFile`";
  if (url.search !== "" || url.hash !== "") return `${text} has a query or a fragment`;
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    return `${text} is not encrypted, and whoever is on the way could answer; use https:, or a decision point on this machine`;
  return undefined;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}

async function openAgent({ caFile }: DecisionPointSettings): Promise<Dispatcher> {
  const { Agent } = await import("undici");
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile, "utf8") };
  return new Agent({
    connect: ca,
    connections: POINT_LIMITS.connections,
    maxHeaderSize: POINT_LIMITS.headerBytes,
    maxResponseSize: POINT_LIMITS.answerBytes,
    // One clock for all phases: the signal of the question.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

async function readAnswer({ statusCode, headers, body }: Dispatcher.ResponseData, origin: string): Promise<JsonObject> {
  const problem = headProblem(statusCode, headers["content-type"]);
  if (problem !== undefined) {
    // What is not read may not hold the connection; that it was cut is no news to anybody.
    body.on("error", () => undefined).destroy();
    throw new Error(`${origin} ${problem}`);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > POINT_LIMITS.answerBytes)
      throw new Error(`the answer of ${origin} has more than ${POINT_LIMITS.answerBytes} bytes`);
    chunks.push(chunk);
  }
  let value: JsonValue;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
    value = parseStrict(text, { depth: POINT_LIMITS.answerDepth });
  } catch (error) {
    throw new Error(`the answer of ${origin} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`the answer of ${origin} is not an object`);
  return value as JsonObject;
}

function headProblem(status: number, type: string | readonly string[] | undefined): string | undefined {
  if (status >= 300 && status < 400) return `answered with a redirect (${status}), which is not followed`;
  if (status !== 200) return `answered with status ${status}`;
  const media = typeof type === "string" ? type.split(";")[0]?.trim().toLowerCase() : undefined;
  return media === "application/json"
    ? undefined
    : `answered with ${media ?? "no content type"} instead of application/json`;
}

function wasClosed(error: unknown): boolean {
  const code = codeOf(error);
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET";
}

/** A refused connection to a name with several addresses is several errors in one, without words of its own. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message === "" ? codeOf(error) : message;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

async function readBearer(path: string): Promise<string> {
  const token = (await readFile(path, "utf8")).trim();
  // Not quoted: it is a secret.
  if (token === "" || token.length > POINT_LIMITS.tokenBytes || !/^[\x21-\x7e]+$/.test(token))
    throw new Error(`${path} does not hold a token`);
  return token;
}
