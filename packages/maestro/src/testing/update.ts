import { parseDocument } from "yaml";
import type { Document } from "yaml";
import type { Path } from "../core/diagnostic.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Expect } from "./case.ts";
import type { Difference } from "./difference.ts";
import type { TestFile } from "./read-tests.ts";
import type { RunRecord } from "./record.ts";
import type { CaseResult } from "./run-file.ts";

/** What can be taken over from a run as it was. Events, decisions and conditions are meant, and stay as they are written. */
const TAKEN: ReadonlySet<string> = new Set(["status", "error", "outputs", "tasks", "undone", "plan", "cost", "took"]);

/**
 * The text of a test file with what came of its cases in place of what was expected, and with an expectation for cases
 * that have none. Comments stay. Undefined where nothing is to be changed.
 */
export function updatedText(file: TestFile, results: readonly CaseResult[]): string | undefined {
  const document = parseDocument(file.text, { version: "1.2", schema: "core" });
  let changes = 0;
  for (const { read, record, differences } of results) {
    if (record === null) continue;
    const at = [...read.path, "expect"];
    if (expectsNothing(read.expect)) {
      document.setIn(at, document.createNode(firstExpectation(record)));
      changes += 1;
    }
    for (const difference of differences) changes += take(document, at, difference, record);
  }
  if (changes === 0) return undefined;
  return file.file.endsWith(".json")
    ? `${JSON.stringify(document.toJS(), null, 2)}\n`
    : document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

export function expectsNothing(expect: Expect): boolean {
  return Object.keys(expect).length === 0;
}

/** Whether an update writes what was instead of what was expected. */
export function isTaken({ path, note }: Difference): boolean {
  if (path.length === 0) return true;
  return note === undefined && TAKEN.has(String(path[0])) && (path[0] !== "took" || path.length === 1);
}

function take(document: Document, at: Path, difference: Difference, record: RunRecord): number {
  const { path, actual } = difference;
  if (!isTaken(difference) || path.length === 0) return 0;
  const target = [...at, ...path];
  const value = path.at(path.length - 1) === undefined ? actual : actualAt(path, actual, record);
  if (value === undefined) document.deleteIn(target);
  else document.setIn(target, document.createNode(value));
  return 1;
}

/** An error is shown with its message where it differs, and written as it was expected: its code, or a part of it. */
function actualAt(path: Path, actual: JsonValue | undefined, record: RunRecord): JsonValue | undefined {
  const where = path.indexOf("error");
  if (where === -1) return actual;
  const error = path[0] === "error" ? record.error : (record.tasks[String(path[1])]?.error ?? null);
  if (error === null) return path.length === where + 1 ? null : undefined;
  return path.at(-1) === "message" ? error.message : error.code;
}

function firstExpectation(record: RunRecord): JsonObject {
  return {
    status: record.status,
    ...(record.error === null ? {} : { error: record.error.code }),
    ...(Object.keys(record.outputs).length === 0 ? {} : { outputs: record.outputs }),
    ...(record.status === "refused"
      ? {}
      : { tasks: Object.fromEntries(Object.entries(record.tasks).map(([id, task]) => [id, task.status] as const)) }),
    ...(record.undone.length === 0 ? {} : { undone: record.undone }),
  };
}
