import { MaestroError } from "../core/problem.ts";
import type { Engine, RunView } from "../engine/engine.ts";
import type { Part } from "../store/retention.ts";
import type { RunRow, Store } from "../store/store.ts";

/** A run as it is shown; of one whose history was removed what its row and its receipts still say, and `removed`. */
export async function viewRun(
  { engine, store }: { readonly engine: Engine; readonly store: Store },
  row: RunRow,
): Promise<RunView & { readonly removed?: string }> {
  try {
    return await engine.view(row.id, row);
  } catch (error) {
    if (!(error instanceof MaestroError) || error.code !== "removed") throw error;
    const receipt = await store.receiptGet(row.id);
    return {
      run: row,
      authority: "",
      inputs: {},
      outputs: null,
      error: row.error === null ? null : { code: "REMOVED", message: row.error },
      tasks: [],
      used: { wallMs: (row.endedAt ?? 0) - (row.startedAt ?? row.endedAt ?? 0), tasks: row.tasksTotal, usdMicros: 0 },
      receipts: receipt === undefined ? [] : [{ ordinal: receipt.ordinal, digest: receipt.digest }],
      removed: error.message,
    };
  }
}

/** Errors: `removed` where retention took that part of the run. */
export async function refuseRemovedPart(store: Store, row: RunRow, part: Part): Promise<void> {
  if (row.endedAt === null) return;
  const removal = await store.retention.removalOf(row.id, part);
  if (removal === undefined || removal.seq !== row.seq) return;
  const at = new Date(removal.removedAt).toISOString();
  throw new MaestroError("removed", `The ${part} of run ${row.id} were removed on ${at} (${removal.policy}).`, {
    facts: { run: row.id, removedAt: removal.removedAt, removedBy: removal.removedBy, policy: removal.policy },
  });
}
