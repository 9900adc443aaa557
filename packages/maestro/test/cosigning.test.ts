import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { endorsements, readNote, readNoteKey } from "../src/provenance/ledger/note.ts";
import { readProof } from "../src/provenance/ledger/proof.ts";
import { Place } from "./support/maestro.ts";
import type { Ended } from "./support/maestro.ts";
import { need } from "./support/need.ts";
import { TimestampAuthority } from "./support/timestamp-authority.ts";
import { WitnessProcess } from "./support/witness-process.ts";

// A control plane, two witnesses in processes of their own, and an authority for timestamps.

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: a, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: exec@1, runner: { sandbox: none }, with: { argv: [echo, hello] } }
`;

describe("a ledger with witnesses", need("openssl"), () => {
  let place: Place;
  const vkeys: string[] = [];
  const witnesses: WitnessProcess[] = [];
  let authority: TimestampAuthority;
  let stop: () => void = () => undefined;
  const verify = async (folder: string, ...more: readonly string[]): Promise<Ended> =>
    place.run(
      ["verify", `${folder}/receipt.json`, "--trust-root", `${folder}/trust-root.json`, "-o", "json", ...more],
      {
        env: { MAESTRO_DATA: join(place.dir, "nowhere") },
      },
    );
  const rung = (out: string, id: string): string => {
    const { checks } = JSON.parse(out) as {
      readonly checks: readonly { readonly id: string; readonly status: string; readonly detail: string }[];
    };
    const found = checks.find((check) => check.id === id);
    return `${found?.status} ${found?.detail}`;
  };
  before(async () => {
    place = await Place.make({ "a.maestro.yaml": MANIFEST });
    authority = TimestampAuthority.make(join(place.dir, "tsa"));
    const server = await authority.serve();
    stop = () => server.close();
    const logKey = (await place.run(["audit", "--key"])).out.trim();
    for (const name of ["w0", "w1"]) witnesses.push(await WitnessProcess.make(place, name, logKey));
    vkeys.push(...witnesses.map(({ vkey }) => vkey));
    writeFileSync(
      join(place.dir, "data", "witness.yaml"),
      ["quorum: 2", "witnesses:", ...witnesses.flatMap(({ setting }) => setting)]
        .concat(`timestamp: { url: "${server.url}", every: 1h, certificates: ${authority.rootPath} }`)
        .join("\n"),
    );
  });
  after(async () => {
    stop();
    await place.remove();
  });

  it("is cosigned and timestamped when the control plane ends, at the latest", async () => {
    const { code, err } = await place.run(["run", "a.maestro.yaml"]);
    assert.equal(code, 0, err);
    const { out } = await place.run(["witness", "list"]);
    assert.match(out, /^w0\.example\t(\d+)\tcosigned\t\S+\t\nw1\.example\t\1\tcosigned\t\S+\t\n$/);
    await place.run(["audit", "--export", "ledger"]);
    const note = readNote(readFileSync(join(place.dir, "ledger", "checkpoint"), "utf8"));
    assert.equal(endorsements(note, vkeys.map(readNoteKey)).length, 2);
    const stamp = ["-in", "ledger/checkpoint.tsr", "-data", "ledger/checkpoint.stamped", "-CAfile", authority.rootPath];
    const said = execFileSync("openssl", ["ts", "-verify", ...stamp], { cwd: place.dir, stdio: "pipe" });
    assert.match(said.toString(), /Verification: OK/);
  });

  it("proves a receipt on another machine: by how many witnesses, and since when", async () => {
    await place.run(["receipt", "export", "@last", "--to", "one"]);
    assert.ok(existsSync(join(place.dir, "one", "receipt.tsr")));
    const both = vkeys.flatMap((vkey) => ["--witness", vkey]);
    const good = await verify("one", ...both, "--tsa", authority.rootPath);
    assert.equal(good.code, 0, good.err + good.out);
    assert.match(rung(good.out, "witnesses"), /^passed 2 of 2 witnesses cosigned it, the last at 2\d{3}-/);
    assert.match(rung(good.out, "timestamp"), /^passed in the ledger by 2\S+Z, says O=Test, CN=Test Timestamps$/);
    const silent = await verify("one");
    assert.match(rung(silent.out, "witnesses"), /^skipped no key of a witness was given$/);
    assert.match(rung(silent.out, "timestamp"), /^skipped no timestamp, or no certificate/);
  });

  it("does not pass with fewer witnesses than wanted, nor with an authority that nobody trusts", async () => {
    const stranger = (await place.run(["witness", "init", "w0.example", "--dir", "stranger"])).out.trim();
    const few = await verify("one", "--witness", stranger, "--witness", vkeys[1] ?? "");
    assert.equal(few.code, 7);
    assert.match(rung(few.out, "witnesses"), /^failed 1 of 2 witnesses cosigned it, and 2 are wanted$/);
    const enough = await verify("one", "--witness", stranger, "--witness", vkeys[1] ?? "", "--quorum", "1");
    assert.equal(enough.code, 0);
    const other = TimestampAuthority.make(join(place.dir, "other"));
    const untrusted = await verify("one", "--tsa", other.rootPath);
    assert.equal(untrusted.code, 7);
    assert.match(rung(untrusted.out, "timestamp"), /^failed no trusted certificate stands behind/);
    for (const wrong of [
      ["--witness", "nonsense"],
      ["--quorum", "1"],
      ["--witness", vkeys[0] ?? "", "--quorum", "2"],
      ["--timestamp", "one/receipt.tsr"],
    ])
      assert.equal((await verify("one", ...wrong)).code, 2, wrong.join(" "));
  });

  it("does not pass with a cosignature that was moved, or one for another checkpoint", async () => {
    const path = join(place.dir, "one", "receipt.tlog-proof");
    const proof = readFileSync(path, "utf8");
    const { checkpoint } = readProof(proof);
    const line = checkpoint.split("\n").find((one) => one.startsWith("— w0")) ?? "";
    writeFileSync(path, proof.replace(line, `${line.slice(0, -8)}AAAAAAA=`));
    const { code, out } = await verify("one", "--witness", vkeys[0] ?? "");
    writeFileSync(path, proof);
    assert.equal(code, 7);
    assert.match(rung(out, "witnesses"), /^failed /);
  });

  it("goes on while a witness is away, and catches up when it is back", async () => {
    await witnesses[1]?.kill();
    const alone = await place.run(["run", "a.maestro.yaml"]);
    assert.equal(alone.code, 0, alone.err);
    const { out } = await place.run(["witness", "list"]);
    assert.match(out, /^w0\.example\t\d+\tcosigned\t\S+\t\nw1\.example\t\d+\tunreachable\t\S+\t.*ECONNREFUSED/);
    await witnesses[1]?.restart();
    await place.run(["run", "a.maestro.yaml"]);
    const back = await place.run(["witness", "list"]);
    assert.match(back.out, /^w0\.example\t(\d+)\tcosigned\t\S+\t\nw1\.example\t\1\tcosigned/);
  });

  it("says what is wrong with its settings before it starts, and lets people look all the same", async () => {
    const path = join(place.dir, "data", "witness.yaml");
    const good = readFileSync(path, "utf8");
    writeFileSync(path, good.replace("vkey:", "vkye:").replace("every: 1h", "every: often"));
    const { code, err } = await place.run(["up", "--no-listen"]);
    assert.equal(code, 2);
    assert.match(err, /witnesses\[0\] has no member "vkye"; did you mean vkey\?/);
    assert.match(err, /timestamp\.every is "often"; it is a duration of a minute or more/);
    const looking = await place.run(["runs"]);
    assert.equal(looking.code, 0);
    writeFileSync(path, good);
  });
});
