import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

const BIN = join(import.meta.dirname, "../../bin/maestro.cjs");

it("says that the folder it is called in was removed under the shell", () => {
  const dir = mkdtempSync(join(tmpdir(), "maestro-main-"));
  try {
    const script = 'mkdir gone; cd gone; rmdir ../gone; "$@"';
    const args = ["-c", script, "sh", process.execPath, BIN, "runs"];
    const { status, stderr } = spawnSync("sh", args, { cwd: dir, encoding: "utf8", timeout: 30_000 });
    assert.equal(status, 5, stderr);
    assert.match(stderr, /^error\[not_found\]: The folder that this command is called in was removed\.\nfix: Go to /);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it("says that a file could not be written, and does not take it for a fault of its own", () => {
  const dir = mkdtempSync(join(tmpdir(), "maestro-main-"));
  try {
    writeFileSync(join(dir, "taken"), "");
    const args = [BIN, "init", "taken/below", "--name", "hello", "--namespace", "shop"];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: dir, encoding: "utf8", timeout: 30_000 });
    assert.equal(status, 9, stderr);
    assert.match(stderr, /^error\[storage_failed\]: .*taken\/below could not be read or written: ENOTDIR/);
    assert.match(stderr, /^fix: Name another place, /m);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
