import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { MaestroError, messageOf } from "../core/problem.ts";
import { refuseOpenToAll } from "../manifest/settings.ts";
import { readIdentity } from "./read-settings.ts";
import type { IdentitySettings } from "./settings.ts";
import { NOBODY_ELSE } from "./settings.ts";

/** In the data directory; absent: only the owner comes in. */
export const IDENTITY_FILE = "identity.yaml";

/** A file that was exchanged is noticed this much later at most. */
const LOOK_AGAIN_MS = 1_000;

/** The settings of a data directory as they are now. Errors: `identity_unusable`. */
export async function loadIdentity(dataDir: string): Promise<IdentitySettings> {
  const path = join(dataDir, IDENTITY_FILE);
  let text: string;
  try {
    refuseOpenToAll(statSync(path));
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NOBODY_ELSE;
    throw new MaestroError("identity_unusable", `The identity settings ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      facts: { path },
    });
  }
  return readIdentity(text, path);
}

/** The settings while a control plane is up: read again when the file has changed. */
export class SettingsFile {
  readonly #dataDir: string;
  readonly #now: () => number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stamp: string | undefined;
  #settings: Promise<IdentitySettings> = Promise.resolve(NOBODY_ELSE);

  constructor(dataDir: string, now: () => number) {
    this.#dataDir = dataDir;
    this.#now = now;
  }

  /** The same object until the file changes. A spoilt file lets in nobody until it is mended. Errors: `identity_unusable`. */
  async get(): Promise<IdentitySettings> {
    const now = this.#now();
    if (now - this.#lookedAt >= LOOK_AGAIN_MS) {
      this.#lookedAt = now;
      const stamp = stampOf(join(this.#dataDir, IDENTITY_FILE));
      if (stamp !== this.#stamp) {
        this.#stamp = stamp;
        this.#settings = loadIdentity(this.#dataDir);
        // Whoever asks is told; that nobody has asked yet is no crash.
        this.#settings.then(undefined, () => undefined);
      }
    }
    return this.#settings;
  }
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.ino} ${stats.mtimeMs} ${stats.size} ${stats.mode}`;
}
