import { parseApproval } from "./approval-input.ts";
import { tally } from "./approval.ts";
import type { SkipReason, TaskError } from "./event.ts";
import { ExpressionError, prepare } from "./expression.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { endRun } from "./outcome.ts";
import type { ApprovalRule } from "./plan.ts";
import { MaestroError } from "./problem.ts";
import type { ProgramTask } from "./program.ts";
import { retryDelayMs, shouldRetry } from "./retry.ts";
import { stepScope, taskScope } from "./run-scope.ts";
import type { Step, TaskState, Timer, Todo } from "./run.ts";
import { isStopped, isTerminal, rankOf } from "./run.ts";
import type { Turn } from "./turn.ts";
import { emit, refOf, stopCommands } from "./turn.ts";
import { parseWait } from "./wait.ts";

/** Most items a fan-out may have. */
export const MAX_ITEMS = 100_000;

/**
 * The scheduler's brain: decides everything that follows from the run's state and the time, until nothing more does.
 * What may start waits in `run.transient.runnable` for `startNext`, because slots are the engine's to give.
 * Looks only at what changed (the agenda) and at what is due (the timers), so one completion costs O(its dependents).
 */
export function advance(turn: Turn): void {
  const { run, facts } = turn;
  const { agenda, timers } = run.transient;
  for (;;) {
    const todo = agenda.shift();
    if (todo !== undefined) {
      if (!isTerminal(run.status)) look(turn, todo);
      continue;
    }
    const due = timers.popDue(facts.now);
    if (due === undefined) return;
    if (!isTerminal(run.status)) fire(turn, due);
  }
}

/** When advance should be called next if nothing happens before; undefined when only a message can change anything. */
export function wakeAt(turn: Pick<Turn, "run" | "program">): number | undefined {
  return turn.run.transient.timers.nextAt((timer, at) => isLive(turn, timer, at));
}

function isLive(turn: Pick<Turn, "run" | "program">, timer: Timer, at: number): boolean {
  switch (timer.kind) {
    case "wall":
      return turn.run.phase !== "finally" && turn.run.budgetError === null && turn.run.cancel === null && turn.run.wallFrom + (turn.program.plan.budget?.wallMs ?? 0) === at;
    case "step":
      return timer.step.dueAt === at;
    case "queue":
      return timer.step.status === "pending" && timer.step.attempt === timer.attempt;
    case "approval":
      return timer.task.status === "pending" && timer.task.approval?.request.approval === timer.id && !timer.task.approval.expired;
  }
}

function look(turn: Turn, todo: Todo): void {
  switch (todo.kind) {
    case "task":
      return considerTask(turn, todo.task);
    case "step":
      return considerStep(turn, todo.step);
    case "signals":
      return deliverSignals(turn);
    case "phase":
      return considerPhase(turn);
  }
}

function fire(turn: Turn, timer: Timer): void {
  const { run, facts } = turn;
  switch (timer.kind) {
    case "wall": {
      const limit = turn.program.plan.budget?.wallMs;
      if (limit === undefined || run.phase === "finally" || run.budgetError !== null || run.cancel !== null) return;
      // Reopened meanwhile: the clock was set anew and has a timer of its own.
      if (facts.now < run.wallFrom + limit) return;
      return exceedBudget(turn, "wall", limit, facts.now - run.wallFrom);
    }
    case "step":
      if (timer.step.dueAt === null || timer.step.dueAt > facts.now) return;
      return stepDue(turn, timer.step);
    case "queue":
      if (timer.step.status !== "pending" || timer.step.attempt !== timer.attempt) return;
      return emit(turn, {
        kind: "step_failed",
        ...refOf(turn.program, timer.step),
        error: { code: "QUEUE_TIMEOUT", message: "no slot was free within timeout.queue; raise it or the limits of the engine", final: true },
      });
    case "approval":
      if (timer.task.status !== "pending" || timer.task.approval?.request.approval !== timer.id || timer.task.approval.expired) return;
      return emit(turn, { kind: "approval_expired", task: turn.program.tasks[timer.task.index]!.plan.id, approval: timer.id });
  }
}

export function exceedBudget(turn: Turn, dimension: "wall" | "tasks" | "usd", limit: number, used: number): void {
  emit(turn, { kind: "budget_exceeded", dimension, limit, used });
  stopCommands(turn, turn.run.budgetError!, false);
}

