import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { receiptEntry } from "../core/ledger-entry.ts";
import { sealReceipt } from "../provenance/receipts.ts";
import { createSigner } from "../provenance/signer.ts";
import type { StorePlace } from "./contract-place.ts";
import { sharedStore } from "./contract-place.ts";
import { begin, sampleRun } from "./sample.ts";
import type { Store } from "./store.ts";

const SIGNER = createSigner(generateKeyPairSync("ed25519").privateKey, "https://example.test/builder");

/** What every store has to promise about receipts that are signed as they are written. */
export function testSealing(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: receipts`, () => {
    let store: Store;
    sharedStore(makePlace, (opened) => (store = opened));

    it("are sealed as they are written, with an entry of the ledger each, and named in the answer", async () => {
      for (const count of [1, 3, 40]) {
        const appends = Array.from({ length: count }, (_, n) => begin(sampleRun(7_000 + count * 100 + n)));
        const endings = appends.map(({ id: run }, n) => ({
          run,
          ordinal: 1,
          createdAt: n,
          statement: `{"n":${n},"of":"${run}"}`,
        }));
        const before = await store.ledger.size();
        const decision = { kind: "decision", run: appends[0]!.id, text: `{"before":${count}}` };
        const sealed = await store.commit({
          runs: appends,
          ledger: [decision],
          sealing: { key: SIGNER.key, endings },
        });
        const expected = endings.map(({ run, ordinal, createdAt, statement }) => ({
          run,
          ordinal,
          createdAt,
          ...sealReceipt(JSON.parse(statement) as JsonObject, SIGNER),
        }));
        assert.deepEqual(
          sealed,
          expected.map(({ digest }) => digest),
        );
        for (const receipt of expected) assert.deepEqual(await store.receiptGet(receipt.run), receipt);
        const entries = await store.ledger.entries({ from: before, limit: 100 });
        assert.deepEqual(
          entries.map(({ kind, run, text }) => ({ kind, run, text })),
          [
            decision,
            ...expected.map((receipt) => ({
              kind: "receipt",
              run: receipt.run,
              text: receiptEntry(receipt, { source: SIGNER.builder, run: receipt.run, at: receipt.createdAt }),
            })),
          ],
        );
      }
    });

    it("that cannot be written take back everything that they were to end, and the next batch goes on", async () => {
      const [one, two] = [begin(sampleRun(7_900)), begin(sampleRun(7_901))];
      const ending = { run: one.id, ordinal: 1, createdAt: 0, statement: "{}" };
      const size = await store.ledger.size();
      const twice = store.commit({ runs: [one], sealing: { key: SIGNER.key, endings: [ending, ending] } });
      const next = store.commit({ runs: [two], sealing: { key: SIGNER.key, endings: [{ ...ending, run: two.id }] } });
      await assert.rejects(twice, { code: "internal" });
      assert.equal((await next).length, 1);
      assert.equal(await store.runGet(one.id), undefined);
      assert.equal(await store.receiptGet(one.id), undefined);
      assert.equal((await store.runGet(two.id))?.id, two.id);
      assert.equal(await store.ledger.size(), size + 1);
    });
  });
}
