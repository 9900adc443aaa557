import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "../../packages/maestro/test/support/maestro.ts";

// The runbook for real: a SQLite database that another process writes to all the while.

const HERE = fileURLToPath(new URL(".", import.meta.url));
const RUNBOOK = join(HERE, "database-backup.maestro.yaml");

interface Shown {
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly outputs: { readonly backup: string; readonly orders: number; readonly removed: number };
}

describe("database-backup", () => {
  let place: Place;
  let shop: ChildProcess;
  before(async () => {
    place = await Place.make();
    shop = spawn(process.execPath, [join(HERE, "shop.mjs"), join(place.dir, "shop/shop.db")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(shop.stdout!, "data");
  });
  after(async () => {
    shop.kill();
    await place.remove();
  });

  async function backUp(inputs: Readonly<Record<string, string>>, code: number): Promise<Shown> {
    // `data` is where this place keeps its own data directory, and that is nobody's to back up like this.
    const given = Object.entries({ database: "shop/shop.db", ...inputs }).flatMap(([name, value]) => [
      "-i",
      `${name}=${value}`,
    ]);
    const ended = await place.run(["run", RUNBOOK, ...given, "--purpose", "backup", "--wait", "-o", "json"]);
    assert.equal(ended.code, code, ended.err + ended.out);
    return JSON.parse(ended.out) as Shown;
  }

  const stored = (): readonly string[] => readdirSync(join(place.dir, "backups"));

  it("makes backups that can be restored, and keeps as many as it was told to", async () => {
    const removed: number[] = [];
    let last: Shown | undefined;
    for (let i = 0; i < 3; i++) {
      last = await backUp({ keep: "2", orders: "1000" }, 0);
      removed.push(last.outputs.removed);
    }
    assert.deepEqual(removed, [0, 0, 1]);
    assert.equal(stored().length, 2);
    const db = new DatabaseSync(last!.outputs.backup, { readOnly: true });
    const row = db.prepare("select count(*) as orders, sum(item = 'restore drill') as drills from orders").get();
    db.close();
    assert.deepEqual({ ...row }, { orders: last!.outputs.orders, drills: 0 });
    assert.ok(last!.outputs.orders >= 1_000);
  });

  it("leaves neither a backup that is not believed nor one old backup less", async () => {
    const before = stored();
    const { error } = await backUp({ keep: "1", orders: "100000000" }, 1);
    assert.equal(error?.code, "SCHEMA");
    assert.deepEqual(stored(), before);
  });

  it("says so where there is no database, and where the file is none", async () => {
    const missing = await backUp({ database: "shop/nowhere.db" }, 1);
    assert.equal(missing.error?.code, "NOT_FOUND");
    writeFileSync(join(place.dir, "shop/letter.db"), "Dear shop,\n".repeat(1_000));
    const letter = await backUp({ database: "shop/letter.db" }, 1);
    assert.match(letter.error?.message ?? "", /not a database/);
  });
});
