import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { verifyPackage } from "../src/provenance/disclosure/verify-package.ts";
import type { PackageVerification } from "../src/provenance/disclosure/verify-package.ts";
import { cosign, readNote } from "../src/provenance/ledger/note.ts";
import type { NoteKey } from "../src/provenance/ledger/note.ts";
import { createSigner } from "../src/provenance/signer.ts";
import { asRead, Disclosing, filesOf, manifestOf, sealed, tarOf } from "./support/disclosing.ts";
import type { Files } from "./support/disclosing.ts";

// What somebody could do to a package on its way, and what the installation's own people could.

describe("a package that was tampered with", () => {
  let place: Disclosing;
  let one = "";
  let two = "";
  let good: Files;
  before(async () => {
    place = await Disclosing.open();
    one = await place.run({ email: "ada@example.org" });
    two = await place.run({ email: "bob@example.org", note: "second" });
    good = await filesOf((await place.disclose([one, two], { artifacts: true, redact: ["/inputs/email"] })).tar);
  });
  after(async () => place.close());

  const verify = async (files: Files): Promise<PackageVerification> =>
    verifyPackage(await asRead(tarOf(files)), { trustRoot: place.trustRoot });
  /** The check that fails and why; undefined where none does. */
  const fault = async (files: Files): Promise<string | undefined> => {
    const { checks, verified } = await verify(files);
    const failed = checks.find(({ status }) => status === "failed");
    assert.equal(verified, failed === undefined);
    return failed === undefined ? undefined : `${failed.id}: ${failed.detail}`;
  };
  const changed = (path: string, bytes: string | Buffer): Files => new Map(good).set(path, Buffer.from(bytes));
  const receipt = (run: string): string => `receipts/${run}.1.sigstore.json`;

  it("is verified as it was made", async () => {
    const { verified, checks, claims } = await verify(good);
    assert.equal(verified, true, JSON.stringify(checks.filter(({ status }) => status === "failed")));
    assert.deepEqual(
      checks.filter(({ status }) => status === "skipped").map(({ id }) => id),
      ["witnesses", "revealed"],
    );
    assert.deepEqual(
      claims?.runs.map(({ run, status }) => [run, status]),
      [one, two].toSorted().map((run) => [run, "succeeded"]),
    );
  });

  it("fails for any file that was changed, removed, added or renamed", async () => {
    for (const [path, bytes] of good) {
      const flipped = Buffer.from(bytes);
      flipped[bytes.length >> 1]! ^= 1;
      assert.notEqual(await fault(changed(path, flipped)), undefined, `${path} changed`);
      const without = new Map(good);
      without.delete(path);
      assert.notEqual(await fault(without), undefined, `${path} removed`);
      const renamed = new Map([...good].map(([name, its]) => [name === path ? `${name}.old` : name, its]));
      assert.notEqual(await fault(renamed), undefined, `${path} renamed`);
    }
    const run = `evidence/${one}/run.json`;
    assert.match(
      (await fault(changed(run, `${good.get(run)!.toString()} `))) ?? "",
      /^files: .*run\.json has \d+ bytes, the manifest says \d+$/,
    );
    assert.equal(await fault(changed("sbom/more.json", "{}")), "files: sbom/more.json is not in the manifest");
    const without = new Map(good);
    without.delete(run);
    assert.equal(await fault(without), `files: ${run} is missing`);
  });

  it("fails where the receipts of two runs changed places", async () => {
    const swapped = changed(receipt(one), good.get(receipt(two))!).set(receipt(two), good.get(receipt(one))!);
    assert.match((await fault(swapped)) ?? "", /^files: receipts\//);
    // Also where whoever has the key lists them so.
    assert.match(
      (await fault(sealed(swapped, place.signer))) ?? "",
      /^receipts: receipts\/\S+ is not a receipt that is the one that was asked for: its digest is/,
    );
    const renumbered = sealed(swapped, place.signer, (manifest) => ({
      ...manifest,
      runs: manifest.runs.map((run, i) => ({ ...run, receipts: manifest.runs[1 - i]!.receipts })),
    }));
    assert.match(
      (await fault(renumbered)) ?? "",
      /^receipts: .*says what was expected of it: run is r_\w+, expected was r_/,
    );
  });

  it("fails where somebody else sealed it", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const stranger = createSigner(privateKey, place.signer.builder);
    assert.match(
      (await fault(sealed(good, stranger))) ?? "",
      /^key: it names the key \S+, which is not among the 1 of the trust root$/,
    );
    // A trust root that comes along is not believed.
    assert.match((await fault(sealed(changed("trust_root.json", "{}"), stranger))) ?? "", /^key:/);
    const other = sealed(good, place.signer, (manifest) => ({ ...manifest, builder: "https://example.org/other" }));
    assert.match(
      (await fault(other)) ?? "",
      /^signer: it speaks for https:\/\/example\.org\/other, but its key may speak only for/,
    );
  });

  it("fails where the seal is that of another manifest, or no seal", async () => {
    const other = sealed(good, place.signer, (manifest) => ({ ...manifest, recipient: "Somebody Else" }));
    assert.match(
      (await fault(changed("manifest.sigstore.json", other.get("manifest.sigstore.json")!))) ?? "",
      /^statement: it is about .*, not about this manifest$/,
    );
    assert.match((await fault(changed("manifest.json", other.get("manifest.json")!))) ?? "", /^statement:/);
    assert.match(
      (await fault(changed("manifest.sigstore.json", good.get(receipt(one))!))) ?? "",
      /^statement: predicateType is/,
    );
    assert.match((await fault(changed("manifest.sigstore.json", "{}"))) ?? "", /^bundle:/);
  });

  it("fails where the manifest is written in another way, or says what nobody knows", async () => {
    const text = good.get("manifest.json")!.toString();
    for (const [bytes, says] of [
      [JSON.stringify(JSON.parse(text), null, 1), /^manifest: the manifest is not in canonical form/],
      [text.replace('{"authority"', '{"a":1,"authority"'), /^manifest: the manifest has an unknown member "a"$/],
      [text.replace('"recipient"', '"recipients"'), /^manifest: the manifest has no recipient$/],
      [text.replace(/"size":(\d+)/, '"size":-$1'), /^manifest: files\[0\]\.size is not a count$/],
      [text.replace('"purpose":"yearly audit"', '"purpose":""'), /^manifest: purpose is empty$/],
      [text.replace("{", '{"authority":"x",'), /occurs twice/],
      ["[]", /^manifest: the manifest is not an object$/],
    ] as const)
      assert.match((await fault(changed("manifest.json", bytes))) ?? "", says);
  });

  it("fails where a proof leads elsewhere, or to another checkpoint", async () => {
    const proof = (run: string): string => `proofs/${run}.1.tlog-proof`;
    const swapped = changed(proof(one), good.get(proof(two))!).set(proof(two), good.get(proof(one))!);
    assert.match(
      (await fault(sealed(swapped, place.signer))) ?? "",
      /^ledger: proofs\/\S+: the entry is about sha256:/,
    );
    await place.run({ email: "eve@example.org" });
    const later = await filesOf((await place.disclose(["@last"])).tar);
    const other = sealed(changed("checkpoint", later.get("checkpoint")!), place.signer);
    assert.match((await fault(other)) ?? "", /^checkpoint: proofs\/\S+ proves it by another checkpoint$/);
    const bent = good
      .get(proof(one))!
      .toString()
      .replace(/index (\d+)/, (_, n) => `index ${Number(n) + 1}`);
    assert.match(
      (await fault(sealed(changed(proof(one), bent), place.signer))) ?? "",
      /^ledger: .*is not the one at place/,
    );
  });

  it("fails where evidence is not what the receipts say, whoever sealed it", async () => {
    const plain = await filesOf((await place.disclose([one], { artifacts: true })).tar);
    const changed = (path: string, bytes: string): Files => new Map(plain).set(path, Buffer.from(bytes));
    const at = (name: string): string => `evidence/${one}/${name}`;
    const text = (name: string): string => plain.get(at(name))!.toString();
    const events = text("events.jsonl");
    for (const [files, says] of [
      [
        changed(at("run.json"), text("run.json").replace('"status":"succeeded"', '"status":"failed"')),
        /^evidence: .*run\.json has the status "failed"/,
      ],
      [
        changed(at("plan.json"), text("plan.json").replace('"license":"internal"', '"license":"public"')),
        /^evidence: r_\w+: plan: the plan's digest is/,
      ],
      [
        changed(at("events.jsonl"), events.replace(/"kind":"run_started"/, '"kind":"run_startet"')),
        /^evidence: the chain over the events ends in/,
      ],
      [
        changed(at("events.jsonl"), events.split("\n").slice(0, -2).join("\n") + "\n"),
        /^evidence: it covers \d+ events, in the package are/,
      ],
      [changed(at("events.jsonl"), events.trimEnd()), /does not end in a line break/],
    ] as const)
      assert.match((await fault(sealed(files, place.signer))) ?? "", says);
    const stray = changed(at(`artifacts/${"0".repeat(64)}`), "forged");
    assert.match((await fault(sealed(stray, place.signer))) ?? "", /^evidence: .* is not the file that its name says$/);
    const [, bytes] = [...plain].find(([path]) => path.startsWith(at("artifacts/")))!;
    const moved = new Map([...plain].filter(([path]) => !path.includes("/artifacts/")));
    moved.set(at("artifacts/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"), Buffer.from("foo"));
    assert.match(
      (await fault(sealed(moved, place.signer))) ?? "",
      /^evidence: .* is no artifact that a receipt of r_\w+ vouches for$/,
    );
    assert.equal(bytes.toString(), "kept\n");
  });

  it("fails where the manifest does not say what was redacted", async () => {
    const none = sealed(good, place.signer, (manifest) => ({ ...manifest, redactions: [] }));
    assert.match((await fault(none)) ?? "", /^evidence: /);
    const more = sealed(good, place.signer, (manifest) => ({
      ...manifest,
      redactions: [
        ...manifest.redactions,
        { path: `evidence/${one}/run.json`, pointer: "/inputs/note", by: "request" },
      ],
    }));
    assert.match(
      (await fault(more)) ?? "",
      /^redactions: .*run\.json has nothing redacted at \/inputs\/note, and the manifest says/,
    );
    const gapless = sealed(good, place.signer, (manifest) => ({
      ...manifest,
      runs: manifest.runs.map((run) => ({ ...run, gaps: [] })),
    }));
    assert.match(
      (await fault(gapless)) ?? "",
      /^evidence: something was taken out of event 1, and the manifest does not say/,
    );
    const bent = sealed(good, place.signer, (manifest) => ({
      ...manifest,
      runs: manifest.runs.map((run) => ({
        ...run,
        gaps: run.gaps.map((gap) => ({ ...gap, head: `sha256:${"0".repeat(64)}` })),
      })),
    }));
    assert.match((await fault(bent)) ?? "", /^evidence: the chain over the events ends in/);
  });

  it("fails where the policy is another one", async () => {
    const [path, bytes] = [...good].find(([name]) => name.startsWith("policy/"))!;
    const other = sealed(
      changed(path, bytes.toString().replace("receipt.disclose", "receipt.disclosed")),
      place.signer,
    );
    assert.match(
      (await fault(other)) ?? "",
      /^policy: policy\/\S+ has the digest sha256:\w+, the decision names sha256:/,
    );
  });

  it("fails for values and salts that were not there", async () => {
    const { json } = await place.salts([one, two], { artifacts: true, redact: ["/inputs/email"] });
    const { tar } = await place.disclose([one, two], { artifacts: true, redact: ["/inputs/email"] });
    const contents = await asRead(tar);
    const salts = json as unknown as Parameters<typeof verifyPackage>[1]["salts"] & object;
    const check = (fields: readonly object[]): string => {
      const { checks } = verifyPackage(contents, {
        trustRoot: place.trustRoot,
        salts: { package: salts.package, fields: fields as typeof salts.fields },
      });
      const failed = checks.find(({ status }) => status === "failed");
      return failed === undefined ? "" : `${failed.id}: ${failed.detail}`;
    };
    assert.equal(check(salts.fields), "");
    const [first, ...rest] = salts.fields;
    for (const [field, says] of [
      [{ ...first!, value: "eve@example.org" }, /^revealed: the value given for .* is not the one that was redacted$/],
      [{ ...first!, salt: rest[0]!.salt }, /^revealed: .*is not the one that was redacted$/],
      [{ ...first!, pointer: "/nowhere" }, /^revealed: .* has nothing redacted at \/nowhere$/],
      [{ ...first!, path: "evidence/r_0/run.json" }, /^revealed: .* has nothing redacted at/],
    ] as const)
      assert.match(check([field, ...rest]), says);
    assert.throws(
      () =>
        verifyPackage(contents, {
          trustRoot: place.trustRoot,
          salts: { ...salts, package: `sha256:${"1".repeat(64)}` },
        }),
      { code: "invalid_request", message: /The salts are those of package sha256:1/ },
    );
    assert.equal(manifestOf(good).redactions.length, salts.fields.length);
  });

  it("never throws, and never verifies, whatever its files are and whoever sealed them", async () => {
    const signer = place.signer;
    const paths = [...good.keys()].filter((path) => path !== "trust_root.json");
    const damage = fc.record({
      path: fc.constantFrom(...paths),
      at: fc.nat(),
      length: fc.integer({ min: 0, max: 40 }),
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.json().map((text) => Buffer.from(text)),
      ),
      isSealed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ path, at, length, bytes, isSealed }) => {
        const whole = good.get(path)!;
        const from = at % whole.length;
        const files = changed(path, Buffer.concat([whole.subarray(0, from), bytes, whole.subarray(from + length)]));
        fc.pre(!files.get(path)!.equals(whole));
        const found = await fault(isSealed && !path.startsWith("manifest.") ? sealed(files, signer) : files);
        // What the seal alone vouches for an insider may write as they like.
        assert.ok(found !== undefined || (isSealed && path.startsWith("evidence/")), path);
      }),
      { numRuns: 150 },
    );
    const value = fc.jsonValue();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("runs", "redactions", "files", "recipient", "builder"),
        value,
        async (name, json) => {
          const files = sealed(good, signer, (manifest) => ({ ...manifest, [name]: json }));
          const found = await fault(files);
          assert.ok(found !== undefined || name === "recipient");
        },
      ),
      { numRuns: 100 },
    );
  });

  it("wants as many witnesses as it is told, by their own keys", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const witness: NoteKey = { name: "witness.example/one", kind: "witness", publicKey };
    const note = good.get("checkpoint")!.toString();
    const line = cosign(readNote(note).text, 1_800_000_000, witness, (message) => sign(null, message, privateKey));
    const seen = new Map(
      [...good].map(([path, bytes]) => [
        path,
        path === "checkpoint" || path.startsWith("proofs/") ? Buffer.from(`${bytes.toString()}${line}`) : bytes,
      ]),
    );
    const contents = await asRead(tarOf(sealed(seen, place.signer)));
    const plain = await asRead(tarOf(good));
    const { publicKey: stranger } = generateKeyPairSync("ed25519");
    const other: NoteKey = { ...witness, name: "witness.example/two", publicKey: stranger };
    for (const [what, keys, quorum, says] of [
      [contents, [witness], 1, /^passed: 1 of 1 witnesses cosigned it, the last at 2027-01-15T08:00:00\.000Z$/],
      [contents, [witness, other], 2, /^failed: 1 of 2 witnesses cosigned it, and 2 are wanted$/],
      [plain, [witness], 1, /^failed: 0 of 1 witnesses cosigned it, and 1 are wanted$/],
    ] as const) {
      const { checks, verified } = verifyPackage(what, { trustRoot: place.trustRoot, witnesses: { keys, quorum } });
      const rung = checks.find(({ id }) => id === "witnesses");
      assert.match(`${rung?.status ?? ""}: ${rung?.detail ?? ""}`, says);
      assert.equal(verified, rung?.status === "passed");
    }
  });

  it("has every receipt of a run that was retried, each after the one before", async () => {
    const fails = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: fails, version: 1.0.0 }
spec:
  type: ops
  purposes: [refund]
  tasks:
    go: { uses: exec@1, runner: { sandbox: none }, with: { argv: [sh, -c, "exit 3"] } }
`;
    const id = await place.run({}, fails);
    const again = await place.call("PATCH", `/v1/runs/${id}`, { action: "retry" });
    await place.plane.engine.idle();
    const { tar, json } = await place.disclose([id]);
    assert.deepEqual(json, {}, JSON.stringify(again.json));
    const files = await filesOf(tar);
    assert.deepEqual(
      manifestOf(files).runs[0]?.receipts.map(({ ordinal, proved }) => [ordinal, proved]),
      [
        [1, true],
        [2, true],
      ],
    );
    assert.equal(await fault(files), undefined);
    const first = sealed(files, place.signer, (manifest) => ({
      ...manifest,
      runs: manifest.runs.map((run) => ({ ...run, receipts: run.receipts.slice(0, 1) })),
    }));
    assert.match(
      (await fault(first)) ?? "",
      /^evidence: evidence\/\S+run\.json has the head "sha256:\w+", the receipt says sha256:\w+$/,
    );
  });

  it("stands also for values that are larger than an event holds", async () => {
    const note = `begin ${"n".repeat(60_000)} end`;
    const id = await place.run({ email: "ada@example.org", note });
    const trustRoot = place.trustRoot;
    for (const redact of [[], ["/inputs/note"]]) {
      const { tar } = await place.disclose([id], { redact });
      const files = await filesOf(tar);
      assert.equal(await fault(files), undefined);
      const holders = [...files].filter(([, bytes]) => bytes.includes(note)).map(([path]) => path.split("/").at(-1));
      assert.deepEqual(holders, redact.length === 0 ? ["run.json"] : []);
    }
    const { json } = await place.salts([id], { redact: ["/inputs/note"] });
    const { tar } = await place.disclose([id], { redact: ["/inputs/note"] });
    const salts = json as unknown as NonNullable<Parameters<typeof verifyPackage>[1]["salts"]>;
    const { verified, claims } = verifyPackage(await asRead(tar), { trustRoot, salts });
    assert.deepEqual([verified, claims?.revealed.some(({ value }) => value === note)], [true, true]);
  });
});
