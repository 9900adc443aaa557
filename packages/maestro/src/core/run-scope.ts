import type { JsonValue } from "./json.ts";
import type { Prepared, Scope } from "./expression.ts";
import { prepare, prepareTask, prepareTasks, prepareTime } from "./expression.ts";
import type { Program } from "./program.ts";
import type { Run, Step, TaskState } from "./run.ts";
import { isTerminal } from "./run.ts";

/**
 * The names an expression of this run may use, as docs/reference/expressions.md lists them. Values are made ready once:
 * inputs for the run, a task's results when it settles; a fan-out's items are looked at one by one.
 */
export function taskScope(program: Program, run: Run, now: number): Record<string, Prepared> {
  const { transient } = run;
  transient.inputs ??= prepare(run.created.inputs);
  const status = statusOf(run);
  if (transient.run === null || transient.runStatus !== status) {
    transient.run = prepare(runNames(run, status));
    transient.runStatus = status;
  }
  return {
    inputs: transient.inputs,
    run: transient.run,
    tasks: prepareTasks(program.ids, (id) => preparedTask(program, run, id)),
    now: prepareTime(now),
  };
}

/** `dir` is what `task.dir` reads: the attempt's folder, or a stand-in where only the digest of the input is wanted. */
export function stepScope(program: Program, run: Run, step: Step, now: number, dir: string): Scope {
  const scope = taskScope(program, run, now);
  const { plan } = program.tasks[step.task]!;
  scope["task"] = prepare({ id: plan.id, attempt: step.attempt + 1, dir });
  if (plan.forEach !== undefined && step.item >= 0) {
    scope[plan.forEach.as] = prepare(run.tasks[step.task]!.items?.[step.item] ?? null);
    scope["item"] = prepare({ index: step.item });
  }
  return scope;
}

function preparedTask(program: Program, run: Run, id: string): Prepared | undefined {
  const index = program.index.get(id);
  if (index === undefined) return undefined;
  const task = run.tasks[index]!;
  if (task.prepared !== null) return task.prepared;
  const prepared = prepareTask(viewOf(program, task));
  // Only what has settled stays as it is.
  if (task.endedAt !== null) task.prepared = prepared;
  return prepared;
}

function viewOf(program: Program, task: TaskState): Parameters<typeof prepareTask>[0] {
  const plain = task.steps[0];
  const fanOut = program.tasks[task.index]!.items !== undefined;
  return {
    status: task.status === "active" ? "running" : task.status,
    output: fanOut ? task.steps.map((step) => step.output) : (plain?.output ?? null),
    artifacts: fanOut ? task.steps.flatMap((step) => step.artifacts ?? []) : (plain?.artifacts ?? []),
    failed: task.failed,
    succeeded: task.succeeded,
    ...(fanOut
      ? {
          items: task.steps.map((step) => ({
            status: step.status,
            output: step.output,
            artifacts: step.artifacts ?? [],
            error: step.error === null ? null : errorValue(step.error),
          })),
        }
      : {}),
  };
}

function errorValue(error: NonNullable<Step["error"]>): JsonValue {
  return { code: error.code, message: error.message };
}

/** While it runs: the status it would end with, which is what a `finally` task wants to tell. */
function statusOf(run: Run): string {
  if (isTerminal(run.status)) return run.status;
  if (run.cancel !== null) return "cancelled";
  return run.failures.length > 0 || run.budgetError !== null
    ? "failed"
    : run.phase === "main"
      ? "running"
      : "succeeded";
}

function runNames(run: Run, status: string): JsonValue {
  const { created } = run;
  return {
    id: run.id,
    name: created.name,
    namespace: created.namespace,
    status,
    purpose: created.purpose,
    authority: created.authority,
    initiator: created.initiator.id,
    labels: created.labels,
  };
}
