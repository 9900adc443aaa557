import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testAudit } from "./contract-audit.ts";
import { testLedger } from "./contract-ledger.ts";
import { testBreakGlass } from "./contract-break-glass.ts";
import { testRetention } from "./contract-retention.ts";
import { testSealing } from "./contract-sealing.ts";
import { testSessions } from "./contract-sessions.ts";
import { testWitness } from "./contract-witness.ts";
import type { StorePlace } from "./contract-place.ts";
import { testStore } from "./contract.ts";
import { openSqlite } from "./sqlite.ts";

for (const [name, threadFrom] of [
  ["the embedded store", 1_000],
  ["the embedded store, written by a thread", 0],
] as const) {
  const place = async (): Promise<StorePlace> => {
    const dir = await mkdtemp(join(tmpdir(), "maestro-store-"));
    return {
      open: () => openSqlite({ path: join(dir, "maestro.db"), threadFrom }),
      remove: () => rm(dir, { recursive: true }),
    };
  };
  testStore(name, place);
  testRetention(name, place);
  testBreakGlass(name, place);
  testSessions(name, place);
  testLedger(name, place);
  testSealing(name, place);
  testWitness(name, place);
  testAudit(name, place);
}
