import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { openLink } from "./link.ts";

const NOBODY = 65_534;

it("says that a data directory is closed to this user, and not that its engine does not answer", async () => {
  const dir = mkdtempSync(join(tmpdir(), "maestro-link-"));
  const dataDir = join(dir, "closed");
  mkdirSync(dataDir, { mode: 0 });
  // Nothing is closed to root, who becomes somebody else for it; what that one could not read is loaded before.
  await import("../serve.ts");
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    await assert.rejects(openLink({ dataDir, need: "look" }), {
      code: "storage_failed",
      message: new RegExp(`^This user may not open the data directory ${dataDir}: EACCES`),
      fix: /--data DIR/,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(dataDir, 0o700);
    rmSync(dir, { recursive: true });
  }
});
