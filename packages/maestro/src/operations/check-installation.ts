import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { MaestroError } from "../core/problem.ts";
import { sha256 } from "../core/digest.ts";
import { checkRun } from "../store/check-run.ts";
import { storeProblem } from "../store/sql.ts";
import type { EventRow, RunRow, Store } from "../store/store.ts";

export interface Checked {
  readonly runs: number;
  readonly events: number;
  readonly receipts: number;
  /** Runs whose history retention removed, by its record. */
  readonly removed: number;
}

const PAGE = 1_000;
const EVENT_PAGE = 10_000;

/** The whole file, page by page and index by index. Errors: `store_corrupt`. */
export function checkPages(path: string): void {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(new URL(`${pathToFileURL(path).href}?immutable=1`), { readOnly: true });
    const found = db
      .prepare("pragma integrity_check(3)")
      .all()
      .map((row) => String(row["integrity_check"]));
    if (found.length !== 1 || found[0] !== "ok")
      throw new MaestroError("store_corrupt", `${path} is damaged: ${found.join("; ")}.`, { facts: { path } });
  } catch (error) {
    throw storeProblem(error, path);
  } finally {
    db?.close();
  }
}

/** Every run: its row, its whole history against the chain, its receipts against their digests. Errors: `store_corrupt`. */
export async function checkHistories(store: Store): Promise<Checked> {
  const sum = { runs: 0, events: 0, receipts: 0, removed: 0 };
  for (let cursor: string | null = null; ;) {
    const page: Awaited<ReturnType<Store["runList"]>> = await store.runList({
      limit: PAGE,
      ...(cursor === null ? {} : { cursor }),
    });
    for (const row of page.runs) {
      const events = await eventsOf(store, row);
      const removal =
        events.length === 0 && row.seq > 0 ? await store.retention.removalOf(row.id, "events") : undefined;
      checkRun(row, events, removal);
      sum.runs += 1;
      sum.events += events.length;
      if (removal !== undefined) sum.removed += 1;
      sum.receipts += await checkReceipts(store, row);
    }
    cursor = page.cursor;
    if (cursor === null) return sum;
  }
}

async function eventsOf(store: Store, row: RunRow): Promise<readonly EventRow[]> {
  const events: EventRow[] = [];
  for (;;) {
    const page = await store.runEvents(row.id, { afterSeq: events.at(-1)?.seq ?? 0, limit: EVENT_PAGE });
    for (const event of page) events.push(event);
    if (page.length < EVENT_PAGE) return events;
  }
}

async function checkReceipts(store: Store, row: RunRow): Promise<number> {
  const newest = (await store.receiptGet(row.id))?.ordinal ?? 0;
  for (let ordinal = 1; ordinal <= newest; ordinal++) {
    const receipt = await store.receiptGet(row.id, ordinal);
    if (receipt === undefined || sha256(receipt.bundle) !== receipt.digest)
      throw new MaestroError(
        "store_corrupt",
        `Receipt ${ordinal} of run ${row.id} is missing or is not as it was signed.`,
        {
          facts: { run: row.id, ordinal },
        },
      );
  }
  return newest;
}
