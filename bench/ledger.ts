// How many entries a second the ledger takes, durably, in batches as turns and the audit make them; and what a checkpoint over
// them costs.
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { sha256 } from "../packages/maestro/src/core/digest.ts";
import { decisionEntry } from "../packages/maestro/src/core/ledger-entry.ts";
import { fingerprintOf, keyidOf } from "../packages/maestro/src/provenance/keyid.ts";
import { Ledger } from "../packages/maestro/src/provenance/ledger/ledger.ts";
import { createSigner } from "../packages/maestro/src/provenance/signer.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import { BUILDER } from "./engine.ts";
import { bench, meter, quick } from "./measure.ts";

const BATCH = 500;
const ENTRIES = quick ? 5_000 : 200_000;

await bench({
  title: "Ledger: decisions in batches of 500",
  async measure(dir) {
    const store = await openSqlite({ path: join(dir, "maestro.db") });
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const signer = createSigner(privateKey, BUILDER);
    const key = {
      keyid: keyidOf(publicKey),
      fingerprint: fingerprintOf(publicKey),
      publicKey,
      builder: BUILDER,
      validFrom: null,
      validUntil: null,
    };
    const ledger = await Ledger.open({ store, signer, trustRoot: { keys: [key] }, now: Date.now });
    const decision = {
      allow: true,
      reasons: [],
      rules: ["role-operator"],
      policyDigest: sha256("policy"),
      requestDigest: sha256("request"),
      engine: "builtin@1",
    };
    const batch = (from: number) =>
      Array.from({ length: BATCH }, (_, i) => {
        const run = `r_${from + i}`;
        const asked = { action: "run.start", decision: { ...decision, id: `d_${from + i}` } };
        return { kind: "decision", run, text: decisionEntry(asked, { source: BUILDER, run, at: Date.now() }) };
      });
    const append = meter();
    for (let from = 0; from < ENTRIES; from += BATCH) await store.commit({ runs: [], ledger: batch(from) });
    const appended = append();
    const sign = meter();
    await ledger.checkpoint();
    const signed = sign();
    await store.close();
    return [
      {
        what: "entries appended/s, each batch durable",
        value: (ENTRIES * 1_000) / appended.ms,
        unit: "/s",
        better: "higher",
        must: 50_000,
        ...appended.cost,
      },
      {
        what: "entries hashed into a checkpoint/s",
        value: (ENTRIES * 1_000) / signed.ms,
        unit: "/s",
        better: "higher",
        ...signed.cost,
      },
    ];
  },
});
