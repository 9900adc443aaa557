import { canonical } from "../core/canonical.ts";
import type { Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import { redecide } from "../core/replay.ts";
import { loadEvents } from "./load.ts";
import type { DurableEngine } from "./durable.ts";

export interface ReplayReport {
  readonly run: string;
  readonly events: number;
  /** Deciding the history again gave the same events. */
  readonly equal: boolean;
  readonly head: Digest;
  /** Where it went another way, in a sentence. */
  readonly difference: string | null;
  readonly atSeq: number | null;
}

/** Decides a stored history again. Errors: `not_found`, `store_corrupt`. */
export async function replayRun(engine: DurableEngine, id: string): Promise<ReplayReport> {
  const { store } = engine.parts;
  const row = await store.runGet(id);
  if (row === undefined) throw new MaestroError("not_found", `there is no run ${id}`);
  const plan = await store.planGet(row.planDigest);
  if (plan === undefined) throw new MaestroError("store_corrupt", `the plan ${row.planDigest} of run ${id} is missing`);
  const events = await loadEvents(engine.parts, row);
  const result = redecide(engine.programs.get(plan).program, events);
  const common = { run: id, events: events.length, head: row.head };
  if (result.agrees) return { ...common, equal: true, difference: null, atSeq: null };
  const difference = `at event ${result.seq} the record says ${short(canonical(result.recorded))}, and deciding again gives ${short(canonical(result.decided))}`;
  return { ...common, equal: false, difference, atSeq: result.seq };
}

function short(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 297)}...`;
}
