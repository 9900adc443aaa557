import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { need } from "../../maestro/test/support/need.ts";

const FOLDER = fileURLToPath(new URL("../../../sdks/python", import.meta.url));

it("has a Python SDK whose own tests pass, with nothing but the standard library", need("python3"), async () => {
  const { stderr } = await promisify(execFile)("python3", ["-B", "-m", "unittest", "discover", "-s", "tests"], {
    cwd: FOLDER,
  });
  assert.match(stderr, /Ran [2-9]\d tests[\s\S]*OK/);
});
