import type { TaskError } from "./event.ts";
import { prepare } from "./expression.ts";
import type { ProgramTask } from "./program.ts";
import type { JsonValue } from "./json.ts";
import { mayAttempt } from "./budget.ts";
import { MaestroError } from "./problem.ts";
import { discharge } from "./discharge.ts";
import { retryDelayMs, shouldRetry } from "./retry.ts";
import { stepScope } from "./run-scope.ts";
import type { Step } from "./run.ts";
import { isStopped, rankOf } from "./run.ts";
import { evaluateInput, toExpressionError, toInputError, virtualDir } from "./step-input.ts";
import type { Turn } from "./turn.ts";
import { emit, refOf } from "./turn.ts";
import { parseWait } from "./wait.ts";

/** Decides what a step does next: judge an attempt that ended, or take the stations before a start (gate, cache, slot). */
export function considerStep(turn: Turn, step: Step): void {
  const { run, program } = turn;
  const linked = program.tasks[step.task]!;
  const task = run.tasks[step.task]!;
  if (step.status === "judging" || step.status === "undo_judging") return judge(turn, step, linked);
  if (step.status !== "pending" || run.phase !== linked.plan.phase || isStopped(run, linked.plan.phase)) return;
  if (linked.needsStop && task.failed > 0) return;
  if (!step.considered) {
    step.considered = true;
    const queueMs = linked.plan.timeout?.queueMs;
    if (queueMs !== undefined)
      run.transient.timers.push(
        (step.takenAt ?? Math.max(task.readyAt, run.wallFrom)) + queueMs,
        { kind: "queue", step, attempt: step.attempt },
        rankOf(step.task, step.item),
      );
  }
  if (!askGate(turn, step, linked.asks) || !discharge(turn, step)) return;
  switch (linked.mode) {
    case "wait":
      return startWait(turn, step);
    case "approval":
      return emit(turn, {
        kind: "step_failed",
        ...refOf(program, step),
        error: {
          code: "INPUT_INVALID",
          message: "approval@1 cannot fan out; put `approvals` on the task that fans out",
          final: true,
        },
      });
    case "child":
      return startChild(turn, step);
    case "attempt":
      if (linked.plan.cache !== undefined && step.cacheKey === null) return askCache(turn, step, linked);
      return makeRunnable(turn, step);
  }
}

/** True once the gate has allowed it, or need not be asked. */
export function askGate(turn: Turn, step: Step, asks: boolean): boolean {
  if (!asks || step.allowed) return true;
  if (step.denied !== null) {
    const { reasons, rules, id } = step.denied;
    emit(turn, {
      kind: "step_failed",
      ...refOf(turn.program, step),
      error: {
        code: "DENIED",
        message: `policy denied it: ${reasons.join("; ")}`,
        final: true,
        details: { decision: id, rules: [...rules] },
      },
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
    const scope = stepScope(turn.program, turn.run, step, turn.facts.now, "");
    const key = linked.cacheKey?.evaluate(scope);
    const files = textsOf(linked.cacheFiles?.evaluate(scope) ?? []);
    step.asked = "cache";
    const material = key === undefined ? { type, input } : { type, key };
    turn.commands.push({ kind: "lookup", ...refOf(turn.program, step), material, files });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...refOf(turn.program, step), error: toExpressionError("cache", error) });
  }
}

function textsOf(value: JsonValue): readonly string[] {
  const list: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  const wrong = list.find((one) => typeof one !== "string" || one === "");
  if (wrong === undefined) return list as readonly string[];
  throw new MaestroError("invalid_input", `\`cache.files\` must be texts, and one is ${JSON.stringify(wrong)}`);
}

export function makeRunnable(turn: Turn, step: Step): void {
  const linked = turn.program.tasks[step.task]!;
  step.queued = true;
  turn.run.transient.runnable[turn.run.phase === "undo" ? linked.undo!.slot : linked.slot].push(step);
}

function startWait(turn: Turn, step: Step): void {
  const ref = refOf(turn.program, step);
  try {
    const { until, signal } = parseWait(evaluateInput(turn, step, ""), turn.facts.now);
    emit(turn, {
      kind: "wait_started",
      ...ref,
      ...(until === null ? {} : { until }),
      ...(signal === null ? {} : { signal }),
    });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...ref, error: toInputError(error) });
  }
}

function startChild(turn: Turn, step: Step): void {
  const { uses } = turn.program.tasks[step.task]!.plan;
  if (uses.kind !== "runbook" || !mayAttempt(turn)) return;
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
      linked.retryOn.evaluate({
        ...stepScope(turn.program, turn.run, step, turn.facts.now, ""),
        error: prepare({ code: of.code, message: of.message, details: of.details ?? null }),
      }) === true;
    if (!(undo && turn.run.stopped.has("undo")) && shouldRetry(policy, { error, tries, lost }, matches)) {
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
    const value = linked.until.evaluate({
      ...scope,
      task: prepare({ id: ref.task, attempt: step.attempt, output: step.output }),
    });
    if (value === true) return emit(turn, { kind: "until_met", ...ref });
    const round = step.round + 1;
    if (round >= until.max) {
      const error = {
        code: "UNTIL",
        message: `the condition of \`until\` did not hold after ${until.max} rounds`,
        final: true,
      };
      return emit(turn, { kind: "step_failed", ...ref, error });
    }
    emit(turn, { kind: "poll_scheduled", ...ref, dueAt: turn.facts.now + until.everyMs, round });
  } catch (error) {
    emit(turn, { kind: "step_failed", ...ref, error: toExpressionError("until.condition", error) });
  }
}

/** Each signal goes to the step that has waited for it longest. */
export function deliverSignals(turn: Turn, name: string): void {
  const { signals, transient } = turn.run;
  const queue = transient.listening.get(name);
  for (let payload = signals.get(name)?.[0]; payload !== undefined; payload = signals.get(name)?.[0]) {
    const step = queue?.shift();
    if (step === undefined) break;
    if (step.status === "waiting" && step.signal === name)
      emit(turn, { kind: "wait_finished", ...refOf(turn.program, step), output: { signal: name, payload } });
  }
  if (queue?.size === 0) transient.listening.delete(name);
}

/** The time a step was waiting for has come. */
export function stepDue(turn: Turn, step: Step): void {
  const { run } = turn;
  switch (step.status) {
    case "retrying":
    case "polling": {
      const linked = turn.program.tasks[step.task]!;
      if (linked.mode === "child") return startChild(turn, step);
      // After a restart the key is not known any more, and without it the result would not be kept.
      if (linked.plan.cache !== undefined && step.cacheKey === null) return askCache(turn, step, linked);
      return makeRunnable(turn, step);
    }
    case "undo_retrying":
      return makeRunnable(turn, step);
    case "waiting":
      if (step.signal === null) {
        return emit(turn, {
          kind: "wait_finished",
          ...refOf(turn.program, step),
          output: { waitedMs: turn.facts.now - (step.startedAt ?? run.createdAt) },
        });
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
