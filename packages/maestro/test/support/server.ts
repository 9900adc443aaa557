import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import type { Agent, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { Place, Started } from "./maestro.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** Empty where it is no JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface Asking {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Default: the server's own; null sends none. */
  readonly token?: string | null;
}

/** `maestro up` of a place in a process of its own, and a client of its API. */
export class Server {
  readonly url: string;
  token: string;
  readonly tokenFile: string;
  readonly up: Started;
  /** Keeps connections where a test wants that; the default is a connection for each request. */
  agent: Agent | undefined;

  private constructor(up: Started, url: string, tokenFile: string, token: string) {
    this.up = up;
    this.url = url;
    this.tokenFile = tokenFile;
    this.token = token;
  }

  static async start(place: Place, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
    const up = place.start(["up", "--listen", "127.0.0.1:0", ...args], env);
    await up.shows(/is up: process \d+/);
    const url = /(?:listens +|"url":")(http:[^\s"]+)/.exec(up.err)?.[1] ?? "";
    const tokenFile = join(place.dir, "data/token");
    return new Server(up, url, tokenFile, (await readFile(tokenFile, "utf8")).trim());
  }

  async ask({ method = "GET", path, headers = {}, body, token = this.token }: Asking): Promise<Answer> {
    const outgoing = request(`${this.url}${path}`, {
      method,
      agent: this.agent ?? false,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        ...headers,
      },
    });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    const bytes = await buffer(incoming);
    const isJson = incoming.headers["content-type"]?.endsWith("json") === true;
    const json = isJson ? (JSON.parse(bytes.toString()) as Answer["json"]) : {};
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, bytes, json };
  }

  async send(method: string, path: string, body: object): Promise<Answer> {
    return this.ask({ method, path, body: JSON.stringify(body) });
  }

  /** Ends it as an operator would. */
  async stop(): Promise<void> {
    this.up.child.kill("SIGTERM");
    await this.up.ended;
  }
}
