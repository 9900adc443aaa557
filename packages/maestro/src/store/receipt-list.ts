import { setImmediate } from "node:timers/promises";
import { MaestroError } from "../core/problem.ts";
import type { ListSource } from "./run-list.ts";
import { listRuns, writeCursor } from "./run-list.ts";
import type { ReceiptPage, ReceiptQuery, ReceiptRow, RunRow } from "./store.ts";

export interface ReceiptSource extends ListSource {
  /** All of these runs, in any order. */
  receipts(runs: readonly string[]): readonly ReceiptRow[];
}

/** Runs looked at for one page: some have no receipt yet. */
const MAX_RUNS = 5_000;
const RUNS = 200;

/**
 * One page of the receipts of some namespaces. A receipt says of which run it is and the run of which namespace, so that the
 * runs are what is walked, and those of others are never looked at.
 */
export async function listReceipts(
  source: ReceiptSource,
  query: ReceiptQuery & { readonly namespaces: readonly string[] },
): Promise<ReceiptPage> {
  const { namespaces, limit, before } = query;
  const found: ReceiptRow[] = [];
  let last: RunRow | undefined;
  if (before !== undefined) {
    [last] = source.runs([before.run]);
    if (last === undefined || !namespaces.includes(last.namespace))
      throw new MaestroError("invalid_request", "The cursor is not one that this list gave.", {
        fix: "Leave the cursor out to begin at the first page.",
      });
    found.push(...newestFirst(source.receipts([before.run])).filter(({ ordinal }) => ordinal < before.ordinal));
  }
  let isEnd = false;
  for (let seen = 0; found.length <= limit && !isEnd && seen < MAX_RUNS; seen += RUNS) {
    const page = await listRuns(source, {
      namespaces,
      limit: RUNS,
      ...(last === undefined ? {} : { cursor: writeCursor(last) }),
    });
    const byRun = Map.groupBy(source.receipts(page.runs.map(({ id }) => id)), ({ run }) => run);
    for (const { id } of page.runs) found.push(...newestFirst(byRun.get(id) ?? []));
    last = page.runs.at(-1) ?? last;
    isEnd = page.cursor === null;
    await setImmediate();
  }
  const receipts = found.slice(0, limit);
  const end = receipts.at(-1);
  if (found.length > limit && end !== undefined) return { receipts, cursor: { run: end.run, ordinal: end.ordinal } };
  // No receipt has the number 0: what follows is older than the last run that was looked at.
  return { receipts, cursor: isEnd || last === undefined ? null : { run: last.id, ordinal: 0 } };
}

function newestFirst(receipts: readonly ReceiptRow[]): readonly ReceiptRow[] {
  return receipts.toSorted((a, b) => b.ordinal - a.ordinal);
}
