import type { EventBody } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { Program } from "../core/program.ts";
import type { Run } from "../core/run.ts";

/**
 * What a new run takes over from an earlier one when it begins at `from`: the results of every task that succeeded and
 * does not lie at or downstream of it. Throws `not_found` for an unknown task.
 */
export function reusable(program: Program, run: Run, from: string): readonly Extract<EventBody, { kind: "task_reused" }>[] {
  const start = program.index.get(from);
  if (start === undefined || start >= program.mainCount) {
    throw new MaestroError("not_found", `run ${run.id} has no task ${from} to begin from`, { facts: { tasks: [...program.index.keys()] } });
  }
  const anew = new Set([start]);
  const reuse: Extract<EventBody, { kind: "task_reused" }>[] = [];
  for (const task of program.tasks) {
    if (task.plan.phase !== "main") continue;
    if (task.needs.some((need) => anew.has(need))) anew.add(task.index);
    const state = run.tasks[task.index]!;
    if (anew.has(task.index) || state.status !== "succeeded") continue;
    // A need that must run again makes what was built on it new as well; plan order has settled that already.
    const results = state.steps.map((step) => (step.artifacts === null ? { output: step.output } : { output: step.output, artifacts: step.artifacts }));
    reuse.push({ kind: "task_reused", task: task.plan.id, fromRun: run.id, results });
  }
  return reuse;
}
