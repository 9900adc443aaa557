import { chain } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import type { Removal } from "./retention.ts";
import type { EventRow, RunRow } from "./store.ts";

/**
 * Whether a run's events are the ones its row vouches for: all of them, from 1 to `row.seq`, and chained to `row.head`.
 * None at all is right where `removal` says that retention removed just this history.
 * Errors: `store_corrupt` with `run` and, where one event is to blame, `seq` in `facts`.
 */
export function checkRun(
  row: Pick<RunRow, "id" | "seq" | "head">,
  events: readonly EventRow[],
  removal?: Pick<Removal, "seq" | "head">,
): void {
  if (events.length === 0 && removal?.seq === row.seq && removal.head === row.head) return;
  let head: Parameters<typeof chain>[0] = "";
  let seq = 0;
  for (const event of events) {
    seq += 1;
    if (event.seq !== seq) throw badHistory(row, `event ${seq} is missing`, seq);
    head = chain(head, event.text);
  }
  if (seq < row.seq) throw badHistory(row, `event ${seq + 1} is missing, and all after it up to ${row.seq}`, seq + 1);
  if (seq > row.seq) throw badHistory(row, `event ${row.seq + 1} was never committed`, row.seq + 1);
  if (head !== row.head && seq > 0)
    throw badHistory(row, `its ${seq} events do not chain to the digest that was recorded with the last of them`);
}

function badHistory(row: Pick<RunRow, "id">, why: string, seq?: number): MaestroError {
  const facts = seq === undefined ? { run: row.id } : { run: row.id, seq };
  return new MaestroError("store_corrupt", `The history of run ${row.id} is damaged or was edited: ${why}.`, { facts });
}
