import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createZstdCompress } from "node:zlib";
import { openKeyRing } from "../provenance/keys.ts";
import { readTrustRoot } from "../provenance/trust.ts";
import { openBlobs } from "../store/blob-files.ts";
import { ownFiles, shareFiles } from "../store/files-lock.ts";
import { schemaVersion } from "../store/migrate.ts";
import { begin, sampleEvents, sampleReceipt, sampleRun } from "../store/sample.ts";
import type { SessionRow } from "../store/session.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { RunRow, Store } from "../store/store.ts";
import { ArchiveWriter, listText } from "./archive.ts";
import type { BackupRecord } from "./backup-record.ts";
import { listBackups } from "./backup-record.ts";
import { createBackup } from "./backup.ts";
import { restoreBackup } from "./restore.ts";
import { unpack } from "./unpack.ts";
import { verifyBackup } from "./verify-backup.ts";

const NOW = 1_900_000_000_000;
const PROCESS = fileURLToPath(new URL("../../test/support/restore-process.ts", import.meta.url));
const SESSION: SessionRow = {
  id: "s_1",
  digest: "d",
  subject: "company:anna",
  issuer: "company",
  claims: {},
  label: "",
  proof: "p",
  createdAt: NOW,
  expiresAt: NOW + 1e12,
  seenAt: NOW,
  revokedAt: null,
  revokedBy: null,
};
const openStore = (path: string): Promise<Store> => openSqlite({ path });

