import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { EVENT_SCHEMAS, FROM_PROGRAM_SCHEMAS } from "./external-protocol.ts";
import type { FromProgram } from "./external-protocol.ts";
import { compileChecked } from "./json-schema.ts";

/** A program said what the protocol does not allow. Nothing it says afterwards is believed. */
export class Breach extends Error {
  readonly code: "PROTOCOL" | "LIMIT";
  /** The attempt it speaks of, where that can be told. */
  readonly id: string | undefined;

  constructor(message: string, options: { readonly code?: "PROTOCOL" | "LIMIT"; readonly id?: string } = {}) {
    super(message);
    this.name = "Breach";
    this.code = options.code ?? "PROTOCOL";
    this.id = options.id;
  }
}

/** One line of a program as a message. Throws Breach with what is wrong and how it should be. */
export function readMessage(line: string): FromProgram {
  let value: JsonValue;
  try {
    value = JSON.parse(line) as JsonValue;
  } catch (error) {
    throw new Breach(
      `a line on stdout is not JSON (${messageOf(error)}): ${quote(line)}. Only messages go to stdout; print to stderr, or emit a log event`,
    );
  }
  if (!isJsonObject(value))
    throw new Breach(`a line on stdout is not a message, a JSON object with a type: ${quote(line)}`);
  const { type, id } = value;
  const about = typeof id === "string" ? { id } : {};
  if (typeof type !== "string" || !Object.hasOwn(FROM_PROGRAM_SCHEMAS, type))
    throw new Breach(
      `a message has the type ${quote(JSON.stringify(type) ?? "undefined")}; a program says ${Object.keys(FROM_PROGRAM_SCHEMAS).join(", ")}`,
      about,
    );
  const kind = type as FromProgram["type"];
  const wrong = kind === "emit" ? emitProblems(value) : problemsOf(FROM_PROGRAM_SCHEMAS[kind], value);
  if (wrong.length > 0)
    throw new Breach(`its ${kind} message is not well-formed: ${wrong.slice(0, 5).join("; ")}`, about);
  return value as unknown as FromProgram;
}

/** By the event's kind, because what an alternative of many says about its failure helps nobody. */
function emitProblems(value: JsonObject): readonly string[] {
  const { event, ...rest } = value;
  const envelope = problemsOf(ENVELOPE, rest);
  if (envelope.length > 0) return envelope;
  if (!isJsonObject(event)) return ["event must be an object"];
  const { kind } = event;
  if (typeof kind !== "string" || !Object.hasOwn(EVENT_SCHEMAS, kind))
    return [
      `event has the kind ${quote(JSON.stringify(kind) ?? "undefined")}; there are ${Object.keys(EVENT_SCHEMAS).join(", ")}`,
    ];
  return problemsOf(EVENT_SCHEMAS[kind as keyof typeof EVENT_SCHEMAS], event).map((problem) => `event ${problem}`);
}

const ENVELOPE: JsonObject = {
  type: "object",
  properties: { type: true, id: (FROM_PROGRAM_SCHEMAS.emit["properties"] as JsonObject)["id"] ?? true },
  required: ["id"],
  additionalProperties: false,
};

function problemsOf(schema: JsonObject, value: JsonObject): readonly string[] {
  return compileChecked(schema)(value).map(({ path, message }) => `${path === "" ? "it" : path.slice(1)} ${message}`);
}

function quote(text: string): string {
  const plain = text.toWellFormed().replaceAll(/[^\P{C}]/gu, "?");
  return plain.length > 120 ? `${plain.slice(0, 120)}…` : plain;
}

/** Cuts bytes into lines, none longer than its limit. */
export class Lines {
  readonly #limit: () => number;
  #parts: Buffer[] = [];
  #size = 0;

  /** `limit` is asked at every line: it grows after the start. */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** The lines that are complete now. Throws Breach LIMIT. */
  *add(bytes: Buffer): Generator<string> {
    let from = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
      this.#keep(bytes.subarray(from, end));
      from = end + 1;
      yield this.#take();
    }
    if (from < bytes.byteLength) this.#keep(bytes.subarray(from));
  }

  #keep(part: Buffer): void {
    this.#size += part.byteLength;
    const limit = this.#limit();
    if (this.#size > limit)
      throw new Breach(`a line on stdout is longer than ${limit} bytes. Large results belong in artifacts`, {
        code: "LIMIT",
      });
    this.#parts.push(part);
  }

  #take(): string {
    const [only] = this.#parts;
    const line = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    return line.toString("utf8");
  }
}
