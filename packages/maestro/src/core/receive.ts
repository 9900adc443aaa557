import { checkVote } from "./approval.ts";
import { exceedBudget } from "./budget.ts";
import { makeRunnable } from "./decide-step.ts";
import type { StepRef } from "./event.ts";
import type { RunInput } from "./input.ts";
import { MaestroError } from "./problem.ts";
import { isOpen } from "./obligation.ts";
import { reopenable } from "./reopen.ts";
import type { Step } from "./run.ts";
import { isTerminal, stepOf } from "./run.ts";
import type { Turn } from "./turn.ts";
import { atWork, emit, stopCommands } from "./turn.ts";

/**
 * Turns what came from outside into events. A person's request that does not fit throws `conflict`, `denied` or
 * `plan_changed`; an answer nobody waits for any more (a late result, a second delivery) is dropped, which is what
 * makes a result count exactly once.
 */
export function receive(turn: Turn, input: RunInput): void {
  const { run } = turn;
  switch (input.kind) {
    case "timer":
      return;
    case "admitted":
      if (run.status === "queued") emit(turn, { kind: "run_started" });
      return;
    case "attempt_finished":
      return receiveResult(turn, input);
    case "decided": {
      const step = find(turn, input);
      if (step?.asked !== "gate") return;
      return emit(turn, {
        kind: "policy_decided",
        action: "task.execute",
        task: input.task,
        item: input.item,
        decision: input.decision,
      });
    }
    case "cache_answered": {
      const step = find(turn, input);
      if (step?.asked !== "cache") return;
      const again = step.status === "retrying" || step.status === "polling";
      if (step.status !== "pending" && !again) return;
      step.asked = "nothing";
      step.cacheKey = input.key ?? "none";
      // It has tried already: only the key is of use to it.
      if (again) return makeRunnable(turn, step);
      if (input.hit !== null && input.key !== null) {
        return emit(turn, {
          kind: "step_cached",
          task: input.task,
          item: input.item,
          key: input.key,
          fromRun: input.hit.fromRun,
          result: input.hit.result,
        });
      }
      run.transient.agenda.push({ kind: "step", step });
      return;
    }
    case "child_finished": {
      const step = find(turn, input);
      if (step?.status !== "child" || step.child !== input.childRun) return;
      const { task, item, childRun, status, output, receipt, error } = input;
      return emit(turn, {
        kind: "child_finished",
        task,
        item,
        childRun,
        status,
        output,
        ...(receipt === undefined ? {} : { receipt }),
        ...(error === undefined ? {} : { error }),
      });
    }
    case "signal":
      refuseEnded(turn, "takes no signals");
      refuseUnread(turn);
      return emit(turn, { kind: "signal_received", name: input.name, payload: input.payload, by: input.by });
    case "approve":
      return receiveVote(turn, input);
    case "cancel":
      return receiveCancel(turn, input);
    case "retry":
      return receiveRetry(turn, input);
  }
}

function receiveResult(turn: Turn, input: Extract<RunInput, { kind: "attempt_finished" }>): void {
  const step = find(turn, input);
  if (step === undefined || step.attempt !== input.attempt) return;
  // A forced stop leaves an undo where it was.
  if ((step.status !== "running" && step.status !== "undoing") || isTerminal(turn.run.status)) return;
  emit(turn, {
    kind: "attempt_finished",
    task: input.task,
    item: input.item,
    attempt: input.attempt,
    result: input.result,
  });
  const limit = turn.program.plan.budget?.usdMicros;
  const { run } = turn;
  if (
    limit !== undefined &&
    run.usedUsdMicros > limit &&
    run.budgetError === null &&
    run.cancel === null &&
    run.phase === "main"
  ) {
    exceedBudget(turn, "usd", limit, run.usedUsdMicros);
  }
}

function receiveVote(turn: Turn, input: Extract<RunInput, { kind: "approve" }>): void {
  const task = turn.run.tasks.find((state) => state.approval?.request.approval === input.approval);
  if (task === undefined || task.approval === null)
    throw new MaestroError("not_found", `run ${turn.run.id} has no approval ${input.approval}`);
  if (!isOpen(task)) {
    throw new MaestroError("conflict", `approval ${input.approval} is not open any more (the task is ${task.status})`);
  }
  checkVote(task.approval.request, task.approval.votes, input, turn.run.created.initiator, turn.facts.now);
  const { approval, verdict, by, planDigest, reason } = input;
  emit(turn, {
    kind: "approval_given",
    task: turn.program.tasks[task.index]!.plan.id,
    approval,
    verdict,
    by,
    planDigest,
    reason,
  });
}

function receiveCancel(turn: Turn, input: Extract<RunInput, { kind: "cancel" }>): void {
  const { run } = turn;
  refuseEnded(turn, "cannot be cancelled");
  if (run.cancel?.force === true || (run.cancel !== null && !input.force && run.stopped.has(run.phase))) {
    throw new MaestroError("conflict", `run ${run.id} is being cancelled already`, {
      fix: "Wait for its tasks to end, or add --force.",
    });
  }
  const steps = atWork(run);
  emit(turn, { kind: "cancel_requested", by: input.by, reason: input.reason, force: input.force });
  stopCommands(
    turn,
    steps,
    { code: "CANCELLED", message: `cancelled by ${input.by.id}: ${input.reason}`, final: true },
    input.force,
  );
}

function receiveRetry(turn: Turn, input: Extract<RunInput, { kind: "retry" }>): void {
  const { run, program } = turn;
  if (!isTerminal(run.status))
    throw new MaestroError("conflict", `run ${run.id} is ${run.status}; only an ended run can be retried`);
  if (run.startedAt === null && run.status === "denied")
    throw new MaestroError("conflict", `run ${run.id} was denied before it started`, { fix: "Start a new run." });
  if (run.rollback !== "none")
    throw new MaestroError("conflict", `run ${run.id} was rolled back: its earlier results are undone`, {
      fix: "Start it again with `maestro run --from-run`.",
    });
  for (const id of input.tasks ?? []) {
    if (!program.index.has(id))
      throw new MaestroError("not_found", `run ${run.id} has no task ${id}`, {
        facts: { tasks: [...program.index.keys()] },
      });
  }
  const tasks = reopenable(program, run, input.tasks);
  const cleanUp = run.tasks.some(
    (task) =>
      task.index >= program.mainCount &&
      (input.tasks?.includes(program.ids[task.index]!) ?? (task.status === "failed" || task.status === "cancelled")),
  );
  if (tasks.length === 0 && !cleanUp)
    throw new MaestroError("conflict", `run ${run.id} ${run.status}: nothing in it failed`, {
      fix: "Use `maestro run --from-run` to run it again.",
    });
  emit(turn, { kind: "run_reopened", by: input.by, tasks });
}

/** Signals that no task waits for yet are kept in memory. */
const MAX_UNREAD = 1000;

function refuseUnread({ run }: Turn): void {
  let unread = 0;
  for (const list of run.signals.values()) unread += list.length;
  if (unread < MAX_UNREAD) return;
  throw new MaestroError(
    "limit_exceeded",
    `run ${run.id} has ${unread} signals that no task has waited for, which is the limit`,
    { fix: "Send signals that its tasks wait for; see them with `maestro show`." },
  );
}

function refuseEnded({ run }: Turn, what: string): void {
  if (isTerminal(run.status)) throw new MaestroError("conflict", `run ${run.id} has ended (${run.status}) and ${what}`);
}

function find(turn: Turn, ref: StepRef): Step | undefined {
  return stepOf(turn.program, turn.run, ref);
}
