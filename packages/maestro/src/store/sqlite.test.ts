import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testRetention } from "./contract-retention.ts";
import type { StorePlace } from "./contract.ts";
import { testStore } from "./contract.ts";
import { openSqlite } from "./sqlite.ts";

const place = async (): Promise<StorePlace> => {
  const dir = await mkdtemp(join(tmpdir(), "maestro-store-"));
  return {
    open: () => openSqlite({ path: join(dir, "maestro.db") }),
    remove: () => rm(dir, { recursive: true }),
  };
};

testStore("the embedded store", place);
testRetention("the embedded store", place);
