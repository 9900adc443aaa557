import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createZstdCompress, gunzipSync } from "node:zlib";
import { ArchiveWriter, listText } from "../src/operations/archive.ts";
import type { BackupManifest } from "../src/operations/backup-form.ts";
import { BACKUP_FORMAT, isMember, LIST_MEMBER, MANIFEST_MEMBER } from "../src/operations/backup-form.ts";
import { checkHistories } from "../src/operations/check-installation.ts";
import { restoreBackup } from "../src/operations/restore.ts";
import { readTar } from "../src/operations/tar.ts";
import { readTrustRoot } from "../src/provenance/trust.ts";
import { checkReceipt } from "../src/provenance/verify.ts";
import type { ControlPlane } from "../src/serve.ts";
import { openControlPlane, openStore } from "../src/serve.ts";
import { schemaVersion } from "../src/store/migrate.ts";
import type { RunRow } from "../src/store/store.ts";

// Data directories of earlier versions, as they were written by them (support/make-golden.ts), opened by this one.

const GOLDEN = fileURLToPath(new URL("./golden/", import.meta.url));
const PROCESS = fileURLToPath(new URL("./support/migrate-process.ts", import.meta.url));
const ARCHIVES = readdirSync(GOLDEN).filter((name) => /^data-.*\.tar\.gz$/.test(name));

async function unpackTo(dir: string, archive: string): Promise<void> {
  for await (const { path, body } of readTar(Readable.from([gunzipSync(readFileSync(join(GOLDEN, archive)))]))) {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(part);
    mkdirSync(dirname(join(dir, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, path), Buffer.concat(parts), { mode: 0o600 });
  }
}

/** A backup as the version of that directory would have made it: without the private key. */
async function packAs(file: string, data: string): Promise<void> {
  const archive = await ArchiveWriter.create(file, createZstdCompress(), Date.now());
  const names = readdirSync(data, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(data, name)).isFile(),
  );
  for (const name of names)
    if (isMember(name) && !name.endsWith(".pem")) await archive.addBytes(name, readFileSync(join(data, name)));
  const { listed } = archive;
  const list = Buffer.from(listText(listed));
  const manifest: BackupManifest = {
    format: BACKUP_FORMAT,
    maestro: "0.1.0",
    schema: userVersion(join(data, "maestro.db")),
    createdAt: Date.now(),
    installation: "golden",
    runs: 5,
    keys: false,
    logs: true,
    members: listed.length,
    bytes: listed.reduce((sum, { size }) => sum + size, 0),
    missing: 0,
    list: createHash("sha256").update(list).digest("hex"),
  };
  await archive.addBytes(LIST_MEMBER, list);
  await archive.addBytes(MANIFEST_MEMBER, Buffer.from(JSON.stringify(manifest)));
  await archive.commit();
}

function userVersion(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(db.prepare("pragma user_version").get()?.["user_version"]);
  } finally {
    db.close();
  }
}

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "maestro-upgrade-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

