import assert from "node:assert/strict";
import { isJsonObject } from "../../src/core/json.ts";
import type { JsonValue } from "../../src/core/json.ts";
import type { Received } from "./receiver.ts";

/** An event as a strict reader of CloudEvents 1.0 understood it. */
export interface Understood {
  readonly mode: "structured" | "binary" | "batch" | "line";
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly data?: JsonValue | Buffer;
}

/** What an HTTP request carries, in whichever mode; anything that the specification does not allow is an assertion. */
export function readRequest({ method, headers, body }: Received): readonly Understood[] {
  assert.equal(method, "POST");
  const type = headers["content-type"] ?? "";
  if (type.startsWith("application/cloudevents-batch+json")) {
    const events = JSON.parse(body) as JsonValue;
    assert.ok(Array.isArray(events), "a batch is a list");
    return events.map((event: JsonValue) => readJson(event, "batch"));
  }
  if (type.startsWith("application/cloudevents+json")) return [readJson(JSON.parse(body) as JsonValue, "structured")];
  assert.doesNotMatch(type, /^application\/cloudevents/, "another format of events");
  return [readBinary(headers, type, body)];
}

/** A line of a file, in the JSON format. */
export function readLine(line: string): Understood {
  return readJson(JSON.parse(line) as JsonValue, "line");
}

function readJson(event: JsonValue, mode: Understood["mode"]): Understood {
  assert.ok(isJsonObject(event));
  const { data, data_base64: base64, ...attributes } = event;
  assert.ok(data === undefined || base64 === undefined, "data and data_base64");
  const known = attributes as Understood["attributes"];
  checkAttributes(known);
  if (base64 !== undefined) {
    assert.ok(typeof base64 === "string" && Buffer.from(base64, "base64").toString("base64") === base64);
    return { mode, attributes: known, data: Buffer.from(base64, "base64") };
  }
  if (data !== undefined && !isJsonType(String(known["datacontenttype"] ?? "application/json")))
    assert.equal(typeof data, "string", "data of another type than JSON is a string");
  return { mode, attributes: known, ...(data === undefined ? {} : { data }) };
}

function readBinary(headers: Received["headers"], type: string, body: string): Understood {
  const attributes: Record<string, string> = type === "" ? {} : { datacontenttype: type };
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith("ce-")) continue;
    assert.ok(typeof value === "string", `${name} is there once`);
    assert.match(value, /^[\u0021\u0023-\u007e]*$/, `${name} is not encoded`);
    attributes[name.slice(3)] = decodeURIComponent(value);
  }
  assert.equal(attributes["data"], undefined);
  checkAttributes(attributes);
  if (body === "") return { mode: "binary", attributes };
  return { mode: "binary", attributes, data: isJsonType(type) ? (JSON.parse(body) as JsonValue) : body };
}

/** CloudEvents 1.0.2, sections "context attributes" and "type system". */
function checkAttributes(attributes: Understood["attributes"]): void {
  for (const name of ["id", "source", "type"])
    assert.ok(typeof attributes[name] === "string" && attributes[name] !== "", `${name} is missing or empty`);
  assert.equal(attributes["specversion"], "1.0");
  for (const [name, value] of Object.entries(attributes)) {
    assert.match(name, /^[a-z0-9]+$/, `the name ${name}`);
    assert.ok(["string", "number", "boolean"].includes(typeof value), `${name} is no value`);
    if (typeof value === "number") assert.ok(Number.isInteger(value) && Math.abs(value) < 2 ** 31);
    if (typeof value === "string") assert.doesNotMatch(value, /\p{Cc}/u, name);
  }
  const { time, subject, dataschema, source, datacontenttype } = attributes;
  if (time !== undefined) assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i);
  if (subject !== undefined) assert.notEqual(subject, "");
  if (dataschema !== undefined) assert.ok(URL.canParse(String(dataschema)), "dataschema is absolute");
  if (datacontenttype !== undefined) assert.match(String(datacontenttype), /^[^\s/;]+\/[^\s/;]+(\s*;.*)?$/);
  assert.ok(URL.canParse(String(source), "https://base.example/"), "source is no URI reference");
}

function isJsonType(type: string): boolean {
  return /^[^/]+\/(json|[^/;]+\+json)\s*(;|$)/i.test(type);
}
