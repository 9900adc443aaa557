import { MAX_PROBLEMS, pathOfTask, type Place, placesByTask } from "./compile-places.ts";
import type { Diagnostic, Path } from "./diagnostic.ts";
import { compileExpression, ExpressionError } from "./expression.ts";
import { suggest } from "./suggest.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";

export interface Graph {
  /** Topological, ties in manifest order; `finally` last. Complete only if there is no cycle. */
  readonly order: readonly WorkflowTask[];
  readonly needs: ReadonlyMap<WorkflowTask, ReadonlySet<WorkflowTask>>;
}

/** Edges from `needs` and from what expressions read; cycles, unknown names and tasks that never run are problems. */
export function buildGraph(workflow: Workflow, places: readonly Place[], problems: Diagnostic[]): Graph {
  const byId = new Map(workflow.tasks.map((task) => [task.id, task] as const));
  const needs = new Map<WorkflowTask, Set<WorkflowTask>>(workflow.tasks.map((task) => [task, new Set()]));
  for (const task of workflow.tasks) {
    task.needs.forEach((id, i) => addNeed(task, id, [...pathOfTask(task), "needs", i], byId, needs, problems));
  }
  for (const place of places) if (place.task !== undefined) implied(place, place.task, byId, needs, problems);
  const order = sort(workflow.tasks, needs);
  if (order.length < workflow.tasks.length) reportCycles(stuckOf(workflow.tasks, order), needs, places, problems);
  else reportUnreachable(order, needs, placesByTask(places), problems);
  return {
    order: [...order.filter((task) => task.phase === "main"), ...order.filter((task) => task.phase === "finally")],
    needs,
  };
}

type Needs = Map<WorkflowTask, Set<WorkflowTask>>;

function addNeed(
  task: WorkflowTask,
  id: string,
  path: Path,
  byId: ReadonlyMap<string, WorkflowTask>,
  needs: Needs,
  problems: Diagnostic[],
): void {
  const need = byId.get(id);
  if (need === undefined) {
    const near = problems.length > MAX_PROBLEMS ? undefined : suggest(id, byId.keys());
    problems.push({
      rule: "WF012",
      severity: "error",
      path,
      message: `task "${task.id}" needs "${id}", which does not exist`,
      ...(near === undefined ? {} : { fix: `did you mean "${near}"?` }),
    });
  } else if (task.phase === "main" && need.phase === "finally") {
    problems.push({
      rule: "WF022",
      severity: "error",
      path,
      message: `\`${id}\` is one of \`finally\`, which runs after everything else`,
      help: `Move \`${id}\` to \`tasks\`, or do not wait for it.`,
    });
  } else needs.get(task)?.add(need);
}

function implied(
  place: Place,
  task: WorkflowTask,
  byId: ReadonlyMap<string, WorkflowTask>,
  needs: Needs,
  problems: Diagnostic[],
): void {
  for (const reference of place.references) {
    const [root, id] = reference.path;
    const need = root === "tasks" && id !== undefined ? byId.get(id) : undefined;
    if (need === undefined || need === task) continue;
    if (task.phase === "main" && need.phase === "finally") {
      problems.push({
        rule: "WF022",
        severity: "error",
        path: place.path,
        span: { offset: place.offset + reference.offset, length: `tasks.${need.id}`.length },
        message: `\`${need.id}\` is one of \`finally\`, which runs after everything else, so it cannot be read here`,
      });
    } else needs.get(task)?.add(need);
  }
}

/** Kahn's algorithm; of the tasks that are ready, the one that comes first in the manifest. */
function sort(tasks: readonly WorkflowTask[], needs: Needs): WorkflowTask[] {
  const dependents = new Map<WorkflowTask, WorkflowTask[]>(tasks.map((task) => [task, []]));
  const open = new Map<WorkflowTask, number>();
  for (const task of tasks) {
    const own = needs.get(task) ?? new Set();
    open.set(task, own.size);
    for (const need of own) dependents.get(need)?.push(task);
  }
  const position = new Map(tasks.map((task, i) => [task, i] as const));
  const ready = new Ready();
  for (const [task, count] of open) if (count === 0) ready.push(position.get(task) ?? 0);
  const order: WorkflowTask[] = [];
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    const task = tasks[next] as WorkflowTask;
    order.push(task);
    for (const dependent of dependents.get(task) ?? []) {
      const left = (open.get(dependent) ?? 0) - 1;
      open.set(dependent, left);
      if (left === 0) ready.push(position.get(dependent) ?? 0);
    }
  }
  return order;
}

/** A small binary heap of numbers: ten thousand tasks stay quick. */
class Ready {
  readonly #heap: number[] = [];

