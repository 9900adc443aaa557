import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock } from "../store/lock.ts";
import type { Finding, Patient } from "./finding.ts";
import { entriesOf } from "./folder-size.ts";
import { readDatabase } from "./read-database.ts";

/** More are not looked at one by one. */
const MAX_FOLDERS = 10_000;
const STALE_MS = 7 * 86_400_000;

/** Work folders whose run is not in the database at all: of a restored or edited directory. What has ended, `gc` removes. */
export async function workChecks(patient: Patient): Promise<readonly Finding[]> {
  const check = "work folders";
  const { dataDir, now } = patient;
  const folders = (await entriesOf(join(dataDir, "work"))).filter(
    (entry) => entry.isDirectory() && /^r_[a-z0-9]{1,64}$/.test(entry.name),
  );
  if (folders.length === 0 || !existsSync(join(dataDir, "maestro.db")))
    return [{ check, status: "ok", detail: "none" }];
  if (folders.length > MAX_FOLDERS)
    return [
      { check, status: "info", detail: `${folders.length}; \`maestro gc\` removes those that have had their time` },
    ];
  const { stale, over } = await sort(
    patient,
    folders.map(({ name }) => name),
    now,
  );
  const detail = `${folders.length}, ${over} of runs that ended over a week ago`;
  if (stale.length === 0) return [{ check, status: "ok", detail }];
  return [
    {
      check,
      status: "warning",
      detail: `${detail}, ${stale.length} of runs that this directory does not know`,
      fix: "`maestro doctor --fix` removes those, while no engine is up.",
      async repair() {
        const lock = await acquireLock(dataDir);
        try {
          // Looked at again under the lock: no run can begin now.
          const again = await sort(patient, stale, now);
          for (const name of again.stale) await rm(join(dataDir, "work", name), { recursive: true, force: true });
          return `${again.stale.length} removed`;
        } finally {
          await lock.release();
        }
      },
    },
  ];
}

async function sort(
  { dataDir, ask }: Patient,
  names: readonly string[],
  now: number,
): Promise<{ readonly stale: readonly string[]; readonly over: number }> {
  const isUp = (await ask()) !== undefined;
  const db = readDatabase(join(dataDir, "maestro.db"), isUp);
  try {
    const find = db.prepare("select ended_at from run where id = ?");
    const rows = names.map((name) => [name, find.get(name)] as const);
    return {
      // A run that begins just now may have a folder before it has a row.
      stale: isUp ? [] : rows.flatMap(([name, row]) => (row === undefined ? [name] : [])),
      over: rows.filter(([, row]) => typeof row?.["ended_at"] === "number" && now - row["ended_at"] > STALE_MS).length,
    };
  } finally {
    db.close();
  }
}
