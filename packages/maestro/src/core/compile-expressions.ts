import type { Reference } from "./cel-ast.ts";
import { Names, spanOf, textOf, walk } from "./compile-names.ts";
import { MAX_PROBLEMS, pathOfTask, type Place, placesByTask } from "./compile-places.ts";
import type { ResolvedUse } from "./compile-uses.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { inferType } from "./expression-type.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { carry } from "./name-schema.ts";
import type { RuleId } from "./rules.ts";
import { mismatch } from "./schema-types.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";

/** What the expressions of a workflow came to. */
export interface Checked {
  /** Schema of what an expression gives, where it can be told. */
  readonly typeOf: ReadonlyMap<Place, JsonObject | undefined>;
  readonly usedInputs: ReadonlySet<string>;
}

/** Checks every name and type of every expression; `places` are those that could be parsed. */
export function checkExpressions(
  workflow: Workflow,
  places: readonly Place[],
  uses: ReadonlyMap<WorkflowTask, ResolvedUse>,
  problems: Diagnostic[],
): Checked {
  const byTask = placesByTask(places);
  const names = new Names(workflow, uses, (task) => elementOf(byTask.get(task) ?? [], typeOf));
  const typeOf = new Map<Place, JsonObject | undefined>();
  const usedInputs = new Set<string>();
  const scopes = new Map<string, JsonObject>();
  // A fan-out's items first: the type of its `as` name follows from them.
  const ordered = [
    ...places.filter((place) => place.field === "forEach.items"),
    ...places.filter((place) => place.field !== "forEach.items"),
  ];
  for (const place of ordered) {
    if (problems.length > MAX_PROBLEMS) break;
    const key = `${place.kind}/${place.task?.id ?? ""}`;
    const scope = scopes.get(key) ?? names.scope(place.kind, place.task);
    scopes.set(key, scope);
    const sound = checkReferences(
      place,
      scope,
      workflow,
      place.task === undefined ? [place] : (byTask.get(place.task) ?? []),
      usedInputs,
      problems,
    );
    const type = sound ? inferType(place.ast, (path) => schemaAt(scope, path)) : undefined;
    typeOf.set(place, type);
    const wrong = place.expected === undefined || type === undefined ? undefined : mismatch(type, place.expected);
    if (wrong !== undefined) {
      problems.push({
        rule: "WF034",
        severity: "error",
        path: place.path,
        message: `\`${place.field}\` ${wrong}`,
        ...adviceFor(place, type),
      });
    }
  }
  checkFanOutNames(workflow, problems);
  return { typeOf, usedInputs };
}

function schemaAt(scope: JsonObject, path: readonly string[]): JsonObject | undefined {
  const found = walk(scope, path);
  return found.kind === "schema" ? found.schema : undefined;
}

function elementOf(own: readonly Place[], typeOf: ReadonlyMap<Place, JsonObject | undefined>): JsonObject | undefined {
  const place = own.find((one) => one.field === "forEach.items");
  const type = place === undefined ? undefined : typeOf.get(place);
  return type !== undefined && isJsonObject(type["items"]) ? carry(type["items"], type) : undefined;
}

function adviceFor(place: Place, type: JsonObject | undefined): { readonly fix?: string } {
  if (place.expected?.["type"] === "boolean" && type?.["type"] === "integer")
    return { fix: "compare it, such as `> 0`" };
  if (place.expected?.["type"] === "boolean" && type?.["type"] === "string")
    return { fix: 'compare it, such as `!= ""`' };
  return {};
}

function checkReferences(
  place: Place,
  scope: JsonObject,
  workflow: Workflow,
  own: readonly Place[],
  usedInputs: Set<string>,
  problems: Diagnostic[],
): boolean {
  let sound = true;
  for (const reference of place.references) {
    const [root, second] = reference.path;
    if (root === "inputs") markInput(second, workflow, usedInputs);
    const problem =
      selfRead(place, reference) ?? missing(place, scope, reference) ?? maybeAbsent(place, reference, workflow, own);
    if (problem === undefined) continue;
    problems.push(problem);
    if (problem.severity === "error") sound = false;
  }
  return sound;
}

