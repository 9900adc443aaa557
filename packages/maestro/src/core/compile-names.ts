import type { Reference } from "./cel-ast.ts";
import type { ResolvedUse } from "./compile-uses.ts";
import type { JsonObject } from "./json.ts";
import {
  asRoot,
  ATTEMPT_SCHEMA,
  carry,
  ERROR_SCHEMA,
  isRoot,
  ITEM_SCHEMA,
  roundSchema,
  RUN_SCHEMA,
  scopeSchema,
  taskSchema,
  tasksSchema,
} from "./name-schema.ts";
import { memberOf } from "./schema-types.ts";
import { suggest } from "./suggest.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";

/** Where an expression stands; each kind of place has its own names (docs/reference/expressions.md). */
export type PlaceKind = "task" | "attempt" | "until" | "retry" | "undo" | "concurrency" | "outputs";

/** The names of each place of a workflow, as schemas. */
export class Names {
  readonly #inputs: JsonObject;
  readonly #tasks: JsonObject;
  readonly #elementOf: (task: WorkflowTask) => JsonObject | undefined;
  readonly #uses: ReadonlyMap<WorkflowTask, ResolvedUse>;

  /** `elementOf` gives the schema of a fan-out's items, where it can be told. */
  constructor(
    workflow: Workflow,
    uses: ReadonlyMap<WorkflowTask, ResolvedUse>,
    elementOf: (task: WorkflowTask) => JsonObject | undefined,
  ) {
    this.#inputs = asRoot(workflow.inputs);
    this.#uses = uses;
    this.#elementOf = elementOf;
    this.#tasks = tasksSchema(
      Object.fromEntries(
        workflow.tasks.map((task) => [task.id, taskSchema(this.#output(task), task.forEach !== undefined)]),
      ),
    );
  }

  #output(task: WorkflowTask): JsonObject {
    return this.#uses.get(task)?.output ?? {};
  }

  scope(kind: PlaceKind, task?: WorkflowTask): JsonObject {
    const base = { inputs: this.#inputs, run: RUN_SCHEMA };
    if (kind === "concurrency") return scopeSchema(base);
    const wide = { ...base, tasks: this.#tasks, now: {} };
    if (kind === "task" || kind === "outputs" || task === undefined) return scopeSchema(wide);
    const item =
      task.forEach === undefined ? {} : { [task.forEach.as]: this.#elementOf(task) ?? {}, item: ITEM_SCHEMA };
    const own = kind === "until" ? roundSchema(this.#output(task)) : ATTEMPT_SCHEMA;
    return scopeSchema({ ...wide, ...item, task: own, ...(kind === "retry" ? { error: ERROR_SCHEMA } : {}) });
  }
}

export type Walk =
  | { readonly kind: "schema"; readonly schema: JsonObject }
  | { readonly kind: "unknown" }
  /** The member at `index` of the path is not there. */
  | { readonly kind: "absent"; readonly index: number; readonly message: string; readonly suggestion?: string };

/** Follows a path through the names of a place. */
export function walk(scope: JsonObject, path: readonly string[]): Walk {
  let schema = scope;
  let root = scope;
  for (const [index, name] of path.entries()) {
    const member = memberOf(schema, name, root);
    if (member.kind === "unknown") return { kind: "unknown" };
    if (member.kind === "not_a_container")
      return {
        kind: "absent",
        index,
        message: `\`${textOf(path.slice(0, index))}\` is ${member.type} and has no ${name === "[]" ? "elements" : `\`${name}\``}`,
      };
    if (member.kind === "absent") return absent(path, index, member.known);
    schema = member.schema;
    if (isRoot(schema)) root = schema;
  }
  return { kind: "schema", schema: carry(schema, root) };
}

function absent(path: readonly string[], index: number, known: readonly string[]): Walk {
  const name = path[index] ?? "";
  // Ten thousand tasks are too many to compare letter by letter.
  const near = suggest(name, known.slice(0, 1000));
  const list =
    known.length === 0
      ? "it has none"
      : `there ${known.length === 1 ? "is" : "are"} ${known.slice(0, 12).join(", ")}${known.length > 12 ? ` and ${known.length - 12} more` : ""}`;
  return {
    kind: "absent",
    index,
    message: `${describe(path, index)}; ${list}`,
    ...(near === undefined ? {} : { suggestion: near }),
  };
}

function describe(path: readonly string[], index: number): string {
  const name = path[index] ?? "";
  if (index === 0)
    return name === "error" || name === "item" || name === "task"
      ? `\`${name}\` is not known in this place`
      : `\`${name}\` is not a known name`;
  if (index === 1 && path[0] === "inputs") return `there is no input \`${name}\``;
  if (index === 1 && path[0] === "tasks") return `there is no task \`${name}\``;
  return `\`${textOf(path.slice(0, index))}\` has no \`${name}\``;
}

/** A path as it would be written; elements as `[…]`. */
export function textOf(path: readonly string[]): string {
  return path
    .map((name, i) =>
      name === "[]" ? "[…]" : i === 0 ? name : /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`,
    )
    .join("");
}

/** Where in the source the component `index` of a reference stands. */
export function spanOf(
  source: string,
  reference: Reference,
  index: number,
): { readonly offset: number; readonly length: number } {
  let at = reference.offset;
  const head = /^[A-Za-z_]\w*/.exec(source.slice(at));
  let length = head?.[0].length ?? 1;
  for (let i = 0; i < index; i++) {
    const next = /^\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*([^\]]*?)\s*\])/.exec(source.slice(at + length));
    if (next === null) break;
    const token = next[1] ?? next[2] ?? "";
    const from = at + length + next[0].lastIndexOf(token);
    // The next search begins behind this whole step, so the closing bracket belongs to it.
    const end = at + length + next[0].length;
    if (i === index - 1) return { offset: from, length: Math.max(1, token.length) };
    at = from;
    length = end - from;
  }
  return { offset: at, length };
}