function stepDue(turn: Turn, step: Step): void {
  const { run } = turn;
  switch (step.status) {
    case "retrying":
    case "polling":
      if (turn.program.tasks[step.task]!.mode === "child") return startChild(turn, step);
      return makeRunnable(turn, step);
    case "undo_retrying":
      return makeRunnable(turn, step);
    case "waiting":
      if (step.signal === null) {
        return emit(turn, { kind: "wait_finished", ...refOf(turn.program, step), output: { waitedMs: turn.facts.now - (step.startedAt ?? run.createdAt) } });
      }
      return emit(turn, {
        kind: "step_failed",
        ...refOf(turn.program, step),
        error: { code: "TIMEOUT", message: `signal ${step.signal} did not come in time`, final: true },
      });
    default:
      return;
  }
}

/* ---- tasks ---- */

function considerTask(turn: Turn, task: TaskState): void {
  const { run, program } = turn;
  const linked = program.tasks[task.index]!;
  const { phase } = linked.plan;
  if (run.phase !== phase || isStopped(run, phase) || run.tasks[task.index] !== task) return;
  if (task.status === "active") return fill(turn, task, linked);
  if (task.status !== "pending" || task.waitingOn > 0) return;
  if (!task.cleared) {
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
    const value = when.evaluate(taskScope(turn.program, turn.run, turn.facts.now));
    if (value === true) return null;
    if (value === false) return "condition";
    failTask(turn, linked, expressionError(`when: ${plan.when ?? ""}`, `it gave ${JSON.stringify(value)} and must be true or false`));
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
    emit(turn, { kind: "approval_requested", task: linked.plan.id, approval: turn.facts.id("a"), count, roles, notRequester, expiresAt, message, planDigest });
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
    failTask(turn, linked, { code: "APPROVAL_DENIED", message: `${denial.by.id} denied it: ${denial.reason}`, final: true });
  } else if (expired) {
    failTask(turn, linked, { code: "APPROVAL_EXPIRED", message: `${votes.length} of ${request.count} approvals came in time; no answer is a no`, final: true });
  }
  return false;
}

function expand(turn: Turn, linked: ProgramTask): void {
  const { plan } = linked;
  try {
    const items = linked.items!.evaluate(taskScope(turn.program, turn.run, turn.facts.now));
    if (!Array.isArray(items)) {
      return failTask(turn, linked, expressionError("forEach.items", `it gave ${JSON.stringify(items).slice(0, 80)} and must be a list`));
    }
    if (items.length > MAX_ITEMS) {
      failTask(turn, linked, { code: "LIMIT", message: `forEach.items has ${items.length} items, more than ${MAX_ITEMS}; split the work over child runs`, final: true });
      return;
    }
    emit(turn, { kind: "task_expanded", task: plan.id, items });
  } catch (error) {
    failTask(turn, linked, toExpressionError("forEach.items", error));
  }
}

/** Takes up as many further items as `max` allows. */
function fill(turn: Turn, task: TaskState, linked: ProgramTask): void {
  const max = linked.plan.forEach?.max ?? 1;
  if (linked.needsStop && task.failed > 0) return;
  while (task.inFlight < max && task.cursor < task.steps.length) {
    const step = task.steps[task.cursor++]!;
    if (step.status === "pending" && !step.considered) considerStep(turn, step);
  }
}

function failTask(turn: Turn, linked: ProgramTask, error: TaskError): void {
  emit(turn, { kind: "task_failed", task: linked.plan.id, error });
}

/* ---- steps ---- */

function considerStep(turn: Turn, step: Step): void {
  const { run, program } = turn;
  const linked = program.tasks[step.task]!;
  const task = run.tasks[step.task]!;
  if (step.status === "judging" || step.status === "undo_judging") return judge(turn, step, linked);
  if (step.status === "succeeded" && run.phase === "undo") return considerPhase(turn);
  if (step.status !== "pending" || run.phase !== linked.plan.phase || isStopped(run, linked.plan.phase)) return;
  if (linked.needsStop && task.failed > 0) return;
  if (!step.considered) {
    step.considered = true;
    task.inFlight += 1;
    const queueMs = linked.plan.timeout?.queueMs;
    if (queueMs !== undefined) run.transient.timers.push(Math.max(task.readyAt, run.wallFrom) + queueMs, { kind: "queue", step, attempt: step.attempt }, rankOf(step.task, step.item));
  }
  if (!askGate(turn, step, linked.asks)) return;
  switch (linked.mode) {
    case "wait":
      return startWait(turn, step);
    case "approval":
      return emit(turn, {
        kind: "step_failed",
        ...refOf(program, step),
        error: { code: "INPUT_INVALID", message: "approval@1 cannot fan out; put `approvals` on the task that fans out", final: true },
      });
    case "child":
      return startChild(turn, step);
    case "attempt":
      if (linked.plan.cache !== undefined && step.cacheKey === null) return askCache(turn, step, linked);
      return makeRunnable(turn, step);
  }
}