function markInput(name: string | undefined, workflow: Workflow, used: Set<string>): void {
  if (name !== undefined && name !== "[]") used.add(name);
  // `inputs` as a whole, or by a computed name, reads them all.
  else for (const input of Object.keys(workflow.inputs["properties"] ?? {})) used.add(input);
}

function selfRead(place: Place, reference: Reference): Diagnostic | undefined {
  const [root, id] = reference.path;
  if (root !== "tasks") return undefined;
  const at = { path: place.path, severity: "error", rule: "WF039" } as const;
  if (id === undefined || id === "[]") {
    return {
      ...at,
      span: shift(place, spanOf(place.source, reference, id === undefined ? 0 : 1)),
      message: "tasks are read by name, so that it is known which come first",
      fix: "write `tasks.NAME`",
    };
  }
  if (place.task?.id !== id || place.kind === "undo") return undefined;
  const help =
    place.kind === "until"
      ? "`task.output` is the result of the last round."
      : "Its result is there when it has ended; read it in another task.";
  return {
    ...at,
    span: shift(place, spanOf(place.source, reference, 1)),
    message: `\`${id}\` cannot read its own result`,
    help,
  };
}

function missing(place: Place, scope: JsonObject, reference: Reference): Diagnostic | undefined {
  const found = walk(scope, reference.path);
  if (found.kind !== "absent") return undefined;
  // `has(x.y)` asks whether y is there: not knowing it is the point.
  if (reference.optional === true && found.index === reference.path.length - 1 && found.index > 1) return undefined;
  const [root] = reference.path;
  const rule: RuleId =
    found.index === 0
      ? "WF031"
      : found.index === 1 && root === "inputs"
        ? "WF032"
        : found.index === 1 && root === "tasks"
          ? "WF012"
          : "WF033";
  const message =
    rule === "WF031" && root === "tasks" ? "`tasks` are not known in this place: nothing has run yet" : found.message;
  return {
    rule,
    severity: "error",
    path: place.path,
    span: shift(place, spanOf(place.source, reference, found.index)),
    message,
    ...(found.suggestion === undefined ? {} : { fix: `did you mean \`${found.suggestion}\`?` }),
  };
}

function maybeAbsent(
  place: Place,
  reference: Reference,
  workflow: Workflow,
  own: readonly Place[],
): Diagnostic | undefined {
  const [root, name] = reference.path;
  const properties = workflow.inputs["properties"];
  if (root !== "inputs" || name === undefined || reference.optional === true || !isJsonObject(properties))
    return undefined;
  const schema = properties[name];
  if (
    !isJsonObject(schema) ||
    schema["default"] !== undefined ||
    (workflow.inputs["required"] as readonly string[]).includes(name)
  )
    return undefined;
  const guarded = own.some((one) =>
    one.references.some((other) => other.optional === true && other.path.join() === `inputs,${name}`),
  );
  if (guarded) return undefined;
  return {
    rule: "WF035",
    severity: "warning",
    path: place.path,
    span: shift(place, spanOf(place.source, reference, 1)),
    message: `input \`${name}\` is optional, and this fails in runs that leave it out`,
    fix: `ask \`has(${textOf(["inputs", name])})\` first, or give it a default`,
  };
}

function shift(
  place: Place,
  span: { readonly offset: number; readonly length: number },
): { readonly offset: number; readonly length: number } {
  return { offset: span.offset + place.offset, length: span.length };
}

const TAKEN = ["inputs", "tasks", "run", "task", "item", "error", "now"];

function checkFanOutNames(workflow: Workflow, problems: Diagnostic[]): void {
  for (const task of workflow.tasks) {
    if (task.forEach === undefined || !TAKEN.includes(task.forEach.as)) continue;
    problems.push({
      rule: "WF037",
      severity: "error",
      path: [...pathOfTask(task), "forEach", "as"],
      message: `\`${task.forEach.as}\` is the name of something else in expressions`,
      fix: "choose another name",
    });
  }
}
