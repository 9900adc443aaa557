import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readCheckpoint } from "../src/provenance/ledger/checkpoint.ts";
import { readNote } from "../src/provenance/ledger/note.ts";
import { Place } from "./support/maestro.ts";
import { WitnessProcess } from "./support/witness-process.ts";

// Somebody has the signing key and the database, and writes another history: nothing in the installation itself can tell.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: a, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: noop@1 }
`;

describe("a rewritten ledger", () => {
  let place: Place;
  let witness: WitnessProcess;
  const env = { MAESTRO_DATA: "" };
  const seen = (file: string): number => {
    const path = join(place.dir, file);
    return existsSync(path) ? readCheckpoint(readNote(readFileSync(path, "utf8")).text).size : 0;
  };
  const doctor = async (): Promise<string> => {
    const { out } = await place.run(["doctor", "-o", "json"], { env });
    const { checks } = JSON.parse(out) as {
      readonly checks: readonly { readonly check: string; readonly status: string; readonly detail: string }[];
    };
    return checks
      .filter(({ check }) => check === "witnesses")
      .map(({ status, detail }) => `${status}: ${detail}`)
      .join("\n");
  };
  before(async () => {
    place = await Place.make({ "a.maestro.yaml": MANIFEST });
    const logKey = (await place.run(["audit", "--key"])).out.trim();
    witness = await WitnessProcess.make(place, "w0", logKey);
    writeFileSync(join(place.dir, "data", "witness.yaml"), ["witnesses:", ...witness.setting].join("\n"));
    await place.run(["run", "a.maestro.yaml"]);
    await place.run(["audit", "--export", "kept"]);
    // A database of its own with another history, and what is needed to sign it.
    env.MAESTRO_DATA = join(place.dir, "forged");
    await place.run(["runs"], { env });
    for (const part of ["keys", "installation", "witness.yaml"])
      cpSync(join(place.dir, "data", part), join(env.MAESTRO_DATA, part), { recursive: true, force: true });
    for (const name of ["maestro.db", "maestro.db-wal", "maestro.db-shm"])
      assert.ok(!existsSync(join(env.MAESTRO_DATA, name)) || name === "maestro.db");
    chmodSync(join(env.MAESTRO_DATA, "keys"), 0o700);
  });
  after(async () => place.remove());

  it("that is longer than what was seen is refused by the witness, loudly on both sides", async () => {
    const count = seen("kept/checkpoint");
    let said = "";
    while (seen("longer/checkpoint") <= count) {
      const { code, err } = await place.run(["run", "a.maestro.yaml"], { env });
      assert.equal(code, 0, "runs go on; it is the proof that is worth nothing");
      said += err;
      await place.run(["audit", "--export", "longer"], { env });
    }
    said += (await place.run(["run", "a.maestro.yaml"], { env })).err;
    assert.match(
      said,
      /engine error: a witness has seen another ledger than this one witness=w0\.example detail=it has seen/,
    );
    const { out } = await place.run(["witness", "list"], { env });
    assert.match(
      out,
      /^w0\.example\t0\trefused\t\S+\tit has seen another history: nothing proves that its \d+ entries begin/,
    );
    assert.match(witness.started.err, /a log was rewritten/);
  });

  it("is a finding, and an entry of the audit that cannot be taken back", async () => {
    assert.match(await doctor(), /^failed: w0\.example refuses this ledger: it has seen another history/);
    const { out } = await place.run(["audit", "-o", "json", "--limit", "1000"], { env });
    assert.match(out, /"action":\s*"ledger\.witness"/);
  });

  it("is shown to whoever kept a checkpoint: exit code 11", async () => {
    const { code, out, err } = await place.run(["audit", "--verify", "--checkpoint", "kept/checkpoint"], { env });
    assert.equal(code, 11, out + err);
    assert.match(
      err,
      /error\[ledger_broken\]: The ledger was rewritten\. Its first \d+ entries are not those that kept/,
    );
    const alone = await place.run(["audit", "--verify"], { env });
    assert.equal(alone.code, 0, "by itself it is sound, and that is the point of witnesses");
  });

  it("proves no receipt to whoever asks for the witness", async () => {
    await place.run(["receipt", "export", "@last", "--to", "evidence"], { env });
    const files = ["evidence/receipt.json", "--trust-root", "evidence/trust-root.json"];
    const { code, out } = await place.run(["verify", ...files, "--witness", witness.vkey]);
    assert.equal(code, 7);
    assert.match(out, /FAILED {2}is in a ledger that witnesses saw: 0 of 1 witnesses cosigned it, and 1 are wanted/);
  });

  it("is told from the true one, which goes on", async () => {
    const { code, err } = await place.run(["run", "a.maestro.yaml"]);
    assert.equal(code, 0, err);
    const kept = seen("kept/checkpoint");
    const good = await place.run(["audit", "--verify", "--checkpoint", "kept/checkpoint"]);
    assert.equal(good.code, 0, good.err);
    assert.match(good.out, new RegExp(`^✓ the ledger of \\d+ entries begins with the ${kept} of kept/checkpoint\n$`));
    const { out } = await place.run(["witness", "list"]);
    assert.match(out, /^w0\.example\t\d+\tcosigned/);
    for (const wrong of [
      ["audit", "--checkpoint", "kept/checkpoint"],
      ["audit", "--verify", "--checkpoint", "a.maestro.yaml"],
    ])
      assert.equal((await place.run(wrong)).code, 2, wrong.join(" "));
  });
});
