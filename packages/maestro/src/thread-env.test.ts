import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { enableCompileCache, getCompileCacheDir } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { Worker } from "node:worker_threads";
import { threadEnv } from "./thread-env.ts";

const dir = mkdtempSync(join(tmpdir(), "maestro-threads-"));
after(() => rmSync(dir, { recursive: true }));

it("a thread keeps its compiled code where the program does, and has the rest of its environment", async () => {
  delete process.env["NODE_COMPILE_CACHE"];
  process.env["MAESTRO_TEST"] = "here";
  enableCompileCache(dir);
  const script = `const { parentPort } = require("node:worker_threads");
    parentPort.postMessage([require("node:module").getCompileCacheDir(), process.env.MAESTRO_TEST]);`;
  const [told] = (await once(new Worker(script, { eval: true, env: threadEnv() }), "message")) as [unknown];
  assert.deepEqual(told, [getCompileCacheDir(), "here"]);
  assert.ok(getCompileCacheDir()?.startsWith(dir));
  assert.equal(
    process.env["NODE_COMPILE_CACHE"],
    undefined,
    "and what the program starts has the environment that it was given",
  );
});
