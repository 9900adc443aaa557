import { createPrivateKey } from "node:crypto";
import type { PrivateKeyInput } from "node:crypto";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../core/digest.ts";
import type { Gate } from "../policy/gate.ts";
import { builtinEvaluator } from "../policy/builtin.ts";
import { openGate } from "../policy/open-gate.ts";
import { createSigner } from "../provenance/signer.ts";
import type { Signer } from "../provenance/signer.ts";
import { openLogs } from "../runner/log-files.ts";
import type { LogStore } from "../runner/logs.ts";
import { openProcessRunner } from "../runner/process.ts";
import type { Runner } from "../runner/runner.ts";
import { openBlobs } from "../store/blob-files.ts";
import type { BlobStore } from "../store/blobs.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";

/**
 * What a world under test is made of: the composition root of tests, as serve.ts is that of an installation. All of it is
 * what production uses; only the database lives in memory, because nothing outlives a test.
 */
export interface WorldParts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly logs: LogStore;
  readonly signer: Signer;
  readonly runner: Runner;
  gate(newId: () => string): Gate;
  /** A folder for this world alone. */
  readonly dir: string;
  close(): Promise<void>;
}

export async function openParts(): Promise<WorldParts> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "maestro-test-")));
  const store = await openMemoryStore();
  return {
    dir,
    store,
    blobs: await openBlobs(join(dir, "blobs")),
    logs: openLogs(join(dir, "logs")),
    signer: testSigner(),
    runner: lazyRunner(join(dir, "data", "work")),
    gate: (newId) => openGate({ evaluator: builtinEvaluator(), newId }),
    async close() {
      await store.close();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export async function openMemoryStore(): Promise<Store> {
  return openSqlite({ path: ":memory:" });
}

/** The same key in every test, so that receipts and what names them repeat; it proves nothing. RFC 8410: 32 bytes of seed. */
function testSigner(): Signer {
  const seed = Buffer.from(sha256("maestro test").slice("sha256:".length), "hex");
  const key: PrivateKeyInput = {
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    format: "der",
    type: "pkcs8",
  };
  return createSigner(createPrivateKey(key), "https://summit-maestro.dev/tests");
}

/** Most tests start no process, and finding out how this machine isolates them takes a while. */
function lazyRunner(workDir: string): Runner {
  let opened: Promise<Runner> | undefined;
  const open = async (): Promise<Runner> => (opened ??= openProcessRunner({ workDir, hostname: "test" }));
  return {
    kind: "process",
    name: "process@test",
    run: async (command, context) => (await open()).run(command, context),
    measure: async (sandbox, options) => (await open()).measure(sandbox, options),
    reap: async () => 0,
  };
}
