import type { RunEvent } from "../core/event.ts";
import { compileExpression } from "../core/expression.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan, PlanTask } from "../core/plan.ts";

/** Something that a run of a plan can do, and that a test should have seen it do. */
export interface Goal {
  readonly task: string;
  /** A word: `runs`, `when is false`, `is retried`. */
  readonly branch: string;
}

export interface Coverage {
  readonly tasks: { readonly total: number; readonly covered: number };
  readonly branches: { readonly total: number; readonly covered: number };
  /** Whole per cent of tasks and branches together, rounded down. */
  readonly percent: number;
  readonly missing: readonly Goal[];
}

/** Of everything that `branchesSeen` found in histories of this plan. */
export function coverageOf(plan: Plan, seen: ReadonlySet<string>): Coverage {
  const goals = goalsOf(plan);
  const covered = goals.filter((goal) => seen.has(keyOf(goal)));
  const count = (list: readonly Goal[], isTask: boolean): number =>
    list.filter(({ branch }) => (branch === "runs") === isTask).length;
  return {
    tasks: { total: count(goals, true), covered: count(covered, true) },
    branches: { total: count(goals, false), covered: count(covered, false) },
    percent: goals.length === 0 ? 100 : Math.floor((100 * covered.length) / goals.length),
    missing: goals.filter((goal) => !seen.has(keyOf(goal))),
  };
}

function keyOf({ task, branch }: Goal): string {
  return `${task}: ${branch}`;
}

/** What can become of each task by what the manifest says of it. */
function goalsOf(plan: Plan): readonly Goal[] {
  const goals = plan.tasks.flatMap((task) => branchesOf(task, plan).map((branch) => ({ task: task.id, branch })));
  const run = [
    ...(plan.onFailure === "rollback" ? ["rolls back"] : []),
    ...(plan.tasks.some(({ phase }) => phase === "finally") ? ["finally after a failure"] : []),
  ];
  return [...goals, ...run.map((branch) => ({ task: "run", branch }))];
}

function branchesOf(task: PlanTask, plan: Plan): readonly string[] {
  const mode = task.uses.kind === "runbook" ? "child" : task.uses.name;
  const worldly = task.effects.length > 0 || mode === "child";
  const asks = task.approvals !== undefined || mode === "approval";
  return [
    "runs",
    ...(task.when === undefined ? [] : ["when is true", "when is false"]),
    ...(task.forEach === undefined ? [] : ["has items", ...(isConstant(task.forEach.items) ? [] : ["has no items"])]),
    ...(asks ? ["is approved", "is denied", "approval expires"] : []),
    ...(mode === "wait" ? waitBranches(task.with) : []),
    ...(worldly || task.retry !== undefined || task.continueOnError === true ? ["fails"] : []),
    ...(task.retry !== undefined && task.retry.attempts > 1 ? ["is retried"] : []),
    ...(task.until === undefined ? [] : ["is polled again"]),
    ...(task.undo !== undefined && plan.onFailure === "rollback" ? ["is undone"] : []),
    ...(task.cache === undefined ? [] : ["is taken from the cache"]),
  ];
}

/** A list that is written out is as long as it is written. */
function isConstant(items: string): boolean {
  return compileExpression(items).references.length === 0;
}

function waitBranches(input: JsonValue): readonly string[] {
  if (!isJsonObject(input) || input["signal"] === undefined) return [];
  return input["timeout"] === undefined ? ["signal comes"] : ["signal comes", "signal does not come"];
}

/** `task: branch` of everything that a history shows. */
export function branchesSeen(plan: Plan, events: readonly RunEvent[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const conditional = new Set(plan.tasks.flatMap(({ id, when }) => (when === undefined ? [] : [id])));
  const signals = new Map<string, boolean>();
  const add = (task: string, branch: string): void => void seen.add(`${task}: ${branch}`);
  const runs = (task: string): void => {
    add(task, "runs");
    if (conditional.has(task)) add(task, "when is true");
  };
  let failed = false;
  for (const event of events) {
    switch (event.kind) {
      case "attempt_started":
        if (event.phase === "undo") add(event.task, "is undone");
        else runs(event.task);
        break;
      case "child_started":
        runs(event.task);
        break;
      case "wait_started":
        runs(event.task);
        signals.set(event.task, event.signal !== undefined);
        break;
      case "wait_finished":
        if (signals.get(event.task) === true) add(event.task, "signal comes");
        break;
      case "step_cached":
        runs(event.task);
        add(event.task, "is taken from the cache");
        break;
      case "approval_requested":
        runs(event.task);
        break;
      case "approval_given":
        add(event.task, event.verdict === "approve" ? "is approved" : "is denied");
        break;
      case "approval_expired":
        add(event.task, "approval expires");
        break;
      case "task_expanded":
        if (event.items.length === 0) runs(event.task);
        add(event.task, event.items.length === 0 ? "has no items" : "has items");
        break;
      case "task_skipped":
        if (event.reason === "condition") add(event.task, "when is false");
        break;
      case "retry_scheduled":
        add(event.task, "is retried");
        break;
      case "poll_scheduled":
        add(event.task, "is polled again");
        break;
      case "step_failed":
        failed = true;
        add(event.task, "fails");
        if (signals.get(event.task) === true && event.error.code === "TIMEOUT") add(event.task, "signal does not come");
        break;
      case "task_failed":
        failed = true;
        break;
      case "rollback_started":
        add("run", "rolls back");
        break;
      case "finally_started":
        if (failed) add("run", "finally after a failure");
        break;
      default:
        break;
    }
  }
  return seen;
}
