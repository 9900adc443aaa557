import { existsSync } from "node:fs";
import { join } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { acquireLock } from "../store/lock.ts";
import { rotateWorkloadKey } from "./workload-keys.ts";
import type { WorkloadRotation } from "./workload-keys.ts";

/**
 * Makes a new key for tokens of an installation that is not up, since an engine keeps the keys it opened with.
 * Errors: `not_found` (no keys there), `data_locked`, `key_unusable`, `conflict` (the last rotation is not over).
 */
export async function rotateWorkloadKeyOf(options: {
  readonly dataDir: string;
  readonly passphrase?: string;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Nothing of the old ones counts any more. */
  readonly atOnce: boolean;
}): Promise<WorkloadRotation> {
  const dir = join(options.dataDir, "keys");
  if (!existsSync(dir))
    throw new MaestroError("not_found", `${dir} holds no key.`, {
      fix: "Choose the data directory with --data; keys are made by its first start.",
    });
  const lock = await acquireLock(options.dataDir);
  try {
    return rotateWorkloadKey({ ...options, dir });
  } finally {
    await lock.release();
  }
}
