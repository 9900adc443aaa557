import type { RunEvent } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { isOpen } from "../core/obligation.ts";
import { replay } from "../core/replay.ts";
import { isTerminal } from "../core/run.ts";
import { checkRun } from "../store/check-run.ts";
import type { EventRow, RunRow, Store, StoredPlan } from "../store/store.ts";
import { decodeEvent } from "./codec.ts";
import type { LiveRun } from "./live.ts";
import { newLive } from "./live.ts";
import type { EngineParts } from "./parts.ts";
import type { Programs } from "./programs.ts";

const PAGE = 10_000;

/**
 * A run brought back from its history. The chain over the stored events must end in the row's head, else `store_corrupt`
 * names the run: nothing is decided from a history that was edited. `known` is its row, where it was read just now.
 */
export async function loadRun(
  engine: { readonly parts: Pick<EngineParts, "store" | "blobs">; readonly programs: Programs },
  id: string,
  known?: RunRow,
): Promise<LiveRun> {
  const { store } = engine.parts;
  const row = known ?? (await store.runGet(id));
  if (row === undefined) throw new MaestroError("not_found", `there is no run ${id}`);
  const { program } = engine.programs.known(row.planDigest) ?? engine.programs.get(await planOf(store, row));
  const events = await loadEvents(engine.parts, row);
  const run = replay(program, events);
  const receipt = isTerminal(run.status) || run.reopened > 0 ? await store.receiptGet(id) : undefined;
  const live = newLive(run, program, {
    row,
    head: row.head,
    receipts: receipt?.ordinal ?? 0,
    idempotencyKey: row.idempotencyKey,
  });
  live.lastReceipt = receipt ?? null;
  live.lastAt = events.at(-1)!.at;
  live.childInputs = childInputs(events);
  for (const task of run.tasks) {
    if (task.approval !== null && isOpen(task)) live.openApprovals.add(task.approval.request.approval);
  }
  return live;
}

async function planOf(store: Store, row: RunRow): Promise<StoredPlan> {
  const plan = await store.planGet(row.planDigest);
  if (plan !== undefined) return plan;
  throw new MaestroError("store_corrupt", `the plan ${row.planDigest} of run ${row.id} is missing`, {
    facts: { run: row.id },
  });
}

/** The whole history, checked against the row and with large values in place. */
export async function loadEvents(
  parts: Pick<EngineParts, "store" | "blobs">,
  row: RunRow,
): Promise<readonly RunEvent[]> {
  const rows: EventRow[] = [];
  for (;;) {
    const page = await parts.store.runEvents(row.id, { afterSeq: rows.at(-1)?.seq ?? 0, limit: PAGE });
    for (const one of page) rows.push(one);
    if (page.length < PAGE) break;
  }
  if (rows.length < row.seq) await refuseRemoved(parts.store, row);
  checkRun(row, rows);
  const events: RunEvent[] = [];
  for (const { text } of rows) {
    const event = decodeEvent(text, parts.blobs);
    events.push(event instanceof Promise ? await event : event);
  }
  return events;
}

/** Errors: `removed` where it was retention that took the history, by its record. */
export async function refuseRemoved(store: Store, row: RunRow): Promise<void> {
  const removal = await store.retention.removalOf(row.id, "events");
  if (removal === undefined || removal.seq !== row.seq || removal.head !== row.head) return;
  const at = new Date(removal.removedAt).toISOString();
  throw new MaestroError("removed", `The history of run ${row.id} was removed on ${at} (${removal.policy}).`, {
    facts: { run: row.id, removedAt: removal.removedAt, removedBy: removal.removedBy, policy: removal.policy },
    fix: "Its row and its receipts are still here: `maestro receipt show`.",
  });
}

/** What children were started with, in case one has to be started again. */
function childInputs(events: readonly RunEvent[]): Map<string, JsonObject> {
  const inputs = new Map<string, JsonObject>();
  for (const event of events) if (event.kind === "child_started") inputs.set(event.childRun, event.input);
  return inputs;
}