/** True once the gate has allowed it, or need not be asked. */
function askGate(turn: Turn, step: Step, asks: boolean): boolean {
  if (!asks || step.allowed) return true;
  if (step.denied !== null) {
    const { reasons, rules, id } = step.denied;
    step.denied = null;
    emit(turn, {
      kind: "step_failed",
      ...refOf(turn.program, step),
      error: { code: "DENIED", message: `policy denied it: ${reasons.join("; ")}`, final: true, details: { decision: id, rules: [...rules] } },
    });
  } else if (step.asked !== "gate") {
    step.asked = "gate";
    turn.commands.push({ kind: "decide", ...refOf(turn.program, step) });
  }
  return false;
}

function askCache(turn: Turn, step: Step, linked: ProgramTask): void {
  if (step.asked === "cache") return;
  try {
    const input = evaluateInput(turn, step, virtualDir(turn, step));
    const type = linked.plan.uses.kind === "type" ? linked.plan.uses.digest : "";
    const key = linked.cacheKey?.evaluate(stepScope(turn.program, turn.run, step, turn.facts.now, ""));
    step.asked = "cache";
    const material = key === undefined ? { type, input } : { type, key };
    turn.commands.push({ kind: "lookup", ...refOf(turn.program, step), material, files: linked.plan.cache?.files ?? [] });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...refOf(turn.program, step), error: toExpressionError("cache.key", error) });
  }
}

function makeRunnable(turn: Turn, step: Step): void {
  const linked = turn.program.tasks[step.task]!;
  step.queued = true;
  turn.run.transient.runnable[turn.run.phase === "undo" ? linked.undo!.slot : linked.slot].push(step);
}

function startWait(turn: Turn, step: Step): void {
  const ref = refOf(turn.program, step);
  try {
    const { until, signal } = parseWait(evaluateInput(turn, step, ""), turn.facts.now);
    emit(turn, { kind: "wait_started", ...ref, ...(until === null ? {} : { until }), ...(signal === null ? {} : { signal }) });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...ref, error: toInputError(error) });
  }
}

function startChild(turn: Turn, step: Step): void {
  const { uses } = turn.program.tasks[step.task]!.plan;
  if (uses.kind !== "runbook") return;
  const ref = refOf(turn.program, step);
  try {
    const input = evaluateInput(turn, step, "");
    const childRun = turn.facts.id("r");
    emit(turn, { kind: "child_started", ...ref, childRun, input, planDigest: uses.planDigest });
    turn.commands.push({ kind: "start_child", ...ref, childRun, input, planDigest: uses.planDigest });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...ref, error: toInputError(error) });
  }
}

function judge(turn: Turn, step: Step, linked: ProgramTask): void {
  const undo = step.status === "undo_judging";
  const ref = refOf(turn.program, step);
  if (!undo && isStopped(turn.run, linked.plan.phase)) return emit(turn, { kind: "step_cancelled", ...ref });
  if (step.error === null) return judgeUntil(turn, step, linked);
  const { error, tries, lost } = step;
  const policy = linked.plan.retry;
  try {
    const matches = (of: TaskError): boolean =>
      linked.retryOn === undefined ||
      linked.retryOn.evaluate({ ...stepScope(turn.program, turn.run, step, turn.facts.now, ""), error: prepare({ code: of.code, message: of.message, details: of.details ?? null }) }) === true;
    if (shouldRetry(policy, { error, tries, lost }, matches)) {
      const random = turn.facts.random();
      const dueAt = turn.facts.now + retryDelayMs(policy, { error, tries }, random);
      return emit(turn, { kind: "retry_scheduled", ...ref, attempt: step.attempt, dueAt, random });
    }
    emit(turn, { kind: "step_failed", ...ref, error });
  } catch (thrown) {
    emit(turn, { kind: "step_failed", ...ref, error: toExpressionError("retry.on", thrown) });
  }
}

