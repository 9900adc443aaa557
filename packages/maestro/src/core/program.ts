import type { Digest } from "./digest.ts";
import { digestOf } from "./digest.ts";
import type { Expression, Template } from "./expression.ts";
import { compileExpression, compileTemplate } from "./expression.ts";
import type { Effect, Plan, PlanTask, TaskUse } from "./plan.ts";

/** A plan made ready to run: names resolved to numbers, expressions to functions. Made once per plan digest and shared by its runs. */
export interface Program {
  readonly plan: Plan;
  readonly digest: Digest;
  readonly tasks: readonly ProgramTask[];
  readonly ids: readonly string[];
  readonly index: ReadonlyMap<string, number>;
  /** How many tasks are in the main phase; they come first in `tasks`. */
  readonly mainCount: number;
  readonly outputs: Template;
  /** Some task waits for approval. */
  readonly asksPeople: boolean;
  /** Some task keeps its results for later runs. */
  readonly caches: boolean;
}

export interface ProgramTask {
  readonly plan: PlanTask;
  readonly index: number;
  /** Needs of the same phase; by the time `finally` begins, the main phase has settled anyway. */
  readonly needs: readonly number[];
  readonly dependents: readonly number[];
  /** How the engine treats it: dispatch to a runner, wait, ask people, start a child run. */
  readonly mode: "attempt" | "wait" | "approval" | "child";
  readonly slot: SlotClass;
  readonly input: Template;
  /** Digest of an input that holds no expression, so it is hashed once and not per attempt. */
  readonly inputDigest?: Digest;
  readonly when?: Expression;
  readonly items?: Expression;
  readonly until?: Expression;
  readonly retryOn?: Expression;
  readonly cacheKey?: Template;
  readonly cacheFiles?: Template;
  readonly message?: Template;
  readonly undo?: {
    readonly uses: TaskUse;
    readonly slot: SlotClass;
    readonly input: Template;
    readonly asks: boolean;
    readonly effects: readonly Effect[];
  };
  /** The gate is asked before each of its steps. */
  readonly asks: boolean;
  readonly needsStop: boolean;
}

/** Which of the engine's limits a step counts against. */
export type SlotClass = "inline" | "process" | "resident";

/** Says where a task type runs; core does not know the installed types. */
export type SlotOf = (use: TaskUse, runner: PlanTask["runner"]) => SlotClass;

export function link(plan: Plan, digest: Digest, slotOf: SlotOf): Program {
  const index = new Map(plan.tasks.map((task, i) => [task.id, i] as const));
  const needs = plan.tasks.map((task) =>
    task.needs.flatMap((id) => {
      const i = index.get(id);
      return i !== undefined && plan.tasks[i]!.phase === task.phase ? [i] : [];
    }),
  );
  const dependents: number[][] = plan.tasks.map(() => []);
  needs.forEach((list, i) => {
    for (const need of list) dependents[need]!.push(i);
  });
  return {
    plan,
    digest,
    ids: [...index.keys()],
    index,
    mainCount: plan.tasks.filter((task) => task.phase === "main").length,
    outputs: compileTemplate(plan.outputs),
    asksPeople: plan.tasks.some((task) => task.approvals !== undefined || modeOf(task) === "approval"),
    caches: plan.tasks.some((task) => task.cache !== undefined),
    tasks: plan.tasks.map((task, i) => linkTask(task, i, needs[i]!, dependents[i]!, slotOf)),
  };
}

function linkTask(
  plan: PlanTask,
  index: number,
  needs: readonly number[],
  dependents: readonly number[],
  slotOf: SlotOf,
): ProgramTask {
  const input = compileTemplate(plan.with);
  return {
    plan,
    index,
    needs,
    dependents,
    mode: modeOf(plan),
    slot: slotOf(plan.uses, plan.runner),
    input,
    ...(input.constant ? { inputDigest: digestOf(plan.with) } : {}),
    ...(plan.when === undefined ? {} : { when: compileExpression(plan.when) }),
    ...(plan.forEach === undefined ? {} : { items: compileExpression(plan.forEach.items) }),
    ...(plan.until === undefined ? {} : { until: compileExpression(plan.until.condition) }),
    ...(plan.retry?.on === undefined ? {} : { retryOn: compileExpression(plan.retry.on) }),
    ...(plan.cache?.key === undefined ? {} : { cacheKey: compileTemplate(plan.cache.key) }),
    ...(plan.cache?.files === undefined ? {} : { cacheFiles: compileTemplate([...plan.cache.files]) }),
    ...(plan.approvals?.message === undefined ? {} : { message: compileTemplate(plan.approvals.message) }),
    ...(plan.undo === undefined
      ? {}
      : {
          undo: {
            uses: plan.undo.uses,
            slot: slotOf(plan.undo.uses, plan.runner),
            input: compileTemplate(plan.undo.with),
            asks: plan.undo.effects.length > 0,
            effects: plan.undo.effects,
          },
        }),
    asks: plan.effects.length > 0 || plan.sensitive === true,
    needsStop: plan.forEach !== undefined && plan.forEach.onItemFailure === "stop",
  };
}

function modeOf(plan: PlanTask): ProgramTask["mode"] {
  if (plan.uses.kind === "runbook") return "child";
  if (plan.uses.name === "wait") return "wait";
  if (plan.uses.name === "approval") return "approval";
  return "attempt";
}
