import { parseApproval } from "./approval-input.ts";
import { tally } from "./approval.ts";
import { considerStep } from "./decide-step.ts";
import type { SkipReason, TaskError } from "./event.ts";
import type { ApprovalRule } from "./plan.ts";
import type { ProgramTask } from "./program.ts";
import { taskScope } from "./run-scope.ts";
import type { TaskState } from "./run.ts";
import { isStopped } from "./run.ts";
import { evaluateInput, expressionError, toExpressionError } from "./step-input.ts";
import type { Turn } from "./turn.ts";
import { emit } from "./turn.ts";

/** Most items a fan-out may have. */
export const MAX_ITEMS = 100_000;

/** Decides what a task whose needs have settled does next: skip, ask people, spread over its items, or go on to its step. */
export function considerTask(turn: Turn, task: TaskState): void {
  const { run, program } = turn;
  const linked = program.tasks[task.index]!;
  const { phase } = linked.plan;
  if (run.status === "queued" || run.phase !== phase || isStopped(run, phase)) return;
  if (task.status !== "pending" || task.waitingOn > 0) return;
  if (!task.cleared && task.approval === null) {
    const skip = skipReason(turn, task, linked);
    if (skip === "failed") return;
    if (skip !== null) return emit(turn, { kind: "task_skipped", task: linked.plan.id, reason: skip });
    task.cleared = true;
  }
  if (!approve(turn, task, linked)) return;
  if (linked.items !== undefined) return expand(turn, linked);
  considerStep(turn, task.steps[0]!);
}

/** Null: it runs. "failed": `when` could not be evaluated, and the task has failed for it. */
function skipReason(turn: Turn, task: TaskState, linked: ProgramTask): SkipReason | "failed" | null {
  const { plan, when } = linked;
  if ((task.failedNeeds > 0 || task.skippedNeeds > 0) && plan.whenReadsStatus !== true) {
    return task.failedNeeds > 0 ? "upstream_failed" : "upstream_skipped";
  }
  if (when === undefined) return null;
  try {
    // The time it became ready, not the present: after a crash it is asked again and must answer the same.
    const value = when.evaluate(taskScope(turn.program, turn.run, task.readyAt));
    if (value === true) return null;
    if (value === false) return "condition";
    failTask(
      turn,
      linked,
      expressionError(`when: ${plan.when ?? ""}`, `it gave ${JSON.stringify(value)} and must be true or false`),
    );
  } catch (error) {
    failTask(turn, linked, toExpressionError("when", error));
  }
  return "failed";
}

/** True once nobody needs to be asked (any more). */
function approve(turn: Turn, task: TaskState, linked: ProgramTask): boolean {
  if (task.approved) return true;
  let rule: ApprovalRule | undefined = linked.plan.approvals;
  let message = "";
  try {
    if (linked.mode === "approval" && linked.items === undefined) {
      rule = parseApproval(evaluateInput(turn, task.steps[0]!, ""));
      message = typeof rule.message === "string" ? rule.message : "";
    } else if (linked.message !== undefined) {
      const value = linked.message.evaluate(taskScope(turn.program, turn.run, turn.facts.now));
      message = typeof value === "string" ? value : JSON.stringify(value);
    }
  } catch (error) {
    failTask(turn, linked, toExpressionError("approvals", error));
    return false;
  }
  if (rule === undefined) return true;
  if (task.approval === null) {
    const { count, roles, notRequester, expiresMs } = rule;
    const expiresAt = turn.facts.now + expiresMs;
    const planDigest = turn.program.digest;
    emit(turn, {
      kind: "approval_requested",
      task: linked.plan.id,
      approval: turn.facts.id("a"),
      count,
      roles,
      notRequester,
      expiresAt,
      message,
      planDigest,
    });
    return false;
  }
  const { request, votes, expired } = task.approval;
  const verdict = tally(request, votes);
  if (verdict === "approved") {
    task.approved = true;
    if (linked.mode === "approval") {
      emit(turn, {
        kind: "wait_finished",
        task: linked.plan.id,
        item: -1,
        output: { approvals: votes.map((vote) => ({ by: vote.by.id, reason: vote.reason })) },
      });
      return false;
    }
    return true;
  }
  if (verdict === "denied") {
    const denial = votes.find((vote) => vote.verdict === "deny")!;
    failTask(turn, linked, {
      code: "APPROVAL_DENIED",
      message: `${denial.by.id} denied it: ${denial.reason}`,
      final: true,
    });
  } else if (expired) {
    failTask(turn, linked, {
      code: "APPROVAL_EXPIRED",
      message: `${votes.length} of ${request.count} approvals came in time; no answer is a no`,
      final: true,
    });
  }
  return false;
}

/** A list that an expression builds may be larger than other results. */
const ITEMS = { resultSize: 32 << 20 };

function expand(turn: Turn, linked: ProgramTask): void {
  const { plan } = linked;
  try {
    const items = linked.items!.evaluate(taskScope(turn.program, turn.run, turn.facts.now), ITEMS);
    if (!Array.isArray(items)) {
      return failTask(
        turn,
        linked,
        expressionError("forEach.items", `it gave ${JSON.stringify(items).slice(0, 80)} and must be a list`),
      );
    }
    if (items.length > MAX_ITEMS) {
      failTask(turn, linked, {
        code: "LIMIT",
        message: `forEach.items has ${items.length} items, more than ${MAX_ITEMS}; split the work over child runs`,
        final: true,
      });
      return;
    }
    emit(turn, { kind: "task_expanded", task: plan.id, items });
  } catch (error) {
    failTask(turn, linked, toExpressionError("forEach.items", error));
  }
}

function failTask(turn: Turn, linked: ProgramTask, error: TaskError): void {
  emit(turn, { kind: "task_failed", task: linked.plan.id, error });
}
