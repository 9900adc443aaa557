import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { leafDigest } from "../src/core/digest.ts";
import { rootOf, subtreeHash } from "../src/core/merkle.ts";
import { readCheckpoint } from "../src/provenance/ledger/checkpoint.ts";
import { readNote } from "../src/provenance/ledger/note.ts";
import { readEntries } from "../src/provenance/ledger/tile.ts";
import { readTrustRoot } from "../src/provenance/trust.ts";
import { checkReceipt } from "../src/provenance/verify.ts";
import { Place } from "./support/maestro.ts";

// The ledger as its readers meet it: by the command, on another machine, and after somebody edited the database.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: NAME, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: exec@1, runner: { sandbox: none }, with: { argv: [echo, hello] } }
    fail: { uses: exec@1, needs: [say], runner: { sandbox: none }, with: { argv: [sh, -c, "test ! -e fails"] } }
`;

interface Entry {
  readonly place: number;
  readonly kind: string;
  readonly run: string;
  readonly event: { readonly type: string; readonly subject: string; readonly data: Readonly<Record<string, unknown>> };
}

describe("the ledger", () => {
  let place: Place;
  let run = "";
  /** As it was after the three runs: what is read of it later is recorded in it too. */
  let entries: readonly Entry[] = [];
  const placesOf = (isIt: (entry: Entry) => boolean): number[] => entries.filter(isIt).map(({ place: at }) => at);
  before(async () => {
    place = await Place.make({ "a.maestro.yaml": MANIFEST.replace("NAME", "a") });
    run = (await place.run(["run", "a.maestro.yaml"])).out.split("\t")[0] ?? "";
    await place.run(["run", "a.maestro.yaml"]);
    await place.run(["run", "a.maestro.yaml", "--purpose", "plunder"]);
    const { out } = await place.run(["audit", "-o", "json"]);
    ({ entries } = JSON.parse(out) as { readonly entries: readonly Entry[] });
  });
  after(async () => place.remove());

  it("has every decision and every receipt, also of what was denied", async () => {
    assert.deepEqual(
      entries
        .filter(({ kind }) => kind !== "audit")
        .map(({ kind, event }) => [kind, event.data["action"], event.data["allow"]]),
      [
        ...[0, 1].flatMap(() => [
          ["decision", "run.start", true],
          ["decision", "task.execute", true],
          ["decision", "task.execute", true],
          ["receipt", undefined, undefined],
        ]),
        ["decision", "run.start", false],
        ["receipt", undefined, undefined],
      ],
    );
    for (const { run: about, kind, event } of entries) {
      assert.equal(event.type, `dev.summit-maestro.${kind}`);
      if (kind !== "audit") assert.equal(event.subject, `run/${about}`);
    }
    const one = await place.run(["audit", "--run", run, "-o", "name"]);
    assert.equal(
      one.out,
      placesOf((entry) => entry.run === run)
        .map((at) => `${at}\n`)
        .join(""),
    );
    const [denied] = placesOf(({ kind, event }) => kind === "decision" && event.data["allow"] === false);
    const some = await place.run(["audit", "--from", String(denied), "--limit", "1"]);
    assert.match(some.out, new RegExp(`^${denied}\\t\\S+\\tdecision\\tr_\\w+\\tdenied run\\.start\\n$`));
  });

  it("has who started each run, and who was denied one", () => {
    const told = entries.filter(({ kind, event }) => kind === "audit" && event.data["action"] === "run.start");
    assert.deepEqual(
      told.map(({ event }) => [event.data["kind"], event.data["allow"]]),
      [
        ["change", true],
        ["change", true],
        ["change", false],
      ],
    );
  });

  it("is verified by the command", async () => {
    const { code, out } = await place.run(["audit", "--verify"]);
    assert.equal(code, 0);
    assert.match(out, /^✓ the ledger is the one that was signed at \S+: \d+ entries, root \S{44}\n$/);
    const both = await place.run(["audit", "--verify", "--export", "x"]);
    assert.deepEqual([both.code, existsSync(join(place.dir, "x"))], [2, false]);
  });

  it("proves a receipt on another machine, and not another one's", async () => {
    await place.run(["receipt", "export", run, "--to", "one"]);
    await place.run(["receipt", "export", "@last", "--to", "two"]);
    const verify = async (folder: string, ...more: readonly string[]) =>
      place.run(["verify", `${folder}/receipt.json`, "--trust-root", "one/trust-root.json", "-o", "json", ...more], {
        env: { MAESTRO_DATA: join(place.dir, "nowhere") },
      });
    const ledgerOf = (out: string): unknown =>
      (JSON.parse(out) as { readonly checks: readonly { readonly id: string }[] }).checks.find(
        ({ id }) => id === "ledger",
      );
    const good = await verify("one");
    assert.equal(good.code, 0, good.err);
    const [at] = placesOf((entry) => entry.kind === "receipt" && entry.run === run);
    assert.match(
      JSON.stringify(ledgerOf(good.out)),
      new RegExp(`"passed","detail":"entry ${at} of \\d+ in summit-maestro\\.dev`),
    );
    const swapped = await verify("one", "--proof", "two/receipt.tlog-proof");
    assert.equal(swapped.code, 7);
    assert.match(JSON.stringify(ledgerOf(swapped.out)), /the entry is about sha256:\w+, this is sha256/);
    const file = (name: string): Buffer => readFileSync(join(place.dir, "one", name));
    const whole = file("receipt.tlog-proof").toString("utf8");
    const receipt = file("receipt.json");
    const trustRoot = readTrustRoot(file("trust-root.json").toString("utf8"), "the trust root");
    const size = readCheckpoint(readNote(whole.slice(whole.indexOf("summit-maestro.dev"))).text).size;
    for (const [changed, says] of [
      [
        whole.replace(`index ${at}`, "index 0"),
        new RegExp(`is not the one at place 0 of the ${size} that were signed`),
      ],
      [whole.replace(`\n${size}\n`, `\n${size + 1}\n`), /does not fit its text/],
      [whole.replace(/^extra .*\n/m, ""), /does not bring its entry along/],
      [whole.replace(/— \S+ /, "— somebody.example/else "), /no key of the trust root signed/],
      [whole.replace(/\n\n\S+\n/, "\n\nother.example\n"), /the ledger is that of other\.example/],
      ["nonsense", /no empty line parts the proof/],
    ] as const) {
      const { verified, checks } = checkReceipt(receipt, { trustRoot, proof: changed }, []);
      assert.equal(verified, false);
      assert.match(checks.find(({ id }) => id === "ledger")?.detail ?? "", says);
    }
  });

  it("is exported as static files that give the signed root to whoever reads the standard", async () => {
    const { code } = await place.run(["audit", "--export", "ledger"]);
    assert.equal(code, 0);
    const file = (name: string): Buffer => readFileSync(join(place.dir, "ledger", name));
    const { size, root } = readCheckpoint(readNote(file("checkpoint").toString("utf8")).text);
    const leaves = readEntries(file(`tile/entries/000.p/${size}`)).map((entry) => leafDigest(entry));
    assert.ok(leaves.length > entries.length, String(leaves.length));
    assert.deepEqual(Buffer.concat(leaves), file(`tile/0/000.p/${size}`));
    const computed = rootOf(size, (level, at) => subtreeHash(leaves.slice(at * 2 ** level, (at + 1) * 2 ** level)));
    assert.deepEqual(Buffer.from(computed), Buffer.from(root));
  });

  it("that was edited stops every engine, with an exit code of its own, and shows where", async () => {
    const data = join(place.dir, "edited");
    cpSync(join(place.dir, "data"), data, { recursive: true });
    chmodSync(join(data, "keys"), 0o700);
    const db = new DatabaseSync(join(data, "maestro.db"));
    const trigger = db.prepare("select sql from sqlite_master where name = 'ledger_entry_no_update'").get();
    const [at] = placesOf(({ kind, event }) => kind === "decision" && event.data["allow"] === false);
    const text = String(db.prepare("select text from ledger_entry where place = ?").get(at ?? -1)?.["text"]);
    const forged = text.replace('"allow":false', '"allow":true');
    assert.notEqual(forged, text);
    db.exec("drop trigger ledger_entry_no_update");
    db.prepare("update ledger_entry set text = ?, checksum = ? where place = ?").run(forged, crc32(forged), at ?? -1);
    db.exec(String(trigger?.["sql"]));
    db.close();
    const env = { MAESTRO_DATA: data };
    for (const args of [
      ["run", "a.maestro.yaml"],
      ["up", "--no-listen"],
      ["audit", "--verify"],
    ]) {
      const { code, err } = await place.run(args, { env });
      assert.equal(code, 11, `${args.join(" ")}: ${err}`);
      assert.match(
        err,
        /error\[ledger_broken\]: The ledger is not the one that was signed\. Its first \d+ entries have the root \S{44}; signed was \S{44}\./,
      );
      assert.match(err, /fix: Keep a copy of the data directory and find out who changed it/);
    }
    const looking = await place.run(["runs"], { env });
    assert.equal(looking.code, 0, "what is there can still be read");
  });
});