describe("a backup", () => {
  let dir: string;
  let data: string;
  let store: Store;
  let ended: RunRow;
  let artifact: string;
  let taken = 0;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-backup-"));
    data = join(dir, "data");
    store = await openSqlite({ path: join(data, "maestro.db") });
    const blobs = await openBlobs(join(data, "blobs"));
    openKeyRing({ dir: join(data, "keys"), builder: "https://example.test/1", now: NOW - 9 });
    writeFileSync(join(data, "installation"), "1234\n");
    writeFileSync(join(data, "policy.yaml"), "evaluator: { cedar: { folder: policy } }\n");
    writeFileSync(join(data, "network.yaml"), "network: { answer: 1m }\n");
    writeFileSync(join(data, "witness.yaml"), "witnesses: []\n");
    mkdirSync(join(data, "policy/old.cedar"), { recursive: true });
    for (const name of ["a.cedar", "schema.cedarschema", ".hidden", "notes.txt"])
      writeFileSync(join(data, "policy", name), name);
    artifact = (await blobs.put(Buffer.from("the artifact"))).digest;
    await blobs.put(Buffer.from("nobody's"));
    const id = "r_0000000000000000001";
    const append = begin(sampleRun(1, { id, status: "succeeded", endedAt: NOW - 5 }), [
      `{"seq":1,"kind":"attempt_finished","result":{"artifacts":[{"name":"x","path":"/x","digest":"${artifact}"}]}}`,
      "{}",
    ]);
    ended = append.row;
    await store.commit({ runs: [append], receipts: [sampleReceipt(id, 1)] });
    mkdirSync(join(data, "logs", id), { recursive: true });
    writeFileSync(join(data, "logs", id, "build.1.log"), "what it said\n");
    mkdirSync(join(data, "logs", "r_0000000000000000002"));
    writeFileSync(join(data, "logs", "r_0000000000000000002", "a.1.log"), "of a run that begins only now\n");
    writeFileSync(join(data, "identity.yaml"), "identity: {}\n");
    await store.sessions.put(SESSION);
    mkdirSync(join(data, "work"));
    writeFileSync(join(data, "work/scratch"), "not in a backup");
  });
  after(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  const make = (
    options: { readonly keys?: boolean; readonly logs?: boolean; readonly to?: string } = {},
  ): Promise<BackupRecord> =>
    createBackup({
      dataDir: data,
      to: options.to ?? join(dir, "backups"),
      keys: options.keys ?? false,
      logs: options.logs ?? true,
      version: "1.2.3",
      schema: schemaVersion(),
      now: NOW + 1_000 * (taken += 1),
    });
  const restore = (file: string, to: string): ReturnType<typeof restoreBackup> =>
    restoreBackup({ file, to, now: NOW + 1e9, openStore });

  it("holds what belongs to the snapshot, is for its owner only, and is on record", async () => {
    const record = await make();
    assert.equal(statSync(record.path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(dir, "backups")), [record.path.split("/").at(-1)], "and nothing beside it");
    const { manifest, listed } = await unpack(record.path, undefined);
    const hex = artifact.slice(7);
    assert.deepEqual(
      listed.map(({ path }) => path),
      [
        "maestro.db",
        "installation",
        "identity.yaml",
        "policy.yaml",
        "witness.yaml",
        "network.yaml",
        "keys/trust-root.json",
        "policy/a.cedar",
        "policy/schema.cedarschema",
        `blobs/sha256/${hex.slice(0, 2)}/${hex}`,
        "logs/r_0000000000000000001/build.1.log",
      ],
    );
    assert.deepEqual(
      [manifest.maestro, manifest.schema, manifest.runs, manifest.keys, manifest.missing, manifest.installation],
      ["1.2.3", schemaVersion(), 1, false, 0, "1234"],
    );
    const [last] = await listBackups(data);
    assert.deepEqual(last, { ...record, isThere: true });
  });

  it("is restored to a directory that has it all, with a new key and the old one's end", async () => {
    const record = await make();
    const to = join(dir, "restored");
    const { checked, newKey } = await restore(record.path, to);
    assert.deepEqual(checked, { runs: 1, events: 2, receipts: 1, removed: 0 });
    const copy = await openStore(join(to, "maestro.db"));
    assert.deepEqual(await copy.runGet(ended.id), ended);
    assert.deepEqual(await copy.receiptGet(ended.id), sampleReceipt(ended.id, 1));
    assert.equal(await copy.sessions.get(SESSION.id), undefined, "what was revoked since would be good again");
    assert.deepEqual(await store.sessions.get(SESSION.id), SESSION);
    await copy.close();
    assert.equal(readFileSync(join(to, "identity.yaml"), "utf8"), "identity: {}\n");
    assert.equal(readFileSync(join(to, "logs", ended.id, "build.1.log"), "utf8"), "what it said\n");
    assert.deepEqual(
      Buffer.from((await (await openBlobs(join(to, "blobs"))).get(artifact as `sha256:${string}`)) ?? []).toString(),
      "the artifact",
    );
    assert.equal(statSync(to).mode & 0o777, 0o700);
    const ring = openKeyRing({ dir: join(to, "keys"), builder: "unused", now: NOW });
    assert.deepEqual(
      ring.trustRoot.keys.map(({ builder, validUntil }) => [builder, validUntil]),
      [
        ["https://example.test/1", NOW + 1e9],
        ["https://example.test/1", null],
      ],
    );
    assert.equal(newKey, ring.trustRoot.keys[1]?.fingerprint);
    const before = readTrustRoot(readFileSync(join(data, "keys/trust-root.json"), "utf8"), "before");
    assert.equal(before.keys.length, 1, "the original keeps its own");
  });

  it("takes the key along when it is told to, and leaves logs out when it is told to", async () => {
    const record = await make({ keys: true, logs: false });
    const to = join(dir, "with-keys");
    assert.equal((await restore(record.path, to)).newKey, null);
    assert.deepEqual(readdirSync(join(to, "keys")), readdirSync(join(data, "keys")));
    assert.equal(existsSync(join(to, "logs")), false);
  });

  it("is refused over a data directory, a folder with anything in it, and a file", async () => {
    const record = await make();
    await assert.rejects(restore(record.path, data), { code: "conflict", message: /it is a data directory already/ });
    const full = join(dir, "full");
    mkdirSync(full);
    writeFileSync(join(full, "note"), "");
    await assert.rejects(restore(record.path, full), (error: Error & { fix: string }) => {
      assert.match(error.message, /it is not empty/);
      assert.match(error.fix, /--to|mv /);
      return true;
    });
    await assert.rejects(restore(record.path, join(full, "note")), { code: "conflict", message: /it is a file/ });
    assert.deepEqual(readdirSync(full), ["note"]);
    await assert.rejects(restore(join(dir, "nothing"), join(dir, "new")), { code: "not_found" });
    assert.equal(existsSync(join(dir, "new")), false);
  });

  it("names what is not as it was, wherever a byte was changed or the file was cut", async () => {
    const { path } = await make({ keys: true });
    const whole = readFileSync(path);
    const broken = join(dir, "broken.tar.zst");
    const to = join(dir, "never");
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 40)) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
      writeFileSync(broken, bytes);
      await assert.rejects(restore(broken, to), { code: "verification_failed" }, `byte ${at} of ${whole.length}`);
      if (at > 0) {
        writeFileSync(broken, whole.subarray(0, at));
        await assert.rejects(restore(broken, to), { code: "verification_failed" }, `cut at ${at}`);
      }
    }
    assert.equal(existsSync(to), false);
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.includes("restoring")),
      [],
    );
  });

  it("is refused when a member is another one than listed, a stranger, or leads out of the folder", async () => {
    const forge = async (members: Readonly<Record<string, string>>, list?: string): Promise<string> => {
      const file = join(dir, "forged.tar.zst");
      rmSync(file, { force: true });
      const archive = await ArchiveWriter.create(file, createZstdCompress(), NOW);
      for (const [name, text] of Object.entries(members)) await archive.addBytes(name, Buffer.from(text));
      const { listed } = archive;
      const bytes = Buffer.from(list ?? listText(listed));
      const count = listed.length;
      await archive.addBytes("SHA256SUMS", bytes);
      const manifest = {
        format: "maestro.backup/v1",
        maestro: "1",
        schema: 1,
        createdAt: 1,
        installation: "x",
        runs: 0,
        keys: false,
        logs: true,
        members: count,
        bytes: 1,
        missing: 0,
        list: listed.at(-1)?.sha256,
      };
      await archive.addBytes("manifest.json", Buffer.from(JSON.stringify(manifest)));
      await archive.commit();
      return file;
    };
    const to = join(dir, "forged");
    const cases = [
      [{ "../../etc/cron.d/x": "x" }, undefined, /which is no part of a backup/],
      [{ "keys/../../x": "x" }, undefined, /which is no part of a backup/],
      [
        { [`blobs/sha256/aa/${"a".repeat(64)}`]: "other bytes" },
        undefined,
        /the bytes of blobs\/sha256\/aa\/a+ are not those of its name/,
      ],
      [{ installation: "x" }, `${"0".repeat(64)}  installation\n`, /installation is not as it was/],
      [{ installation: "x", "maestro.db": "not a database" }, undefined, /maestro\.db is (?:damaged|not a database)/],
    ] as const;
    for (const [members, list, why] of cases)
      await assert.rejects(restore(await forge(members, list), to), (error: Error) => {
        assert.match(error.message, why);
        return true;
      });
    assert.equal(existsSync(to), false);
  });

  it("is checked to the last event by verify, also what retention removed", async () => {
    const { path } = await make();
    const { manifest, checked } = await verifyBackup(path, openStore);
    assert.equal(manifest.runs, 1);
    assert.deepEqual(checked, { runs: 1, events: 2, receipts: 1, removed: 0 });
    assert.deepEqual(
      readdirSync(join(dir, "backups")).filter((name) => name.startsWith(".")),
      [],
    );
  });

  it("says how many blobs were missing already, and still is a backup", async () => {
    const hex = artifact.slice(7);
    const blob = join(data, "blobs/sha256", hex.slice(0, 2), hex);
    const bytes = readFileSync(blob);
    rmSync(blob);
    const record = await make();
    writeFileSync(blob, bytes);
    assert.equal(record.missing, 1);
    assert.equal((await verifyBackup(record.path, openStore)).manifest.missing, 1);
  });

  it("waits for a removal under way, and a removal does not begin under it", () => {
    const reader = shareFiles(data);
    const another = shareFiles(data);
    assert.equal(ownFiles(data), undefined);
    another.release();
    assert.equal(ownFiles(data), undefined);
    reader.release();
    const owner = ownFiles(data);
    assert.ok(owner !== undefined);
    assert.equal(ownFiles(data), undefined);
    owner.release();
    shareFiles(data).release();
  });

  it("is one instant while commits go on", async () => {
    let going = true;
    let last = ended.seq;
    const load = (async () => {
      for (let n = 100; going; n++) {
        const append = begin(sampleRun(n, { status: "failed", endedAt: NOW }), sampleEvents(1, 3));
        await store.commit({ runs: [append], receipts: [sampleReceipt(append.id, 1)] });
        last = n;
        await new Promise((turn) => setImmediate(turn));
      }
    })();
    const { path } = await make();
    const atEnd = last;
    going = false;
    await load;
    const { checked, manifest } = await verifyBackup(path, openStore);
    assert.equal(checked.runs, manifest.runs);
    assert.equal(
      checked.receipts,
      checked.runs,
      "a run and its receipt are committed together, and are there together",
    );
    assert.ok(checked.runs >= 1 && checked.runs <= atEnd);
  });

  it("leaves nothing half when kill -9 ends its restore, and the next one cleans up", async () => {
    const { path } = await make();
    const to = join(dir, "killed");
    for (const where of ["unpacking", "checking"]) {
      const child = spawn(process.execPath, [PROCESS, path, to], { stdio: ["ignore", "pipe", "inherit"] });
      // Its output ends before it is reaped, and until then its process id looks alive to the next restore.
      const reaped = once(child, "exit");
      let said = "";
      for await (const text of child.stdout.setEncoding("utf8")) {
        said += String(text);
        if (said.includes(where)) child.kill("SIGKILL");
      }
      await reaped;
      assert.ok(said.includes(where), said);
      assert.equal(existsSync(to), false, where);
    }
    assert.ok(readdirSync(dir).some((name) => name.startsWith("killed.restoring-")));
    await restore(path, to);
    assert.ok(existsSync(join(to, "maestro.db")));
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.startsWith("killed.")),
      [],
    );
  });

  it("refuses what is no data directory, and the schema of another version", async () => {
    const request = { dataDir: dir, to: join(dir, "b"), keys: false, logs: true, version: "1", schema: 1, now: NOW };
    await assert.rejects(createBackup(request), { code: "not_found", message: /is not a data directory/ });
    await assert.rejects(createBackup({ ...request, dataDir: data }), { code: "schema_newer" });
    await assert.rejects(createBackup({ ...request, dataDir: data, schema: 99 }), { code: "conflict" });
    assert.deepEqual(existsSync(join(dir, "b")) ? readdirSync(join(dir, "b")) : [], []);
  });
});
