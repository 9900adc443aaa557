import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { MaestroError } from "../../core/problem.ts";
import type { Ledger } from "./ledger.ts";
import { LedgerWatch } from "./watch.ts";

/** A ledger whose check ends as it is told; what it signs is counted. */
function watched(fault: Error | undefined) {
  const told: string[] = [];
  let signed = 0;
  const ledger = {
    async *check() {
      yield 256;
      if (fault !== undefined) throw fault;
    },
    checkpoint: async () => {
      signed += 1;
    },
  } as unknown as Ledger;
  const watch = new LedgerWatch({
    open: async () => ledger,
    broken: (error) => told.push(`broken ${error.code}`),
    failed: () => told.push("failed"),
  });
  return { watch, told, signed: () => signed };
}

describe("the watch over the ledger", () => {
  for (const [fault, says] of [
    [undefined, []],
    [new MaestroError("ledger_broken", "another root"), ["broken ledger_broken"]],
    [new MaestroError("store_corrupt", "a damaged row"), ["broken store_corrupt"]],
    [new MaestroError("storage_failed", "the disk did not answer"), ["failed"]],
    [new TypeError("a fault of our own"), ["failed"]],
  ] as const) {
    it(`ends an engine for what was changed only: ${fault?.message ?? "nothing"}`, async () => {
      mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
      try {
        const { watch, told, signed } = watched(fault);
        await watch.start();
        mock.timers.tick(5_000);
        await watch.checked;
        assert.deepEqual(told, says);
        mock.timers.tick(60_000);
        await watch.close();
        assert.equal(signed(), 2, "after a minute, and at the end");
      } finally {
        mock.timers.reset();
      }
    });
  }

  it("opens it again where it could not be opened", async () => {
    let tries = 0;
    const watch = new LedgerWatch({
      open: async () => {
        tries += 1;
        if (tries === 1) throw new MaestroError("storage_failed", "the disk did not answer");
        return {} as Ledger;
      },
      broken: () => assert.fail("nothing is broken"),
      failed: () => undefined,
    });
    await assert.rejects(watch.get(), { code: "storage_failed" });
    assert.ok(await watch.get());
    assert.equal(await watch.get(), await watch.get());
    assert.equal(tries, 2);
  });
});
