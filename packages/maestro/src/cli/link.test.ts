import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { openLink } from "./link.ts";

it(
  "says that a data directory is closed to this user, and not that its engine does not answer",
  { skip: process.getuid?.() === 0 && "nothing is closed to root" },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "maestro-link-"));
    const dataDir = join(dir, "closed");
    mkdirSync(dataDir, { mode: 0 });
    try {
      await assert.rejects(openLink({ dataDir, need: "look" }), {
        code: "storage_failed",
        message: new RegExp(`^This user may not open the data directory ${dataDir}: EACCES`),
        fix: /--data DIR/,
      });
    } finally {
      chmodSync(dataDir, 0o700);
      rmSync(dir, { recursive: true });
    }
  },
);
