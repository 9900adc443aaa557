import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testStore } from "./contract.ts";
import { openSqlite } from "./sqlite.ts";

testStore("the embedded store", async () => {
  const dir = await mkdtemp(join(tmpdir(), "maestro-store-"));
  return {
    open: () => openSqlite({ path: join(dir, "maestro.db") }),
    remove: () => rm(dir, { recursive: true }),
  };
});
