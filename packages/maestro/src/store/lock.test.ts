import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import { acquireLock } from "./lock.ts";

describe("acquireLock()", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-lock-"));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it("makes the folder, and refuses a second holder until the first lets go", async () => {
    const data = join(dir, "deep", "data");
    const lock = await acquireLock(data);
    const error = await refusal(data);
    assert.equal(error.code, "data_locked");
    assert.match(
      error.message,
      new RegExp(`^Process ${process.pid} has been using the data directory ${data} since 20\\d\\d-.*Z\\.$`),
    );
    assert.equal(error.facts["pid"], process.pid);
    assert.equal(typeof error.facts["since"], "number");
    await lock.release();
    await lock.release();
    await (await acquireLock(data)).release();
  });

  it("holds against another process, and is free the moment that process is killed", async () => {
    const child = await holder(dir);
    const error = await refusal(dir);
    assert.equal(error.code, "data_locked");
    assert.equal(error.facts["pid"], child.pid);
    child.kill("SIGKILL");
    await once(child, "exit");
    await (await acquireLock(dir)).release();
  });

  it("is not inherited by the children of the holder", async () => {
    const lock = await acquireLock(dir);
    const child = spawn(process.execPath, ["-e", "process.stdout.write('up'); setInterval(() => {}, 1000)"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(child.stdout, "data");
      await lock.release();
      await (await acquireLock(dir)).release();
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  it("says so where the holder's note is missing or is no note", async () => {
    const lock = await acquireLock(dir);
    for (const note of ["", "{", "[1]", '{"pid":"x"}']) {
      await writeFile(join(dir, "lock.json"), note);
      const error = await refusal(dir);
      assert.equal(error.message, `Another process has been using the data directory ${dir}.`);
      assert.deepEqual(error.facts, { dir, pid: null, since: null });
    }
    await rm(join(dir, "lock.json"));
    assert.equal((await refusal(dir)).code, "data_locked");
    await lock.release();
  });

  it("names a folder that cannot be made", async () => {
    await writeFile(join(dir, "file"), "");
    const error = await refusal(join(dir, "file", "data"));
    assert.equal(error.code, "storage_failed");
    assert.match(error.message, /file\/data could not be read or written/);
  });
});

async function refusal(dir: string): Promise<MaestroError> {
  const thrown: unknown = await acquireLock(dir).then(
    () => assert.fail("the lock was given"),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof MaestroError, String(thrown));
  return thrown;
}

/** A process that holds the lock, once it has it. */
async function holder(dir: string): Promise<ReturnType<typeof spawn>> {
  const code = `const { acquireLock } = await import(${JSON.stringify(new URL("./lock.ts", import.meta.url).href)});
    await acquireLock(${JSON.stringify(dir)});
    process.stdout.write("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}
