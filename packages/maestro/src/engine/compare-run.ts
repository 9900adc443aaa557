import { compareVersion } from "../core/compare-version.ts";
import type { Comparison } from "../core/compare-version.ts";
import type { RunEvent } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { StoredPlan } from "../store/store.ts";
import type { DurableEngine } from "./durable.ts";
import { loadEvents } from "./load.ts";
import type { Prepared } from "./programs.ts";

/** A stored run by another version of its runbook. */
export type RunComparison = Comparison & { readonly run: string; readonly status: string; readonly events: number };

/**
 * Decides a stored history again by another version. One run is in memory at a time; a history that is damaged or was
 * removed cannot be compared, and says why. Errors: `not_found`, and those of a store that cannot be read.
 */
export async function compareRun(engine: DurableEngine, id: string, plan: StoredPlan): Promise<RunComparison> {
  const { store } = engine.parts;
  const row = await store.runGet(id);
  if (row === undefined) throw new MaestroError("not_found", `there is no run ${id}`);
  const common = { run: id, status: row.status, events: row.seq };
  const incomparable = (why: string): RunComparison => ({ ...common, kind: "incomparable", why });
  if (row.namespace !== plan.namespace || row.workflow !== plan.name)
    return incomparable(`it is a run of ${row.namespace}/${row.workflow}, not of ${plan.namespace}/${plan.name}`);
  const old = await store.planGet(row.planDigest);
  if (old === undefined) return incomparable(`the plan ${row.planDigest} of the run is missing`);
  const prepared = engine.programs.get(plan);
  try {
    const events = withInputs(await loadEvents(engine.parts, row), prepared);
    return { ...common, ...compareVersion(prepared.program, engine.programs.get(old).program.plan, events) };
  } catch (error) {
    if (error instanceof MaestroError && (error.code === "store_corrupt" || error.code === "invalid_input"))
      return incomparable(error.message);
    throw error;
  }
}

/** With the defaults that the new version has for inputs the run was not given. */
function withInputs(events: readonly RunEvent[], prepared: Prepared): readonly RunEvent[] {
  const [first, ...rest] = events;
  if (first?.kind !== "run_created") return events;
  return [{ ...first, inputs: prepared.inputs(first.inputs) }, ...rest];
}
