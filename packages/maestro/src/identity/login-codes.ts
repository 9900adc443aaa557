import { hash } from "node:crypto";
import { MaestroError } from "../core/problem.ts";
import { Refused } from "./refused.ts";

export const CODE_LIMITS = { lastsMs: 300_000, open: 16 } as const;

/** Codes that let the owner's browser in: each once, for minutes, and gone with the process. Only their digests are kept. */
export class LoginCodes {
  readonly #now: () => number;
  readonly #randomBytes: (size: number) => Uint8Array;
  readonly #open = new Map<string, number>();

  constructor(now: () => number, randomBytes: (size: number) => Uint8Array) {
    this.#now = now;
    this.#randomBytes = randomBytes;
  }

  /** Errors: `limit_exceeded`. */
  make(): { readonly code: string; readonly expiresAt: number } {
    const now = this.#now();
    for (const [digest, expiresAt] of this.#open) if (expiresAt <= now) this.#open.delete(digest);
    if (this.#open.size >= CODE_LIMITS.open)
      throw new MaestroError("limit_exceeded", `${CODE_LIMITS.open} login links are open, which is the limit.`, {
        fix: "Use one of them, or wait five minutes until they are over.",
      });
    const code = Buffer.from(this.#randomBytes(32)).toString("base64url");
    const expiresAt = now + CODE_LIMITS.lastsMs;
    this.#open.set(hash("sha256", code, "hex"), expiresAt);
    return { code, expiresAt };
  }

  /** Spends it; resolves what it proves. Throws Refused. */
  take(code: string): string {
    const digest = hash("sha256", code, "hex");
    const expiresAt = this.#open.get(digest);
    this.#open.delete(digest);
    if (expiresAt === undefined || expiresAt <= this.#now()) throw new Refused("code_spent");
    return digest;
  }
}
