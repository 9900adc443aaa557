import { existsSync } from "node:fs";
import { join } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { acquireLock } from "../store/lock.ts";
import { openKeyRing, rotateKey } from "./keys.ts";
import { TRUST_ROOT_FILE } from "./trust.ts";
import type { TrustedKey } from "./trust.ts";

export interface Rotation {
  readonly current: TrustedKey;
  readonly retired: TrustedKey;
  /** The new trust root's file. */
  readonly trustRoot: string;
}

/**
 * Makes a new signing key for an installation that is not up, since an engine keeps the key it opened with.
 * Errors: `not_found` (no keys there), `data_locked`, `key_unusable`.
 */
export async function rotateInstallationKey(options: {
  readonly dataDir: string;
  readonly passphrase?: string;
  /** Epoch milliseconds. */
  readonly now: number;
}): Promise<Rotation> {
  const dir = join(options.dataDir, "keys");
  const path = join(dir, TRUST_ROOT_FILE);
  if (!existsSync(path))
    throw new MaestroError("not_found", `${dir} holds no key.`, {
      fix: "Choose the data directory with --data; a key is made by its first start.",
    });
  const lock = await acquireLock(options.dataDir);
  try {
    const secret = options.passphrase === undefined ? {} : { passphrase: options.passphrase };
    // The folder is there, so the builder of this line is not used; the new key speaks for whom the old one spoke.
    const before = openKeyRing({ dir, now: options.now, builder: "", ...secret });
    const retired = before.trustRoot.keys.find(({ validUntil }) => validUntil === null);
    const after = rotateKey({ dir, now: options.now, builder: retired?.builder ?? "", ...secret });
    const current = after.trustRoot.keys.find(({ validUntil }) => validUntil === null);
    if (retired === undefined || current === undefined)
      throw new MaestroError("internal", `${path} has no current key after its rotation.`);
    return { current, retired, trustRoot: path };
  } finally {
    await lock.release();
  }
}
