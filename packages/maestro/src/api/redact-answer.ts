import type { Obligation } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";
import { redactionOf } from "../policy/obligations.ts";
import { redacted } from "../policy/redact.ts";
import type { Answer } from "./route.ts";
import { HeaderList } from "./header-list.ts";
import { WholeResponse } from "./whole.ts";

/** Of the answer that is given instead. */
interface Head {
  readonly status: number;
  readonly headers: HeaderList;
}

/** Takes out of one JSON value what policies hide. */
type Hide = (value: JsonValue) => JsonValue;

const JSON_TYPE = "application/json";
const LINES_TYPE = "application/jsonl";
const STREAM_TYPE = "text/event-stream";

/** Whether all that a route answers with is JSON, so that members of it can be hidden. */
export function canRedact(answers: readonly Answer[]): boolean {
  return answers.every(({ type }) => type === "application/problem+json" || TRANSFORMS.has(type));
}

/** The answer without what the decisions that allowed it want hidden. */
export async function redactAnswer(response: Response, obligations: readonly Obligation[]): Promise<Response> {
  const hidden = obligations.flatMap((one) => {
    const patterns = one.type === "redact" ? redactionOf(one) : [];
    // The gate has read it before: what cannot be understood was a deny.
    return typeof patterns === "string" || patterns.length === 0 ? [] : [{ rule: one.id, patterns }];
  });
  if (hidden.length === 0 || response.status === 304) return response;
  const hide: Hide = (value) => hidden.reduce((rest, { rule, patterns }) => redacted(rest, patterns, rule), value);
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  const transform = TRANSFORMS.get(type);
  if (transform === undefined) throw new TypeError(`an answer of type ${type} cannot be redacted`);
  const headers = new HeaderList(response.headers);
  // It is a digest of what is hidden now.
  headers.delete("etag");
  headers.delete("content-length");
  return transform(response, hide, { status: response.status, headers });
}

const TRANSFORMS: ReadonlyMap<string, (response: Response, hide: Hide, head: Head) => Promise<Response>> = new Map([
  [
    JSON_TYPE,
    async (response, hide, head) =>
      new WholeResponse(JSON.stringify(hide(JSON.parse(await response.text()) as JsonValue)), head),
  ],
  [
    LINES_TYPE,
    async (response, hide, head) => {
      const lines = (await response.text()).split("\n").map((line) => (line === "" ? "" : hidden(line, hide)));
      return new WholeResponse(lines.join("\n"), head);
    },
  ],
  [
    STREAM_TYPE,
    async (response, hide, { status, headers }) =>
      new Response(response.body?.pipeThrough(lineByLine(hide)) ?? null, { status, headers: [...headers] }),
  ],
]);

function hidden(text: string, hide: Hide): string {
  return JSON.stringify(hide(JSON.parse(text) as JsonValue));
}

/** Our own messages have their JSON on one line (sse.ts). */
function lineByLine(hide: Hide): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  return new TransformStream({
    transform(part, controller) {
      const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      const text = lines.map(
        (line) => `${line.startsWith("data: ") ? `data: ${hidden(line.slice(6), hide)}` : line}\n`,
      );
      if (text.length > 0) controller.enqueue(encoder.encode(text.join("")));
    },
    flush(controller) {
      if (rest !== "") controller.enqueue(encoder.encode(rest));
    },
  });
}
