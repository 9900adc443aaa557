// How many receipts one core verifies a second: signature, key, statement and all that is checked without other files.
import { generateKeyPairSync, createPublicKey } from "node:crypto";
import { join } from "node:path";
import { fingerprintOf, keyidOf } from "../packages/maestro/src/provenance/keyid.ts";
import { createSigner } from "../packages/maestro/src/provenance/signer.ts";
import type { TrustRoot } from "../packages/maestro/src/provenance/trust.ts";
import { checkReceipt } from "../packages/maestro/src/provenance/verify.ts";
import { BUILDER, openEngine } from "./engine.ts";
import { bench, meter, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, startMany } from "./plane.ts";

const RUNS = 500;
const MS = quick ? 200 : 2_000;

await bench({
  title: "Verify: receipts of five steps",
  async measure(dir) {
    const { privateKey } = generateKeyPairSync("ed25519");
    const bench = await openEngine(join(dir, "data"), () => ({ signer: createSigner(privateKey, BUILDER) }));
    const plan = await compile(bench.engine, FIVE_STEPS);
    const done = ends(bench.engine, RUNS);
    const ids = await startMany(bench, plan, RUNS);
    await done;
    const receipts = await Promise.all(
      ids.map(async (id) => Buffer.from((await bench.engine.parts.store.receiptGet(id))!.bundle)),
    );
    await bench.close();

    const publicKey = createPublicKey(privateKey);
    const trustRoot: TrustRoot = {
      keys: [
        {
          keyid: keyidOf(publicKey),
          fingerprint: fingerprintOf(publicKey),
          publicKey,
          builder: BUILDER,
          validFrom: null,
          validUntil: null,
        },
      ],
    };
    const check = (i: number): void => {
      const { verified, checks } = checkReceipt(receipts[i % RUNS]!, { trustRoot }, []);
      if (!verified) throw new Error(`a receipt of our own does not verify: ${JSON.stringify(checks)}`);
    };
    for (let i = 0; i < RUNS; i++) check(i);
    const stop = meter();
    const until = performance.now() + MS;
    let count = 0;
    while (performance.now() < until) check(count++);
    const { ms, cost } = stop();
    return [
      {
        what: "receipts verified/s, one core",
        value: (count * 1_000) / ms,
        unit: "/s",
        better: "higher",
        must: 3_000,
        ...cost,
      },
    ];
  },
});
