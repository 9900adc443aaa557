import { MaestroError } from "../core/problem.ts";
import { isTerminal } from "../core/run.ts";
import type { RunEvent } from "../core/event.ts";
import type { Plan } from "../core/plan.ts";
import type { TestCase } from "./case.ts";
import type { RunRecord } from "./record.ts";
import { recordOf, refusedRecord } from "./record.ts";
import type { Runbook } from "./runbook.ts";
import { Script } from "./script.ts";
import { World } from "./world.ts";

/** A case that came to its end. */
export interface Finished {
  readonly record: RunRecord;
  /** Child runs by the task that started them (`cleanup`), the last of each. */
  readonly children: Readonly<Record<string, RunRecord>>;
  /** Every run of the world, for its coverage. */
  readonly histories: readonly History[];
}

export interface History {
  readonly plan: Plan;
  readonly events: readonly RunEvent[];
}

/**
 * Lets a case run from its start to the end of its run, as fast as this machine can. `file` is where its relative paths
 * are meant from. Errors: `invalid_test` for what the case lacks, `limit_exceeded` and `timed_out` where it does not end.
 */
export async function runCase(runbook: Runbook, test: TestCase, file: string): Promise<Finished> {
  await using world = await World.open(runbook, test, file);
  const script = new Script(world);
  let run: string;
  try {
    run = await world.start();
  } catch (error) {
    if (!(error instanceof MaestroError) || !REFUSALS.has(error.code)) throw error;
    const { code, message } = error;
    return { record: refusedRecord(runbook.plan, runbook.digest, { code, message }), children: {}, histories: [] };
  }
  await drive(world, script, run);
  return finishedOf(world, run);
}

/** A start that is refused is an answer of the runbook; anything else is a fault of the case or of ours. */
const REFUSALS: ReadonlySet<string> = new Set(["invalid_input", "payload_too_large", "expression_failed"]);

async function drive(world: World, script: Script, run: string): Promise<void> {
  for (;;) {
    await world.settle();
    if (isOver(world, run)) break;
    if (await script.act(run)) continue;
    const times = [world.nextAt(), script.nextAt()].filter((at) => at !== undefined);
    if (times.length === 0) throw await stuck(world, run);
    await world.reach(Math.min(...times));
  }
  const unused = script.unused();
  if (unused === undefined) return;
  const { status, error } = finishedOf(world, run).record;
  const end = error === null ? status : `${status}: ${error.code}: ${error.message}`;
  throw new MaestroError("invalid_test", `${unused}; the run ${end}`);
}

function isOver(world: World, run: string): boolean {
  const last = world.events.get(run)?.at(-1);
  return last?.kind === "run_ended" && isTerminal(last.status);
}

async function stuck(world: World, run: string): Promise<MaestroError> {
  const { tasks } = await world.view(run);
  const waiting = tasks.flatMap((task) =>
    task.waiting === null || task.waiting.kind === "need" || task.waiting.kind === "phase"
      ? []
      : [`${task.id} ${task.waiting.text}`],
  );
  return new MaestroError("invalid_test", `the run does not end: ${waiting.join("; ") || "nothing is at work"}`, {
    fix: "Say in the case what it waits for: `signals`, `approvals` or `cancel`.",
  });
}

/** What has become of the world's runs so far. */
export function finishedOf(world: World, run: string): Finished {
  const { runbook, events, host } = world;
  const records = [...world.places.values()].flatMap((place) => {
    const history = events.get(place.run);
    if (history === undefined) return [];
    const digest = place.run === run ? runbook.digest : digestOf(history);
    const input = (task: string, item: number): ReturnType<typeof host.inputs.get> =>
      host.inputs.get(`${place.run}/${task}/${item}`);
    return [{ place, history, record: recordOf({ plan: place.plan, digest, events: history, input }) }];
  });
  const root = records.find(({ place }) => place.run === run);
  if (root === undefined) throw new MaestroError("internal", `run ${run} left no history`);
  return {
    record: root.record,
    children: Object.fromEntries(
      records.filter((one) => one !== root).map(({ place, record }) => [place.prefix.slice(0, -1), record] as const),
    ),
    histories: records.map(({ place, history }) => ({ plan: place.plan, events: history })),
  };
}

function digestOf(history: readonly RunEvent[]): RunRecord["plan"]["digest"] {
  const [first] = history;
  if (first?.kind !== "run_created") throw new MaestroError("internal", "a history begins with run_created");
  return first.planDigest;
}
