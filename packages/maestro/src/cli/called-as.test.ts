import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { withCommand } from "./called-as.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

it("names commands in hints as the command was called, and leaves prose alone", () => {
  const said = (text: string): string => withCommand(text, "./maestro", "/srv/clone");
  assert.equal(said("fix: List the runs: `maestro runs`."), "fix: List the runs: `./maestro runs`.");
  assert.equal(said("see: maestro help not_found"), "see: ./maestro help not_found");
  assert.equal(
    said("  next     maestro show r_1\n           maestro logs r_1"),
    "  next     ./maestro show r_1\n           ./maestro logs r_1",
  );
  assert.equal(said("Next:\n  cd shop\n  maestro up ."), "Next:\n  cd shop\n  /srv/clone/maestro up .");
  for (const prose of ["wrote my maestro project", "`maestro`", "catalog/maestro up", "`my-maestro up`"])
    assert.equal(said(prose), prose);
});

it("is told by the script of a clone", async () => {
  const dir = mkdtempSync(join(tmpdir(), "maestro-called-"));
  const err = (command: string): Promise<string> =>
    new Promise((done) => {
      const env = { ...process.env, MAESTRO_DATA: join(dir, "data"), NO_COLOR: "1" };
      execFile(command, ["show", "@last"], { cwd: ROOT, env }, (_, __, stderr) => done(stderr));
    });
  try {
    const [relative, absolute] = await Promise.all([err("./maestro"), err(join(ROOT, "maestro"))]);
    assert.match(relative, /`\.\/maestro runs`.*\nsee: \.\/maestro help not_found\n$/);
    assert.match(absolute, /`maestro runs`.*\nsee: maestro help not_found\n$/);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