async function ask<T>(plane: ControlPlane, path: string, body?: object): Promise<T> {
  const init =
    body === undefined
      ? {}
      : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await plane.asOwner(new Request(`http://maestro.local${path}`, init));
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${text}`);
  return JSON.parse(text) as T;
}

async function ended(plane: ControlPlane, id: string): Promise<RunRow> {
  for (;;) {
    const over = new Promise<void>((resolve) => {
      const stop = plane.engine.subscribe(id, () => (stop(), resolve()));
    });
    const row = await plane.engine.parts.store.runGet(id);
    assert.ok(row !== undefined);
    if (row.endedAt !== null) return row;
    await over;
  }
}

describe("a data directory of an earlier version", () => {
  it("is kept for every schema that is to be opened", () => {
    const schemas = ARCHIVES.map((name) => Number(/schema-(\d+)/.exec(name)?.[1]));
    for (let schema = Math.max(1, schemaVersion() - 2); schema <= schemaVersion(); schema++)
      assert.ok(schemas.includes(schema), `${schema}: make one: node packages/maestro/test/support/make-golden.ts`);
  });

  for (const archive of ARCHIVES) {
    it(`opens (${archive}): every history is whole, receipts verify, what waits goes on`, async () => {
      await unpackTo(dir, archive);
      const database = join(dir, "maestro.db");
      const schema = userVersion(database);
      assert.match(archive, new RegExp(`-schema-${schema}\\.`));
      const plane = await openControlPlane({ dataDir: dir, log: () => undefined });
      try {
        assert.equal(userVersion(database), schemaVersion());
        const kept = join(dir, `before-schema-${schemaVersion()}.db`);
        assert.equal(existsSync(kept), schema < schemaVersion());
        if (existsSync(kept)) assert.equal(userVersion(kept), schema);

        const { runs } = await ask<{ readonly runs: readonly RunRow[] }>(plane, "/v1/runs?limit=100");
        assert.deepEqual(runs.map(({ workflow, status }) => `${workflow} ${status}`).toSorted(), [
          "approval running",
          "failed failed",
          "kept succeeded",
          "large succeeded",
          "signal running",
        ]);
        const byName = new Map(runs.map((row) => [row.workflow, row.id]));
        await ask(plane, `/v1/runs/${byName.get("signal")}/signals`, { name: "go", payload: { from: "tomorrow" } });
        const { approvals } = await ask<{
          readonly approvals: readonly { readonly id: string; readonly planDigest: string }[];
        }>(plane, "/v1/approvals");
        const [open] = approvals;
        await ask(plane, `/v1/approvals/${open?.id}`, { verdict: "approve", plan: open?.planDigest, reason: "golden" });
        for (const name of ["signal", "approval"])
          assert.equal((await ended(plane, byName.get(name) ?? "")).status, "succeeded", name);

        const trustRoot = readTrustRoot(readFileSync(join(dir, "keys/trust-root.json"), "utf8"), "the trust root");
        for (const { id, workflow } of runs) {
          const { equal, difference } = await ask<{ readonly equal: boolean; readonly difference: string | null }>(
            plane,
            `/v1/runs/${id}/replay`,
          );
          assert.ok(equal, `${workflow}: ${difference}`);
          const { store, blobs } = plane.engine.parts;
          const receipt = await store.receiptGet(id);
          const plan = await store.planGet(((await store.runGet(id)) as RunRow).planDigest);
          const events = (await store.runEvents(id, { afterSeq: 0, limit: 1_000 })).map(({ text }) => text);
          assert.ok(receipt !== undefined && plan !== undefined && blobs !== undefined);
          const { verified, checks } = checkReceipt(
            Buffer.from(receipt.bundle),
            { trustRoot, events, plan: plan.text },
            [],
          );
          assert.ok(verified, `${workflow}: ${JSON.stringify(checks.filter(({ status }) => status === "failed"))}`);
          assert.equal(receipt.ordinal, workflow === "failed" ? 2 : 1);
        }
        const list = await ask<{ readonly artifacts: readonly { readonly name: string }[] }>(
          plane,
          `/v1/runs/${byName.get("kept")}/artifacts`,
        );
        assert.deepEqual(
          list.artifacts.map(({ name }) => name),
          ["file"],
        );
      } finally {
        await plane.close();
      }
    });

    it(`is restored from a backup of its own version (${archive}), at the schema of this one`, async () => {
      const data = join(dir, "data");
      await unpackTo(data, archive);
      const file = join(dir, "old.tar.zst");
      await packAs(file, data);
      const to = join(dir, "restored");
      const { checked, newKey } = await restoreBackup({ file, to, now: Date.now(), openStore });
      assert.deepEqual([checked.runs, checked.receipts, typeof newKey], [5, 4, "string"]);
      assert.equal(userVersion(join(to, "maestro.db")), schemaVersion());
    });

    it(`survives kill -9 in the middle of its migration (${archive}), and the next start goes on`, async () => {
      await unpackTo(dir, archive);
      const database = join(dir, "maestro.db");
      const before = userVersion(database);
      const child = spawn(process.execPath, [PROCESS, database], { stdio: ["ignore", "pipe", "inherit"] });
      // Its output ends before it is gone, and until then it may hold the database.
      const gone = once(child, "exit");
      for await (const text of child.stdout.setEncoding("utf8"))
        if (String(text).includes("in the middle")) child.kill("SIGKILL");
      await gone;
      assert.equal(userVersion(database), before, "nothing of it is left");
      const store = await openStore(database);
      try {
        assert.equal(userVersion(database), schemaVersion());
        assert.equal((await checkHistories(store)).runs, 5);
      } finally {
        await store.close();
      }
    });
  }
});
