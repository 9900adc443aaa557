import type { JsonObject, JsonValue } from "../core/json.ts";
import type { TraceContext } from "../core/trace-context.ts";
import { task } from "./define.ts";
import { allowanceProblem, systemResolve, urlProblem } from "./http-admit.ts";
import type { Resolve } from "./http-admit.ts";
import { BodyTooLarge, describeBody, readBody } from "./http-body.ts";
import { DEFAULT_MAX_BYTES, DEFAULT_REDIRECTS, DEFAULT_TIMEOUT_MS, httpDescription } from "./http-description.ts";
import { exchange, explainExchange, shown } from "./http-exchange.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";

type Scalar = string | number | boolean;
type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

interface Input {
  readonly url: string;
  readonly method?: Method;
  readonly headers?: Readonly<Record<string, Scalar>>;
  readonly query?: Readonly<Record<string, Scalar | readonly Scalar[]>>;
  readonly body?: string;
  readonly json?: JsonValue;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
  readonly expect?: { readonly status?: readonly (number | string)[]; readonly json?: boolean };
  readonly redirects?: number;
  readonly allowPrivate?: readonly string[];
}

/** One request of a chain of redirects. */
interface Hop {
  readonly url: URL;
  readonly method: Method;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

interface Answer {
  readonly hop: Hop;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export const http: TaskType = httpType({ resolve: systemResolve });

/** The type with another way to resolve names. */
export function httpType({ resolve }: { readonly resolve: Resolve }): TaskType {
  return {
    description: httpDescription,
    init: (context) => task<Input>({ check: problemsOf, work: (input) => execute(input, resolve, context) }),
  };
}

/** Headers that belong to the connection; the client sets them itself. */
const RESERVED_HEADERS = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "upgrade",
  "te",
  "trailer",
  "expect",
  "proxy-connection",
  "proxy-authorization",
  "accept-encoding",
]);
/** What may follow a redirect to another origin. */
const PORTABLE_HEADERS = new Set(["accept", "accept-language", "content-type", "user-agent"]);
const RETRYABLE_STATUS = new Set([429, 502, 503, 504]);

function problemsOf(input: Input): readonly string[] {
  const problems: string[] = [];
  const url = URL.parse(input.url);
  const problem = url === null ? `${JSON.stringify(input.url.slice(0, 200))} is not a URL` : urlProblem(url);
  if (problem !== undefined) problems.push(`url: ${problem}`);
  for (const [name, value] of Object.entries(input.headers ?? {})) {
    // RFC 9110 5.6.2 token, 5.5 field value
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      problems.push(`headers: ${JSON.stringify(name)} is no header name`);
    if (RESERVED_HEADERS.has(name.toLowerCase())) problems.push(`headers: ${name} is set by the client`);
    if (/[^\t\u0020-\u007e\u0080-\u00ff]/.test(String(value)))
      problems.push(`headers: the value of ${name} holds a character that no header can carry`);
  }
  if ((input.body !== undefined || input.json !== undefined) && ["GET", "HEAD"].includes(input.method ?? "GET")) {
    problems.push(
      `${input.body === undefined ? "json" : "body"}: ${input.method ?? "GET"} has no body; set \`method\``,
    );
  }
  for (const entry of input.allowPrivate ?? []) {
    const wrong = allowanceProblem(entry);
    if (wrong !== undefined) problems.push(`allowPrivate: ${wrong}`);
  }
  return problems;
}

async function execute(input: Input, resolve: Resolve, context: TaskContext): Promise<JsonObject> {
  const timeoutMs = input.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([context.signal, timeout]);
  let hop = firstHop(input, context.trace);
  try {
    for (let redirects = 0; ; redirects++) {
      const answer = await send(hop, input, resolve, signal);
      context.emit({
        kind: "log",
        stream: "info",
        bytes: `${hop.method} ${shown(hop.url)} answered ${answer.status}, ${answer.bytes.length} bytes\n`,
      });
      const next = nextHop(answer, redirects, input.redirects ?? DEFAULT_REDIRECTS);
      if (next === undefined) return conclude(answer, input);
      hop = next;
    }
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (timeout.aborted)
      throw new TaskFailure(
        {
          code: "TIMEOUT",
          message: `${hop.method} ${shown(hop.url)} took longer than ${timeoutMs} ms. Raise \`timeoutMs\` or see why the other side is slow.`,
        },
        { cause: thrown },
      );
    throw explain(thrown, hop);
  }
}

function firstHop(input: Input, trace: TraceContext | undefined): Hop {
  const url = new URL(input.url);
  url.hash = "";
  for (const [name, value] of Object.entries(input.query ?? {}))
    for (const entry of [value].flat()) url.searchParams.append(name, String(entry));
  const headers: Record<string, string> = { accept: "*/*", "user-agent": "maestro-http/1" };
  if (input.json !== undefined) headers["content-type"] = "application/json";
  if (input.body !== undefined) headers["content-type"] = "text/plain; charset=utf-8";
  for (const [name, value] of Object.entries(input.headers ?? {})) headers[name.toLowerCase()] = String(value);
  // An author who names a trace means that one.
  if (trace !== undefined && headers["traceparent"] === undefined) {
    headers["traceparent"] = trace.traceparent;
    if (trace.tracestate !== undefined) headers["tracestate"] ??= trace.tracestate;
  }
  return {
    url,
    method: input.method ?? "GET",
    headers,
    body: input.json === undefined ? (input.body ?? null) : JSON.stringify(input.json),
  };
}