function judgeUntil(turn: Turn, step: Step, linked: ProgramTask): void {
  const ref = refOf(turn.program, step);
  const { until } = linked.plan;
  if (until === undefined || linked.until === undefined) return emit(turn, { kind: "until_met", ...ref });
  try {
    const scope = stepScope(turn.program, turn.run, step, turn.facts.now, "");
    const value = linked.until.evaluate({ ...scope, task: prepare({ id: ref.task, attempt: step.attempt, output: step.output }) });
    if (value === true) return emit(turn, { kind: "until_met", ...ref });
    const round = step.round + 1;
    if (round >= until.max) {
      const error = { code: "UNTIL", message: `the condition of \`until\` did not hold after ${until.max} rounds`, final: true };
      return emit(turn, { kind: "step_failed", ...ref, error });
    }
    emit(turn, { kind: "poll_scheduled", ...ref, dueAt: turn.facts.now + until.everyMs, round });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...ref, error: toExpressionError("until.condition", error) });
  }
}

function deliverSignals(turn: Turn): void {
  for (const task of turn.run.tasks) {
    if (task.status !== "active" || turn.program.tasks[task.index]!.mode !== "wait") continue;
    for (const step of task.steps) {
      if (step.status !== "waiting" || step.signal === null) continue;
      const payload = turn.run.signals.get(step.signal)?.[0];
      if (payload !== undefined) emit(turn, { kind: "wait_finished", ...refOf(turn.program, step), output: { signal: step.signal, payload } });
    }
  }
}

/* ---- phases ---- */

function considerPhase(turn: Turn): void {
  const { run } = turn;
  if (run.status === "queued") return considerStart(turn);
  if (run.cancel?.force === true) return endRun(turn);
  switch (run.phase) {
    case "main":
      if (run.openMain > 0) return;
      if (mustRollBack(turn)) return emit(turn, { kind: "rollback_started" });
      return afterMain(turn);
    case "undo":
      return considerUndo(turn);
    case "finally":
      if (run.openFinally === 0) endRun(turn);
      return;
  }
}

function considerStart(turn: Turn): void {
  const decision = turn.run.decisions.at(-1)?.decision;
  if (decision !== undefined && !decision.allow) endRun(turn);
}

function mustRollBack({ run, program }: Turn): boolean {
  return program.plan.onFailure === "rollback" && run.undoable.length > 0 && run.cancel === null && (run.failures.length > 0 || run.budgetError !== null);
}

function afterMain(turn: Turn): void {
  if (turn.run.openFinally > 0) emit(turn, { kind: "finally_started" });
  else endRun(turn);
}

/** One undo at a time, the latest work first. */
function considerUndo(turn: Turn): void {
  const { run, program } = turn;
  const step = run.undoQueue.at(-1);
  if (step === undefined) {
    if (!isUndoing(turn)) afterMain(turn);
    return;
  }
  if (step.status !== "succeeded" || step.queued) return;
  if (askGate(turn, step, program.tasks[step.task]!.undo!.asks)) makeRunnable(turn, step);
}

/** A stop empties the queue, but the undo at work is left to end. */
function isUndoing({ run, program }: Turn): boolean {
  return run.tasks.some((task) => program.tasks[task.index]!.undo !== undefined && task.steps.some((step) => step.status === "undoing" || step.status === "undo_judging"));
}

/* ---- inputs ---- */

/** The value of `with` for this step. Throws ExpressionError. */
export function evaluateInput(turn: Turn, step: Step, dir: string): JsonObject {
  const linked = turn.program.tasks[step.task]!;
  const undoing = step.status === "succeeded" || step.status === "undo_retrying";
  const template = undoing ? linked.undo!.input : linked.input;
  const value = template.evaluate(template.constant ? NO_NAMES : stepScope(turn.program, turn.run, step, turn.facts.now, dir));
  if (!isJsonObject(value)) throw new MaestroError("invalid_input", "`with` must be a mapping");
  return value;
}

const NO_NAMES = {};

/** Stands for `task.dir` where an input is hashed, so that its digest is the same on every machine. */
export function virtualDir(turn: Turn, step: Step): string {
  const { task, item } = refOf(turn.program, step);
  return `task:${task}${item === -1 ? "" : `[${item}]`}`;
}

function toExpressionError(where: string, thrown: unknown): TaskError {
  if (thrown instanceof MaestroError) return toInputError(thrown);
  if (!(thrown instanceof ExpressionError)) throw thrown;
  return expressionError(where, thrown.message);
}

export function expressionError(where: string, message: string): TaskError {
  return { code: "EXPRESSION", message: `${where}: ${message}`, final: true };
}

function toInputError(thrown: unknown): TaskError {
  if (thrown instanceof ExpressionError) return expressionError("with", thrown.message);
  if (thrown instanceof MaestroError) return { code: "INPUT_INVALID", message: thrown.message, final: true };
  throw thrown;
}
