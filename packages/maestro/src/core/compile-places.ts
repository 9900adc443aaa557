import type { Reference } from "./cel-ast.ts";
import type { PlaceKind } from "./compile-names.ts";
import type { Diagnostic, Path } from "./diagnostic.ts";
import { compileTemplate, ExpressionError, parseExpression } from "./expression.ts";
import { hasInterpolation } from "./interpolation.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";

/** One expression of a manifest. */
export interface Place {
  readonly kind: PlaceKind;
  readonly task?: WorkflowTask;
  /** The field it belongs to: `when`, `with`, `retry.on`, … */
  readonly field: string;
  /** Where its string is in the manifest. */
  readonly path: Path;
  /** Where the expression begins in that string. */
  readonly offset: number;
  /** The string is the expression and nothing else. */
  readonly whole: boolean;
  readonly source: string;
  readonly ast: ReturnType<typeof parseExpression>["ast"];
  readonly references: readonly Reference[];
  /** What the expression must give. */
  readonly expected?: JsonObject;
}

const BOOLEAN: JsonObject = { type: "boolean" };

/** Every expression of a workflow that can be read; those that cannot are problems. */
export function findPlaces(workflow: Workflow, problems: Diagnostic[]): Place[] {
  const places: Place[] = [];
  const find = new Finder(places, problems);
  if (workflow.concurrency !== undefined) {
    find.expression(
      { kind: "concurrency", field: "key", expected: { type: ["string", "number", "boolean"] } },
      ["spec", "concurrency", "key"],
      workflow.concurrency.key,
    );
  }
  for (const task of workflow.tasks) taskPlaces(task, find);
  find.template({ kind: "outputs", field: "outputs" }, ["spec", "outputs"], workflow.outputs);
  return places;
}

/** The same, for each task its own. */
export function placesByTask(places: readonly Place[]): ReadonlyMap<WorkflowTask, readonly Place[]> {
  const byTask = new Map<WorkflowTask, Place[]>();
  for (const place of places) {
    if (place.task === undefined) continue;
    const own = byTask.get(place.task);
    if (own === undefined) byTask.set(place.task, [place]);
    else own.push(place);
  }
  return byTask;
}

/** More problems than this help nobody, and looking for likely names costs time for each. */
export const MAX_PROBLEMS = 100;

/** Where a task is written down. */
export function pathOfTask(task: WorkflowTask): Path {
  return ["spec", task.phase === "main" ? "tasks" : "finally", task.id];
}

function taskPlaces(task: WorkflowTask, find: Finder): void {
  const at = pathOfTask(task);
  if (task.forEach !== undefined)
    find.expression(
      { kind: "task", task, field: "forEach.items", expected: { type: "array" } },
      [...at, "forEach", "items"],
      task.forEach.items,
    );
  if (task.when !== undefined)
    find.expression({ kind: "task", task, field: "when", expected: BOOLEAN }, [...at, "when"], task.when);
  find.template({ kind: "attempt", task, field: "with" }, [...at, "with"], task.with);
  if (task.retry?.on !== undefined)
    find.expression(
      { kind: "retry", task, field: "retry.on", expected: BOOLEAN },
      [...at, "retry", "on"],
      task.retry.on,
    );
  if (task.until !== undefined)
    find.expression(
      { kind: "until", task, field: "until.condition", expected: BOOLEAN },
      [...at, "until", "condition"],
      task.until.condition,
    );
  if (task.cache?.key !== undefined)
    find.template({ kind: "attempt", task, field: "cache.key" }, [...at, "cache", "key"], task.cache.key);
  if (task.cache?.files !== undefined)
    find.template({ kind: "attempt", task, field: "cache.files" }, [...at, "cache", "files"], [...task.cache.files]);
  if (task.approvals?.message !== undefined)
    find.template(
      { kind: "task", task, field: "approvals.message" },
      [...at, "approvals", "message"],
      task.approvals.message,
    );
  if (task.undo !== undefined)
    find.template({ kind: "undo", task, field: "undo.with" }, [...at, "undo", "with"], task.undo.with);
}

type Base = Pick<Place, "kind" | "task" | "field" | "expected">;

