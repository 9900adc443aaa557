import { hash } from "node:crypto";
import { makeId } from "../core/id.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { SessionRow, SessionStore } from "../store/session.ts";
import { Refused } from "./refused.ts";
import { SESSION_LIMITS } from "./settings.ts";

export interface SessionParts {
  readonly store: SessionStore;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
}

export interface NewSession {
  readonly subject: string;
  readonly issuer: string | null;
  readonly claims: JsonObject;
  readonly label: string;
  /** What it begins with: nothing begins two. */
  readonly proof: string;
  readonly lastsMs: number;
}

/** The prefix lets scanners for secrets know one when they see it. */
const PREFIX = "maestro_s_";
const FORM = /^maestro_s_[A-Za-z0-9_-]{43}$/;
const SWEEP = 1_000;

/** Logins that are remembered: begun by a proof, known by a token of 256 bit, ended by time or by somebody. */
export class Sessions {
  readonly #store: SessionStore;
  readonly #now: () => number;
  readonly #randomBytes: SessionParts["randomBytes"];

  constructor({ store, now, randomBytes }: SessionParts) {
    this.#store = store;
    this.#now = now;
    this.#randomBytes = randomBytes;
  }

  /** The token is told here and never again. Rejects with Refused (`replayed`), `limit_exceeded`. */
  async begin(who: NewSession): Promise<{ readonly token: string; readonly session: SessionRow }> {
    const now = this.#now();
    await this.#store.sweep(now - SESSION_LIMITS.keptMs, SWEEP);
    const { subject, issuer, claims, label, proof, lastsMs } = who;
    const good = await this.#store.list({ subject, goodAt: now, limit: SESSION_LIMITS.perSubject });
    if (good.length >= SESSION_LIMITS.perSubject)
      throw new MaestroError("limit_exceeded", `${subject} has ${good.length} sessions, which is the limit.`, {
        fix: "End some: `maestro session list`, `maestro session revoke ID`, `maestro logout` at the end of a job.",
      });
    const token = `${PREFIX}${Buffer.from(this.#randomBytes(32)).toString("base64url")}`;
    const session: SessionRow = {
      id: makeId("s", now, this.#randomBytes(10)),
      digest: digestOf(token),
      subject,
      issuer,
      claims,
      label: label.slice(0, SESSION_LIMITS.labelLength),
      proof,
      createdAt: now,
      expiresAt: now + lastsMs,
      seenAt: now,
      revokedAt: null,
      revokedBy: null,
    };
    if (!(await this.#store.put(session))) throw new Refused("replayed");
    return { token, session };
  }

  /** The session of a token, while it is good. Looked up each time, so that it ends when it is ended. Rejects with Refused. */
  async of(token: string): Promise<SessionRow> {
    const session = FORM.test(token) ? await this.#store.byDigest(digestOf(token)) : undefined;
    const now = this.#now();
    if (session === undefined) throw new Refused("session_unknown");
    if (session.revokedAt !== null) throw new Refused("session_revoked");
    if (session.expiresAt <= now) throw new Refused("session_expired");
    if (now - session.seenAt >= SESSION_LIMITS.seenEveryMs) await this.#store.seen(session.id, now);
    return session;
  }
}

export function isSessionToken(text: string): boolean {
  return text.startsWith(PREFIX);
}

function digestOf(token: string): string {
  return hash("sha256", token, "hex");
}
