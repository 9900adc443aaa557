import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { renameSync, rmSync, statSync } from "node:fs";
import { link, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MaestroError, messageOf } from "../core/problem.ts";

/** The prefix lets scanners for secrets know one when they see it. */
const FORM = /^maestro_[A-Za-z0-9_-]{43}$/;
/** A file that was exchanged is noticed this much later at most. */
const LOOK_AGAIN_MS = 1000;

export function tokenPath(dataDir: string): string {
  return join(dataDir, "token");
}

/**
 * The token in the file; made there (256 bit, 0600) where there is none. Errors: `token_unusable` for a file that is no
 * token or that others could read.
 */
export async function openToken(path: string): Promise<string> {
  try {
    return await readToken(path);
  } catch (error) {
    if (!isMissing(error instanceof MaestroError ? error.cause : error)) throw error;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const own = await writeNew(path);
  try {
    // Two that start at once must not each believe in a token of its own: a link is made once.
    await link(own, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(own);
  }
  return readToken(path);
}

/** Puts a new token in the place of the old one, which is refused from then on. */
export async function rotateToken(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  renameSync(await writeNew(path), path);
}

/** The token of a file. Errors: `token_unusable`. */
export async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    const stats = await lstat(path);
    if (stats.isFile() && process.platform !== "win32" && (stats.mode & 0o077) !== 0) {
      throw new MaestroError("token_unusable", `Others may read the token file ${path}.`, {
        fix: `Close it with \`chmod 600 ${path}\`; if somebody may have seen it, make a new one with \`maestro token rotate\`.`,
      });
    }
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    throw new MaestroError("token_unusable", `The token file ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const token = text.trim();
  if (!FORM.test(token)) {
    // Not quoted: what lies there may be another secret.
    throw new MaestroError("token_unusable", `The file ${path} does not hold a token of Maestro.`, {
      fix: "Name the right file, or make a new token with `maestro token rotate`.",
    });
  }
  return token;
}

/** What a server compares with: the token of a file, also after it was rotated. */
export class TokenCheck {
  readonly #path: string;
  readonly #now: () => number;
  #digest: Buffer;
  #stamp: string;
  #lookedAt: number;

  private constructor(path: string, token: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    this.#digest = digest(token);
    this.#stamp = stampOf(path);
    this.#lookedAt = now();
  }

  static async open(path: string, now: () => number = Date.now): Promise<TokenCheck> {
    return new TokenCheck(path, await openToken(path), now);
  }

  /** Whether the value of an `Authorization` header is `Bearer` and the token. Takes as long whatever it holds. */
  async accepts(authorization: string | null): Promise<boolean> {
    await this.#refresh();
    const given = /^Bearer +([^\s]{1,200})$/i.exec(authorization ?? "")?.[1];
    return timingSafeEqual(digest(given ?? ""), this.#digest) && given !== undefined;
  }

  /** Another one for each token; nothing can be learnt of the token from it. */
  async mark(): Promise<string> {
    await this.#refresh();
    return hash("sha256", this.#digest, "hex");
  }

  async #refresh(): Promise<void> {
    const now = this.#now();
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return;
    this.#lookedAt = now;
    const stamp = stampOf(this.#path);
    if (stamp === this.#stamp) return;
    // A file that is gone or spoilt opens to nobody until it is mended.
    this.#digest = await readToken(this.#path).then(digest, () => randomBytes(32));
    this.#stamp = stamp;
  }
}

/** Equal lengths are what a comparison in constant time needs. */
function digest(token: string): Buffer {
  return hash("sha256", token, "buffer");
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.ino} ${stats.mtimeMs} ${stats.size} ${stats.mode}`;
}

async function writeNew(path: string): Promise<string> {
  const own = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(own, `maestro_${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  return own;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