  push(value: number): void {
    const heap = this.#heap;
    let i = heap.push(value) - 1;
    for (let up = (i - 1) >> 1; i > 0 && at(heap, up) > value; i = up, up = (i - 1) >> 1) heap[i] = at(heap, up);
    heap[i] = value;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && at(heap, child + 1) < at(heap, child)) child++;
      if (at(heap, child) >= last) break;
      heap[i] = at(heap, child);
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function at(heap: readonly number[], i: number): number {
  return heap[i] ?? Infinity;
}

function reportCycles(
  stuck: readonly WorkflowTask[],
  needs: Needs,
  places: readonly Place[],
  problems: Diagnostic[],
): void {
  for (const cycle of findCycles(new Set(stuck), needs).slice(0, MAX_CYCLES)) {
    const first = cycle[0] as WorkflowTask;
    const chain = [...cycle, first].map((task) => task.id);
    const text = chain.length > 8 ? [...chain.slice(0, 4), "…", ...chain.slice(-3)].join(" → ") : chain.join(" → ");
    problems.push({
      rule: "WF020",
      severity: "error",
      ...whereNeeds(first, cycle[1] ?? first, places),
      message: `tasks wait for each other: ${text}`,
      help: "Remove one of these edges; `a → b` means that a needs b or reads its result.",
    });
  }
}

function stuckOf(tasks: readonly WorkflowTask[], order: readonly WorkflowTask[]): WorkflowTask[] {
  const sorted = new Set(order);
  return tasks.filter((task) => !sorted.has(task));
}

const MAX_CYCLES = 20;

/** Each task that is stuck has a need that is stuck, so following them ends in a cycle or where another walk has been. */
function findCycles(stuck: ReadonlySet<WorkflowTask>, needs: Needs): WorkflowTask[][] {
  const cycles: WorkflowTask[][] = [];
  const walked = new Set<WorkflowTask>();
  for (const start of stuck) {
    const trail = new Map<WorkflowTask, number>();
    let task: WorkflowTask | undefined = start;
    while (task !== undefined && !walked.has(task) && !trail.has(task)) {
      trail.set(task, trail.size);
      task = firstOf(needs.get(task) ?? [], stuck);
    }
    const from = task === undefined ? undefined : trail.get(task);
    if (from !== undefined) cycles.push([...trail.keys()].slice(from));
    for (const seen of trail.keys()) walked.add(seen);
  }
  return cycles;
}

function firstOf(needs: Iterable<WorkflowTask>, among: ReadonlySet<WorkflowTask>): WorkflowTask | undefined {
  for (const need of needs) if (among.has(need)) return need;
  return undefined;
}

function whereNeeds(
  task: WorkflowTask,
  need: WorkflowTask,
  places: readonly Place[],
): Pick<Diagnostic, "path" | "span"> {
  const i = task.needs.indexOf(need.id);
  if (i !== -1) return { path: [...pathOfTask(task), "needs", i] };
  for (const place of places) {
    const reference =
      place.task === task
        ? place.references.find((one) => one.path[0] === "tasks" && one.path[1] === need.id)
        : undefined;
    if (reference !== undefined)
      return { path: place.path, span: { offset: place.offset + reference.offset, length: `tasks.${need.id}`.length } };
  }
  return { path: pathOfTask(task) };
}

function reportUnreachable(
  order: readonly WorkflowTask[],
  needs: Needs,
  places: ReadonlyMap<WorkflowTask, readonly Place[]>,
  problems: Diagnostic[],
): void {
  const never = new Set<WorkflowTask>();
  for (const task of order) {
    if (isNever(places.get(task) ?? [])) {
      never.add(task);
      problems.push({
        rule: "WF021",
        severity: "warning",
        path: [...pathOfTask(task), "when"],
        message: `task "${task.id}" never runs: its \`when\` is always false`,
      });
      continue;
    }
    const skipped = [...(needs.get(task) ?? [])].find((need) => never.has(need));
    if (skipped === undefined || readsStatus(places.get(task) ?? [])) continue;
    never.add(task);
    problems.push({
      rule: "WF021",
      severity: "warning",
      path: pathOfTask(task),
      key: true,
      message: `task "${task.id}" never runs, because it needs "${skipped.id}", which never runs`,
    });
  }
}

function isNever(own: readonly Place[]): boolean {
  const when = own.find((place) => place.field === "when");
  if (when === undefined || when.references.length > 0) return false;
  try {
    return compileExpression(when.source).evaluate({}) === false;
  } catch (thrown) {
    if (thrown instanceof ExpressionError) return false;
    throw thrown;
  }
}

const STATUS_MEMBERS: ReadonlySet<string> = new Set(["status", "failed", "succeeded"]);

/** Whether a task's `when` looks at how others ended, so that it is asked even if they failed or were skipped. */
export function readsStatus(own: readonly Place[]): boolean {
  return own.some(
    (place) =>
      place.field === "when" &&
      place.references.some(
        ({ path }) => (path[0] === "tasks" && asksStatus(path.slice(2))) || (path[0] === "run" && path[1] === "status"),
      ),
  );
}

/** `status`, `failed`, `items[0].status`; an item's output is no question about its status. */
function asksStatus([member = "", ...rest]: readonly string[]): boolean {
  return STATUS_MEMBERS.has(member) || ((member === "items" || member === "[]") && rest.includes("status"));
}
