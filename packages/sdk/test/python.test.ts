import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { need } from "../../maestro/test/support/need.ts";

const FOLDER = fileURLToPath(new URL("../../../sdks/python", import.meta.url));

function python(...args: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync("python3", ["-B", ...args], { cwd: FOLDER, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

it("has a Python SDK whose own tests pass, with nothing but the standard library", need("python3"), () => {
  const { status, said } = python("-m", "unittest", "discover", "-s", "tests");
  assert.equal(status, 0, said);
  assert.match(said, /Ran [2-9]\d tests[\s\S]*OK/);
});

it("... also by pytest, where it is installed", need("python3"), () => {
  if (python("-c", "import pytest").status !== 0) return;
  const { status, said } = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests");
  assert.equal(status, 0, said);
  assert.match(said, /[2-9]\d passed/);
});
