import type { JsonObject, JsonValue } from "../core/json.ts";

/** An event as a runbook describes it; names are those of CloudEvents 1.0. */
export interface EventInput {
  readonly type: string;
  readonly source?: string;
  readonly id?: string;
  readonly subject?: string;
  readonly time?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  readonly data?: JsonValue;
  readonly dataBase64?: string;
  readonly extensions?: Readonly<Record<string, string | number | boolean>>;
}

/** CloudEvents 1.0: attributes by name, and what the event is about. */
export interface CloudEvent {
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly data?: { readonly json: JsonValue } | { readonly text: string } | { readonly base64: string };
}

const ATTRIBUTES = ["id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time", "data"];

/** RFC 2045 5.1. */
export const MEDIA_TYPE =
  "^[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\\s*;\\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|\"[^\"\\x00-\\x1f\\x7f]*\"))*$";

/** What the schema cannot say about an event; each problem begins with `where`. */
export function eventProblems(event: EventInput, where: string): readonly string[] {
  const { datacontenttype, data, dataBase64, extensions = {} } = event;
  const problems: string[] = [];
  if (data !== undefined && dataBase64 !== undefined) problems.push(`${where}: \`data\` or \`dataBase64\`, not both`);
  if (datacontenttype !== undefined && !isJsonType(datacontenttype) && data !== undefined && typeof data !== "string")
    problems.push(
      `${where}.data: ${datacontenttype} is not JSON, so its data is a string; give text, or bytes as \`dataBase64\``,
    );
  for (const [name, value] of Object.entries(extensions)) {
    if (ATTRIBUTES.includes(name)) problems.push(`${where}.extensions: ${name} is an attribute of its own`);
    if (typeof value === "number" && (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31))
      problems.push(`${where}.extensions.${name}: numbers are whole and have 32 bits; give it as a string`);
  }
  const texts = [
    ["source", event.source],
    ["id", event.id],
    ["type", event.type],
    ["subject", event.subject],
    ...Object.entries(extensions),
  ];
  for (const [name = "", value] of texts as (readonly [string, unknown])[])
    if (typeof value === "string" && NOT_ALLOWED.test(value))
      problems.push(`${where}: ${name} holds a control character or a code point that is no character`);
  const { traceparent } = extensions;
  if (
    traceparent !== undefined &&
    !/^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(String(traceparent))
  )
    problems.push(`${where}.extensions.traceparent: it is not a traceparent of W3C Trace Context`);
  return problems;
}

/** CloudEvents 1.0, type system: what a String may not hold. */
const NOT_ALLOWED = /[\p{Cc}\ufdd0-\ufdef\p{Cs}]|[\ufffe\uffff]/u;

/** The event with all it must have. */
export function cloudEvent(
  input: EventInput,
  given: { readonly id: string; readonly source: string; readonly time: string },
): CloudEvent {
  const { type, subject, datacontenttype, dataschema, data, dataBase64, extensions = {} } = input;
  const content = datacontenttype ?? (data === undefined ? undefined : "application/json");
  const optional = { datacontenttype: content, dataschema, subject };
  const attributes = {
    specversion: "1.0",
    id: input.id ?? given.id,
    source: input.source ?? given.source,
    type,
    time: input.time ?? given.time,
    ...Object.fromEntries(
      Object.entries(optional).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    ...extensions,
  };
  if (dataBase64 !== undefined) return { attributes, data: { base64: dataBase64 } };
  if (data === undefined) return { attributes };
  return { attributes, data: isJsonType(content) ? { json: data } : { text: data as string } };
}

/** The JSON format, for structured mode, batches and files. */
export function asJson({ attributes, data }: CloudEvent): JsonObject {
  if (data === undefined) return { ...attributes };
  if ("base64" in data) return { ...attributes, data_base64: data.base64 };
  return { ...attributes, data: "json" in data ? data.json : data.text };
}

/** Binary mode of the HTTP binding: attributes as headers, the data as it is. */
export function asBinary({ attributes, data }: CloudEvent): {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes))
    if (name === "datacontenttype") headers["content-type"] = String(value);
    else headers[`ce-${name}`] = headerValue(String(value));
  return { headers, body: data === undefined ? Buffer.alloc(0) : bytesOf(data) };
}

function bytesOf(data: NonNullable<CloudEvent["data"]>): Buffer {
  if ("base64" in data) return Buffer.from(data.base64, "base64");
  return Buffer.from("json" in data ? JSON.stringify(data.json) : data.text);
}

/** HTTP binding 3.1.3.2: printable ASCII but for space, double quote and percent sign; the rest percent-encoded, byte by byte. */
function headerValue(value: string): string {
  return value.replaceAll(/[^\u0021-\u007e]|["%]/gu, (character) =>
    Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

function isJsonType(type = ""): boolean {
  const media = type.split(";")[0]?.trim().toLowerCase() ?? "";
  return /^[^/]+\/(?:json|[^/]+\+json)$/.test(media);
}
