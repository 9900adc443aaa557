import { MaestroError, messageOf } from "../core/problem.ts";
import type { Prepared } from "./commit.ts";
import { prepareCommit } from "./commit.ts";
import type { DurableEngine } from "./durable.ts";
import { project, rowChanged } from "./live.ts";
import type { Pending } from "./pending.ts";

/** Puts together what makes a turn durable; null where it changed nothing. Rejects only where the blob store fails. */
export async function prepareTurn(engine: DurableEngine, turn: Pending): Promise<Prepared | null> {
  const { evictAfterMs } = engine.parts.limits;
  const changed = turn.touched.filter((live) => {
    if (live.gone) return false;
    live.projection = project(live, turn.now, evictAfterMs);
    return live.pending.length > 0 || live.row === null || rowChanged(live.row, live);
  });
  if (changed.length === 0) return null;
  return prepareCommit({ ...engine.parts, asked: engine.asked }, changed, (live, error) =>
    engine.quarantine(live, error),
  );
}

/** Makes a turn durable and only then lets it have effects. Never rejects: a turn that fails never happened. */
export async function settleTurn(engine: DurableEngine, turn: Pending, prepared: Prepared | null): Promise<void> {
  try {
    if (prepared !== null)
      prepared.apply(await engine.stats.timeCommit(async () => engine.parts.store.commit(prepared.batch)));
    release(engine, turn);
    engine.pressure.relieve();
    engine.stats.turnEnded(turn);
  } catch (error) {
    abandonTurn(engine, turn, error);
  }
}

function release(engine: DurableEngine, turn: Pending): void {
  const { attempts, effects, faults } = engine;
  for (const attempt of turn.ended) attempts.forget(attempt);
  for (const live of turn.touched) {
    live.turn = null;
    if (live.gone) continue;
    const events = live.pending;
    live.pending = [];
    if (events.length > 0) engine.listeners.tell(live, events);
    engine.live.settle(live, turn.now);
    if (events.at(-1)?.kind === "run_ended") effects.ended(live);
    // The turn after it may have passed it over.
    if (!live.gone) engine.slots.offer(live);
  }
  for (const execution of turn.executions) {
    if (faults.has(execution.live.run.id)) attempts.callOff(execution.attempt);
    else if (!execution.begun) effects.execute(execution);
  }
  for (const { live, command } of turn.effects) if (!faults.has(live.run.id)) effects.perform(live, command, turn.now);
  for (const { live, done } of turn.answers) {
    const refusal = faults.refusal(live.run.id);
    if (refusal === undefined) done.resolve();
    else done.reject(refusal);
  }
  engine.mailbox.unshift(...turn.held);
}

/** The turn could not be made durable: it never happened. Runs are loaded anew, answers of runners are kept for the next try. */
export function abandonTurn(engine: DurableEngine, turn: Pending, error: unknown): void {
  engine.stats.failedTurns += 1;
  for (const live of turn.touched) {
    live.turn = null;
    engine.drop(live);
  }
  for (const { attempt } of turn.executions) engine.attempts.callOff(attempt);
  const undone = new Set(turn.executions.map(({ attempt }) => attempt));
  engine.mailbox.unshift(
    ...turn.messages.filter(
      ({ done, attempt }) => done === undefined && (attempt === undefined || !undone.has(attempt)),
    ),
    ...turn.held,
  );
  for (const live of turn.touched)
    if (live.row !== null) engine.mailbox.push({ run: live.run.id, input: { kind: "timer" } });
  for (const { done } of turn.answers) done.reject(error);
  for (const message of turn.messages) message.done?.reject(error);
  const code = error instanceof MaestroError ? error.code : "internal";
  if (code !== "run_conflict") engine.pressure.stall(error);
  const stack = error instanceof Error && code === "internal" ? { stack: error.stack ?? "" } : {};
  engine.parts.log(code === "run_conflict" ? "warn" : "error", "a turn could not be made durable; it is tried again", {
    error: messageOf(error),
    code,
    ...stack,
  });
}
