import { crc32 } from "node:zlib";
import { canonical } from "../core/canonical.ts";
import type { Hold, Removal, RetentionPass } from "./retention.ts";
import { DamagedRow } from "./rows.ts";
import type { SqlRow, SqlValue } from "./sql.ts";

// Rows of retention as the tables hold them, each with a checksum of its own like every other (rows.ts).

export function removalValues(row: Removal): SqlValue[] {
  return withChecksum([row.run, row.part, row.seq, row.head, row.removedAt, row.removedBy, row.policy]);
}

export function readRemoval(row: SqlRow): Removal {
  const { checksum, ...rest } = row as unknown as Removal & Checked;
  const removal: Removal = { ...rest };
  if (removalValues(removal).at(-1) !== checksum)
    throw new DamagedRow(`the record of what was removed of run ${removal.run}`, { run: removal.run });
  return removal;
}

export function holdValues(row: Hold): SqlValue[] {
  return withChecksum([
    row.id,
    row.kind,
    row.target,
    row.reason,
    row.placedBy,
    row.placedAt,
    row.releasedBy,
    row.releasedAt,
    row.releaseReason,
  ]);
}

export function readHold(row: SqlRow): Hold {
  const { checksum, ...rest } = row as unknown as Hold & Checked;
  const hold: Hold = { ...rest };
  if (holdValues(hold).at(-1) !== checksum) throw new DamagedRow(`the legal hold ${hold.id}`, { hold: hold.id });
  return hold;
}

export function passValues(row: RetentionPass): SqlValue[] {
  return withChecksum([row.startedAt, row.endedAt, row.startedBy, row.policy, canonical(row.removed)]);
}

export function readPass(row: SqlRow): RetentionPass {
  const { checksum, removed, ...rest } = row as unknown as Omit<RetentionPass, "removed"> &
    Checked & { readonly removed: string };
  const values = withChecksum([rest.startedAt, rest.endedAt, rest.startedBy, rest.policy, removed]);
  if (values.at(-1) !== checksum) throw new DamagedRow(`the retention pass of ${rest.startedAt}`, {});
  return { ...rest, removed: JSON.parse(removed) as RetentionPass["removed"] };
}

interface Checked {
  readonly checksum: number;
}

function withChecksum(values: SqlValue[]): SqlValue[] {
  values.push(crc32(JSON.stringify(values)));
  return values;
}
