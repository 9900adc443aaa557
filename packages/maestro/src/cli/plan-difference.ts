import { canonical } from "../core/canonical.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan, PlanTask, TaskUse } from "../core/plan.ts";

/** One thing in which two plans differ. */
export interface PlanChange {
  /** `tasks.pack.with.argv`. */
  readonly path: string;
  readonly before: JsonValue | null;
  readonly after: JsonValue | null;
  /** The same in words. */
  readonly text: string;
}

/** In which ways `b` is another plan than `a`, in the order in which a plan is read. Digests that only follow from the rest are left out. */
export function planDifference(a: Plan, b: Plan): readonly PlanChange[] {
  const [before, after] = [tasksOf(a), tasksOf(b)];
  return [
    ...nameChange(a, b),
    ...(FACTS as readonly (keyof Plan)[]).flatMap((name) =>
      changes(name, NAMES[name] ?? name, json(a[name]), json(b[name])),
    ),
    ...namedChanges("inputs", "input", propertiesOf(a.inputs), propertiesOf(b.inputs)),
    ...changes("inputs.required", "required inputs", requiredOf(a.inputs), requiredOf(b.inputs)),
    ...taskChanges(before, after),
    ...orderChange(a, b),
    ...namedChanges("outputs", "output", a.outputs, b.outputs),
    ...changes("triggers", "triggers", json(a.triggers), json(b.triggers)),
  ];
}

const FACTS = [
  "type",
  "description",
  "purposes",
  "authority",
  "license",
  "budget",
  "concurrency",
  "onFailure",
] as const satisfies readonly (keyof Plan)[];

const NAMES: Readonly<Partial<Record<keyof Plan, string>>> = { onFailure: "on failure" };

function nameChange({ workflow: a }: Plan, { workflow: b }: Plan): readonly PlanChange[] {
  const [before, after] = [a, b].map((one) => `${one.namespace}/${one.name}@${one.version}`) as [string, string];
  return before === after ? [] : [{ path: "workflow", before, after, text: `${before} is ${after}` }];
}

function tasksOf({ tasks }: Plan): ReadonlyMap<string, PlanTask> {
  return new Map(tasks.map((task) => [task.id, task]));
}

function taskChanges(a: ReadonlyMap<string, PlanTask>, b: ReadonlyMap<string, PlanTask>): readonly PlanChange[] {
  const removed = [...a.values()].filter(({ id }) => !b.has(id));
  const rest = [...b.values()].flatMap((task): readonly PlanChange[] => {
    const before = a.get(task.id);
    if (before !== undefined) return oneTask(before, task);
    const needs = task.needs.length === 0 ? "" : ` after ${task.needs.join(", ")}`;
    const text = `task ${task.id} is new: ${useText(task.uses)}${needs}`;
    return [{ path: `tasks.${task.id}`, before: null, after: json(task), text }];
  });
  return [
    ...removed.map((task) => ({
      path: `tasks.${task.id}`,
      before: json(task),
      after: null,
      text: `task ${task.id} is gone: ${useText(task.uses)}`,
    })),
    ...rest,
  ];
}

function oneTask(a: PlanTask, b: PlanTask): readonly PlanChange[] {
  const { uses: usesA, ...restA } = json(a) as JsonObject;
  const { uses: usesB, ...restB } = json(b) as JsonObject;
  const where = `tasks.${b.id}`;
  const what = `task ${b.id}`;
  const found = [...new Set([...Object.keys(restA), ...Object.keys(restB)])].flatMap((name) =>
    deep(`${where}.${name}`, `${what}: ${name}`, restA[name], restB[name]),
  );
  const [before, after] = [useText(a.uses), useText(b.uses)];
  if (before !== after)
    return [
      {
        path: `${where}.uses`,
        before: usesA ?? null,
        after: usesB ?? null,
        text: `${what} uses ${after} instead of ${before}`,
      },
      ...found,
    ];
  if (same(usesA, usesB)) return found;
  const text = `${what} uses ${after} as before, which is another one by its digest`;
  return [{ path: `${where}.uses`, before: usesA ?? null, after: usesB ?? null, text }, ...found];
}

/** Tasks with the same needs may still be tried in another order. */
function orderChange(a: Plan, b: Plan): readonly PlanChange[] {
  const [before, after] = [a, b].map(({ tasks }, i) => {
    const other = new Set([a, b][1 - i]?.tasks.map(({ id }) => id));
    return tasks.map(({ id }) => id).filter((id) => other.has(id));
  }) as [string[], string[]];
  if (before.join() === after.join()) return [];
  return [{ path: "tasks", before, after, text: `the order of the tasks is ${after.join(", ")}` }];
}

function namedChanges(path: string, noun: string, a: JsonObject, b: JsonObject): readonly PlanChange[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) => {
    const [before, after] = [a[name], b[name]];
    if (before === undefined || after === undefined) {
      const text = after === undefined ? `${noun} ${name} is gone` : `${noun} ${name} is new: ${short(after)}`;
      return [{ path: `${path}.${name}`, before: before ?? null, after: after ?? null, text }];
    }
    return deep(`${path}.${name}`, `${noun} ${name}`, before, after);
  });
}

/** Down to the members that differ; lists are compared as a whole, for what moved in one is hard to say in words. */
function deep(path: string, what: string, a: JsonValue | undefined, b: JsonValue | undefined): readonly PlanChange[] {
  if (!isJsonObject(a) || !isJsonObject(b)) return changes(path, what, a, b);
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) =>
    deep(`${path}.${name}`, `${what}.${name}`, a[name], b[name]),
  );
}

function changes(
  path: string,
  what: string,
  a: JsonValue | undefined,
  b: JsonValue | undefined,
): readonly PlanChange[] {
  if (same(a, b)) return [];
  const text =
    a === undefined
      ? `${what} is ${short(b ?? null)}, and was not set`
      : b === undefined
        ? `${what} is not set any more, and was ${short(a)}`
        : `${what} is ${short(b)}, and was ${short(a)}`;
  return [{ path, before: a ?? null, after: b ?? null, text }];
}

/** Members come in the order of the manifest or of the canonical form. */
function same(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonical(a) === canonical(b);
}

const MAX_VALUE = 80;

function short(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE - 1)}…` : text;
}

function useText(use: TaskUse): string {
  return use.kind === "type" ? `${use.name}@${use.version}` : `runbook ${use.namespace}/${use.name}@${use.version}`;
}

function propertiesOf(schema: JsonObject): JsonObject {
  const properties = schema["properties"];
  return isJsonObject(properties) ? properties : {};
}

function requiredOf(schema: JsonObject): JsonValue | undefined {
  return schema["required"];
}

/** A plan is pure JSON by construction. */
function json(value: unknown): JsonValue {
  return value as JsonValue;
}
