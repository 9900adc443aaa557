import type { Tokens } from "../../core/json-pointer.ts";
import type { JsonValue } from "../../core/json.ts";

/** A file of the evidence while it is still data. */
export interface Document {
  readonly run: string;
  readonly path: string;
  /** Where it stands for those who name places: a run has its plan at `/plan` and its events at `/events`. */
  readonly prefix: Tokens;
  /** Of the events a list. */
  readonly value: JsonValue;
}

/** Members whose content comes from people and tasks; names within them may tell something, other names are ours. */
const DATA: ReadonlySet<string> = new Set([
  "details",
  "input",
  "inputs",
  "items",
  "labels",
  "output",
  "outputs",
  "payload",
  "properties",
  "with",
]);

/** Whether what stands below this place is somebody's data. */
export function isDataAt(tokens: Tokens): boolean {
  // The inputs of a plan are their schema, whose names everybody sees who may run it.
  return tokens[0] === "plan" ? tokens.includes("with") : tokens.some((token) => DATA.has(token));
}
