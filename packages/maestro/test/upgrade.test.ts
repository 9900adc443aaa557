import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { readTar } from "../src/operations/tar.ts";
import { checkHistories } from "../src/operations/check-installation.ts";
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
  const response = await plane.handle(new Request(`http://maestro.local${path}`, init));
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
    assert.ok(schemas.includes(schemaVersion()), `make one: node packages/maestro/test/support/make-golden.ts`);
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

    it(`survives kill -9 in the middle of its migration (${archive}), and the next start goes on`, async () => {
      await unpackTo(dir, archive);
      const database = join(dir, "maestro.db");
      const before = userVersion(database);
      const child = spawn(process.execPath, [PROCESS, database], { stdio: ["ignore", "pipe", "inherit"] });
      for await (const text of child.stdout.setEncoding("utf8"))
        if (String(text).includes("in the middle")) child.kill("SIGKILL");
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