async function send(hop: Hop, input: Input, resolve: Resolve, signal: AbortSignal): Promise<Answer> {
  const rules = { resolve, allowPrivate: input.allowPrivate ?? [], signal };
  const headers = { ...hop.headers, "accept-encoding": "gzip, br, deflate, identity" };
  return exchange({ ...hop, headers }, rules, async (answer) => {
    const bytes = await readBody(answer.body, answer.headers["content-encoding"], {
      maxBytes: input.maxBytes ?? DEFAULT_MAX_BYTES,
      signal,
    });
    return { hop, status: answer.status, headers: answer.headers, bytes };
  });
}

/** Where a redirect leads (RFC 9110 15.4), undefined if the answer is none or none is to be followed. */
function nextHop({ hop, status, headers }: Answer, followed: number, limit: number): Hop | undefined {
  const location = headers["location"];
  if (limit === 0 || ![301, 302, 303, 307, 308].includes(status) || location === undefined) return undefined;
  if (followed >= limit)
    throw new TaskFailure({
      code: "REDIRECT",
      message: `${shown(hop.url)} is the ${followed}th redirect in a row and leads on. Call the last address itself; at most ${limit} are followed.`,
      final: true,
    });
  const url = URL.parse(location, hop.url.href);
  if (url === null)
    throw new TaskFailure({
      code: "REDIRECT",
      message: `${shown(hop.url)} redirects to ${JSON.stringify(location.slice(0, 200))}, which is not a URL.`,
      final: true,
    });
  if (hop.url.protocol === "https:" && url.protocol === "http:")
    throw new TaskFailure({
      code: "REDIRECT",
      message: `${shown(hop.url)} redirects to ${shown(url)}, from https to http; that is not followed.`,
      final: true,
    });
  url.hash = "";
  const toGet =
    (status === 303 && hop.method !== "HEAD") || ((status === 301 || status === 302) && hop.method === "POST");
  const kept =
    url.origin === hop.url.origin
      ? Object.entries(hop.headers)
      : Object.entries(hop.headers).filter(([name]) => PORTABLE_HEADERS.has(name));
  return {
    url,
    method: toGet ? "GET" : hop.method,
    headers: Object.fromEntries(toGet ? kept.filter(([name]) => !name.startsWith("content-")) : kept),
    body: toGet ? null : hop.body,
  };
}

function conclude(answer: Answer, input: Input): JsonObject {
  const { hop, status, headers, bytes } = answer;
  const { "set-cookie": _cookies, ...shownHeaders } = headers;
  const body = describeBody(bytes, headers["content-type"], input.expect?.json === true);
  const output = { status, url: shown(hop.url), headers: shownHeaders, ...body.output };
  const expected = input.expect?.status ?? ["2xx"];
  if (!expected.some((entry) => entry === status || entry === `${Math.floor(status / 100)}xx`)) {
    const retryable = RETRYABLE_STATUS.has(status);
    const said =
      bytes.length === 0
        ? ""
        : ` It said: ${bytes
            .toString("utf8")
            .replace(/[\p{C}\s]+/gu, " ")
            .trim()
            .slice(0, 300)}`;
    const message = `${hop.method} ${shown(hop.url)} answered ${status}; expected is ${expected.join(", ")}.${said}`;
    const details = { status, ...(headers["retry-after"] === undefined ? {} : { retryAfter: headers["retry-after"] }) };
    throw new TaskFailure(
      {
        code: retryable ? "UNAVAILABLE" : "HTTP_STATUS",
        message: message.toWellFormed(),
        details,
        ...(status >= 400 && status < 500 && !retryable && status !== 408 && status !== 425 ? { final: true } : {}),
      },
      { output },
    );
  }
  if (body.problem !== undefined)
    throw new TaskFailure(
      {
        code: "OUTPUT_INVALID",
        message: `${hop.method} ${shown(hop.url)} answered ${status}, but its body is not JSON: ${body.problem}.`,
        final: true,
      },
      { output },
    );
  return output;
}

function explain(thrown: unknown, hop: Hop): unknown {
  const where = `${hop.method} ${shown(hop.url)}`;
  if (thrown instanceof BodyTooLarge) {
    return new TaskFailure({
      code: "BODY_TOO_LARGE",
      message: `${where} answered with more than ${thrown.maxBytes} bytes. Raise \`maxBytes\` (up to 16 MiB), or fetch it into a file with exec@1.`,
      final: true,
    });
  }
  return explainExchange(thrown, where);
}