/** Two for each of ten thousand tasks and some; parsing one takes about 0.1 ms. */
const MAX_EXPRESSIONS = 25_000;

class Finder {
  #full = false;
  readonly #places: Place[];
  readonly #problems: Diagnostic[];

  constructor(places: Place[], problems: Diagnostic[]) {
    this.#places = places;
    this.#problems = problems;
  }

  expression(base: Base, path: Path, source: string): void {
    if (hasInterpolation(source)) {
      const bare = /^\s*\$\{\{\s*([\s\S]*?)\s*\}\}\s*$/.exec(source)?.[1];
      this.#problems.push({
        rule: "WF038",
        severity: "error",
        path,
        message: `\`${String(path.at(-1))}\` is an expression already and takes no \`\${{ }}\``,
        fix: bare === undefined ? "remove `${{` and `}}`" : `write ${bare.length < 60 ? bare : "it without `${{ }}`"}`,
      });
      return;
    }
    this.#add(base, path, 0, true, source);
  }

  template(base: Base, path: Path, value: JsonValue): void {
    this.#keys(path, value);
    this.#strings(base, path, value);
  }

  /** One string at a time, so that one bad expression does not hide the others. */
  #strings(base: Base, path: Path, value: JsonValue): void {
    if (this.#full) return;
    if (typeof value === "string" && hasInterpolation(value)) {
      try {
        for (const found of compileTemplate(value).expressions)
          this.#add(base, path, found.offset, found.whole, found.expression.source);
      } catch (thrown) {
        if (!(thrown instanceof ExpressionError)) throw thrown;
        const base = thrown.source === value ? 0 : Math.max(0, value.indexOf(thrown.source));
        this.#problems.push(notAnExpression(path, thrown, base));
      }
    } else if (Array.isArray(value))
      (value as readonly JsonValue[]).forEach((element, i) => this.#strings(base, [...path, i], element));
    else if (isJsonObject(value))
      for (const [key, member] of Object.entries(value)) this.#strings(base, [...path, key], member);
  }

  #keys(path: Path, value: JsonValue): void {
    if (Array.isArray(value))
      (value as readonly JsonValue[]).forEach((element, i) => this.#keys([...path, i], element));
    if (!isJsonObject(value)) return;
    for (const [key, member] of Object.entries(value)) {
      if (hasInterpolation(key)) {
        this.#problems.push({
          rule: "WF038",
          severity: "error",
          path: [...path, key],
          key: true,
          message: "names are not computed: `${{ }}` has no meaning in a key",
          help: "Build the whole map with one expression, such as `${{ {inputs.name: 1} }}`.",
        });
      }
      this.#keys([...path, key], member);
    }
  }

  #add(base: Base, path: Path, offset: number, whole: boolean, source: string): void {
    if (this.#places.length >= MAX_EXPRESSIONS) {
      if (!this.#full)
        this.#problems.push({
          rule: "WF002",
          severity: "error",
          path,
          message: `the manifest has more than ${MAX_EXPRESSIONS} expressions`,
        });
      this.#full = true;
      return;
    }
    try {
      const { ast, references } = parseExpression(source);
      this.#places.push({ ...base, path, offset, whole, source, ast, references });
    } catch (thrown) {
      if (!(thrown instanceof ExpressionError)) throw thrown;
      this.#problems.push(notAnExpression(path, thrown, offset));
    }
  }
}

/** `offset`: where the expression begins in the text at that path. */
export function notAnExpression(path: Path, error: ExpressionError, offset: number): Diagnostic {
  const text = error.source.slice(error.offset);
  const length = Math.max(1, /^(\w+|[^\w\s]+|\s+)/.exec(text)?.[0].length ?? 1);
  const single = /[^=!<>]=[^=]/.test(error.source) && !error.source.includes("==");
  return {
    rule: "WF030",
    severity: "error",
    path,
    span: { offset: offset + error.offset, length },
    message: error.message.replace(/; did you mean `.*`\?$/, ""),
    ...(error.suggestion !== undefined
      ? { fix: `did you mean \`${error.suggestion}\`?` }
      : single
        ? { fix: "did you mean `==`?" }
        : {}),
  };
}
