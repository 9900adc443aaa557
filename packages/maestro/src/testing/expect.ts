import { formatDuration, parseDuration } from "../core/duration.ts";
import type { Path } from "../core/diagnostic.ts";
import { compileExpression, ExpressionError, prepare } from "../core/expression.ts";
import type { JsonValue } from "../core/json.ts";
import type { Expect, ExpectedError, ExpectTask } from "./case.ts";
import type { Difference } from "./difference.ts";
import { compare } from "./difference.ts";
import type { RunRecord, ShownError, TaskRecord } from "./record.ts";
import { withoutItem } from "./unknown-name.ts";

/** Everything that is not as it was expected, each with its place in `expect`. */
export function differences(expect: Expect, record: RunRecord): readonly Difference[] {
  const found: Difference[] = [];
  const { status, error, outputs, tasks, undone, decisions, events, never, plan, cost, took, that } = expect;
  if (status !== undefined) compare(status, record.status, ["status"], found);
  if (error !== undefined) compareError(error, record.error, ["error"], found);
  if (outputs !== undefined) compare(outputs, record.outputs, ["outputs"], found);
  for (const [id, task] of Object.entries(tasks ?? {})) compareTask(task, record.tasks[id], ["tasks", id], found);
  if (undone !== undefined) compare(undone, record.undone, ["undone"], found);
  if (decisions !== undefined) compareDecisions(decisions, record, found);
  if (events !== undefined) compareOrder(events, record.events, found);
  never?.forEach((line, i) => {
    const at = record.events.find((event) => isEvent(line, event));
    if (at !== undefined) found.push({ path: ["never", i], expected: null, actual: null, note: `it happened: ${at}` });
  });
  if (plan !== undefined) compare(plan as unknown as JsonValue, json(record.plan), ["plan"], found);
  if (cost !== undefined) compare(cost, record.cost, ["cost"], found);
  if (took !== undefined) compareTime(took, record.tookMs, found);
  that?.forEach((source, i) => checkThat(source, record, ["that", i], found));
  return found;
}

function compareTask(
  expected: string | ExpectTask,
  actual: TaskRecord | undefined,
  path: Path,
  found: Difference[],
): void {
  if (typeof expected === "string") return compare(expected, actual?.status, path, found);
  const { error, ...rest } = expected;
  compare(rest, actual === undefined ? undefined : json(actual), path, found);
  if (error !== undefined) compareError(error, actual?.error ?? null, [...path, "error"], found);
}

/** A code, or code and a part of the message. */
function compareError(expected: ExpectedError, actual: ShownError | null, path: Path, found: Difference[]): void {
  const seen = actual === null ? null : `${actual.code}: ${actual.message}`;
  if (expected === null || actual === null) {
    if (expected !== actual) found.push({ path, expected, actual: seen });
    return;
  }
  const { code, message } = typeof expected === "string" ? { code: expected, message: undefined } : expected;
  if (code !== undefined && code !== actual.code)
    found.push({ path: typeof expected === "string" ? path : [...path, "code"], expected: code, actual: seen });
  else if (message !== undefined && !actual.message.includes(message))
    found.push({ path: [...path, "message"], expected: `… ${message} …`, actual: actual.message });
}

function compareDecisions(expected: NonNullable<Expect["decisions"]>, record: RunRecord, found: Difference[]): void {
  const shown = record.decisions.map(({ action, task, allow }) => ({ action, task, allow }));
  let from = 0;
  expected.forEach((decision, i) => {
    const at = shown.findIndex((one, n) => n >= from && matches(decision, one));
    if (at === -1) found.push({ path: ["decisions", i], expected: json(decision), actual: json(shown.slice(from)) });
    else from = at + 1;
  });
}

function matches(expected: object, actual: object): boolean {
  const misses: Difference[] = [];
  compare(json(expected), json(actual), [], misses);
  return misses.length === 0;
}

function compareOrder(expected: readonly string[], actual: readonly string[], found: Difference[]): void {
  let from = 0;
  for (const [i, line] of expected.entries()) {
    const at = actual.findIndex((event, n) => n >= from && isEvent(line, event));
    if (at !== -1) {
      from = at + 1;
      continue;
    }
    const earlier = actual.find((event) => isEvent(line, event));
    const after = i === 0 ? "" : ` after ${expected[i - 1] ?? ""}`;
    const note =
      earlier === undefined
        ? `${line} did not happen; what happened: ${actual.slice(0, 40).join(", ")}${actual.length > 40 ? `, and ${actual.length - 40} more` : ""}`
        : `${line} did not happen${after}, only before`;
    found.push({ path: ["events", i], expected: line, actual: undefined, note });
    return;
  }
}

/** `attempt_finished deploy` names every event that begins with these words, those of items (`deploy[1]`) too. */
function isEvent(line: string, event: string): boolean {
  const words = event.split(" ");
  return line.split(" ").every((word, i) => word === words[i] || (i === 1 && word === withoutItem(words[i] ?? "")));
}

function compareTime(took: NonNullable<Expect["took"]>, ms: number, found: Difference[]): void {
  const shown = formatDuration(ms);
  if (typeof took === "string") {
    if (parseDuration(took) !== ms) found.push({ path: ["took"], expected: took, actual: shown });
    return;
  }
  const { atLeast, atMost } = took;
  if (atLeast !== undefined && ms < (parseDuration(atLeast) ?? 0))
    found.push({ path: ["took", "atLeast"], expected: atLeast, actual: shown });
  if (atMost !== undefined && ms > (parseDuration(atMost) ?? 0))
    found.push({ path: ["took", "atMost"], expected: atMost, actual: shown });
}

function checkThat(source: string, record: RunRecord, path: Path, found: Difference[]): void {
  const scope = Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, prepare(json(value))] as const),
  );
  try {
    const value = compileExpression(source).evaluate(scope);
    if (value !== true)
      found.push({ path, expected: true, actual: value, note: `${source} gave ${JSON.stringify(value)}` });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    found.push({ path, expected: true, actual: null, note: `${source}: ${error.message}` });
  }
}

/** The parts of a record are JSON and hold nothing else. */
function json(value: unknown): JsonValue {
  return value as JsonValue;
}
