import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { canonical } from "../core/canonical.ts";
import type { JsonObject } from "../core/json.ts";
import { DamagedRow } from "./rows.ts";
import type { SessionQuery, SessionRow, SessionStore } from "./session.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import { Statement, storeProblem } from "./sql.ts";

/** Sessions of the embedded store, on the store's own connection. */
export class SqliteSessions implements SessionStore {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #insert: Statement;
  readonly #byDigest: Statement;
  readonly #get: Statement;
  readonly #list: Statement;
  readonly #listBySubject: Statement;
  readonly #seen: Statement;
  readonly #revoke: Statement;
  readonly #sweep: Statement;

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#begin = db.prepare("begin immediate");
    this.#commit = db.prepare("commit");
    this.#insert = new Statement(db, "session-insert");
    this.#byDigest = new Statement(db, "session-by-digest");
    this.#get = new Statement(db, "session-get");
    this.#list = new Statement(db, "session-list");
    this.#listBySubject = new Statement(db, "session-list-by-subject");
    this.#seen = new Statement(db, "session-seen");
    this.#revoke = new Statement(db, "session-revoke");
    this.#sweep = new Statement(db, "session-sweep");
  }

  async put(row: SessionRow): Promise<boolean> {
    return this.#guard(() => this.#insert.run(...sessionValues(row)) === 1);
  }

  async byDigest(digest: string): Promise<SessionRow | undefined> {
    return this.#guard(() => readOne(this.#byDigest.get(digest)));
  }

  async get(id: string): Promise<SessionRow | undefined> {
    return this.#guard(() => readOne(this.#get.get(id)));
  }

  async list({ before, limit, goodAt, subject }: SessionQuery): Promise<readonly SessionRow[]> {
    const values = [before ?? BEYOND, limit, goodAt ?? null];
    return this.#guard(() =>
      (subject === undefined ? this.#list.all(...values) : this.#listBySubject.all(...values, subject)).map(
        readSession,
      ),
    );
  }

  async seen(id: string, at: number): Promise<void> {
    this.#guard(() => this.#seen.run(id, at));
  }

  async revoke(
    ids: readonly string[],
    { at, by }: { readonly at: number; readonly by: string },
  ): Promise<readonly string[]> {
    return this.#guard(() => {
      this.#begin.run();
      try {
        const ended = ids.filter((id) => {
          const row = readOne(this.#get.get(id));
          if (row === undefined || row.revokedAt !== null) return false;
          return this.#revoke.run(id, at, by, checksumOf({ ...row, revokedAt: at, revokedBy: by })) === 1;
        });
        this.#commit.run();
        return ended;
      } catch (error) {
        // Where the disk is full, SQLite has rolled back by itself.
        if (this.#db.isTransaction) this.#db.exec("rollback");
        throw error;
      }
    });
  }

  async sweep(before: number, limit: number): Promise<number> {
    return this.#guard(() => this.#sweep.run(before, limit));
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeProblem(error, this.#path);
    }
  }
}

/** Greater than any id. */
const BEYOND = "\u{10ffff}";

function sessionValues(row: SessionRow): SqlValue[] {
  const { id, digest, subject, issuer, label, proof, createdAt, expiresAt, seenAt, revokedAt, revokedBy } = row;
  const claims = canonical(row.claims);
  const checksum = checksumOf(row);
  return [
    id,
    digest,
    subject,
    issuer,
    claims,
    label,
    proof,
    createdAt,
    expiresAt,
    seenAt,
    revokedAt,
    revokedBy,
    checksum,
  ];
}

/** Of all but when it was seen, which changes by itself. */
function checksumOf(row: SessionRow): number {
  const { id, digest, subject, issuer, label, proof, createdAt, expiresAt, revokedAt, revokedBy } = row;
  const told = [id, digest, subject, issuer, label, proof, createdAt, expiresAt, revokedAt, revokedBy];
  return crc32(canonical(row.claims), crc32(JSON.stringify(told)));
}

function readOne(row: SqlRow | undefined): SessionRow | undefined {
  return row === undefined ? undefined : readSession(row);
}

function readSession(row: SqlRow): SessionRow {
  const { checksum, claims, ...rest } = row as unknown as Omit<SessionRow, "claims"> & {
    readonly checksum: number;
    readonly claims: string;
  };
  const session: SessionRow = { ...rest, claims: parsed(claims) };
  if (checksumOf(session) !== checksum) throw new DamagedRow(`the session ${session.id}`, { session: session.id });
  return session;
}

function parsed(claims: string): JsonObject {
  try {
    return JSON.parse(claims) as JsonObject;
  } catch (error) {
    if (error instanceof SyntaxError) return {}; // The checksum, which covers the text that was written, tells.
    throw error;
  }
}
