import type { EventBody } from "./event.ts";
import { MaestroError } from "./problem.ts";
import type { Program } from "./program.ts";
import type { Run, TaskState } from "./run.ts";

/**
 * What a new run takes over from an earlier one when it begins at `from`: the results of every task that succeeded and
 * is built on nothing that must run again, be it `from`, what failed or what was undone. Throws `not_found` for an unknown task.
 */
export function reusable(
  program: Program,
  run: Run,
  from: string,
): readonly Extract<EventBody, { kind: "task_reused" }>[] {
  const start = program.index.get(from);
  if (start === undefined || start >= program.mainCount) {
    throw new MaestroError("not_found", `run ${run.id} has no task ${from} to begin from`, {
      facts: { tasks: [...program.index.keys()] },
    });
  }
  const anew = new Set([start]);
  const reuse: Extract<EventBody, { kind: "task_reused" }>[] = [];
  for (const task of program.tasks) {
    if (task.plan.phase !== "main") continue;
    if (task.needs.some((need) => anew.has(need))) anew.add(task.index);
    const state = run.tasks[task.index]!;
    if (state.status === "skipped") continue;
    if (!isSound(state)) anew.add(task.index);
    if (anew.has(task.index)) continue;
    const results = state.steps.map((step) =>
      step.artifacts === null ? { output: step.output } : { output: step.output, artifacts: step.artifacts },
    );
    reuse.push({ kind: "task_reused", task: task.plan.id, fromRun: run.id, results });
  }
  return reuse;
}

/** It succeeded, and no step of it was undone or was to be. */
function isSound(task: TaskState): boolean {
  return task.status === "succeeded" && task.steps.every((step) => step.status === "succeeded");
}
