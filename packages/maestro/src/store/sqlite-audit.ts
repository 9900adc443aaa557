import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { Digest } from "../core/digest.ts";
import type { AuditQuery, AuditRow, AuditStore, QuestionRow, StoredAuditRow } from "./audit.ts";
import { DamagedRow } from "./rows.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import { Statement, storeProblem } from "./sql.ts";

/** The values of audit-append. */
export function auditValues(row: AuditRow): SqlValue[] {
  const { at, kind, actor, action, namespace, resource, allow, text } = row;
  return [at, kind, actor, action, namespace, resource, allow ? 1 : 0, text, auditChecksum(row)];
}

/** The values of question-put. */
export function questionValues({ digest, text }: QuestionRow): SqlValue[] {
  return [digest, text, crc32(text, crc32(digest))];
}

/** The audit of the embedded store, on the store's own connection. */
export class SqliteAudit implements AuditStore {
  readonly #path: string;
  readonly #size: Statement;
  readonly #list: Statement;
  readonly #listByActor: Statement;
  readonly #listByResource: Statement;
  readonly #page: Statement;
  readonly #question: Statement;

  constructor(db: DatabaseSync, path: string) {
    this.#path = path;
    this.#size = new Statement(db, "audit-size");
    this.#list = new Statement(db, "audit-list");
    this.#listByActor = new Statement(db, "audit-list-by-actor");
    this.#listByResource = new Statement(db, "audit-list-by-resource");
    this.#page = new Statement(db, "audit-page");
    this.#question = new Statement(db, "question-get");
  }

  async size(): Promise<number> {
    return this.#guard(() => Number(this.#size.get()?.["size"] ?? 0));
  }

  async list(query: AuditQuery): Promise<readonly StoredAuditRow[]> {
    const values = listValues(query);
    return this.#guard(() => {
      if (query.actor !== undefined) return this.#listByActor.all(...values, query.actor).map(readAudit);
      return (query.resource === undefined ? this.#list : this.#listByResource).all(...values).map(readAudit);
    });
  }

  async page({ from, limit }: { readonly from: number; readonly limit: number }): Promise<readonly StoredAuditRow[]> {
    return this.#guard(() => this.#page.all(from, limit).map(readAudit));
  }

  async question(digest: Digest): Promise<QuestionRow | undefined> {
    return this.#guard(() => {
      const row = this.#question.get(digest);
      return row === undefined ? undefined : readQuestion(row);
    });
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeProblem(error, this.#path);
    }
  }
}

function listValues(query: AuditQuery): SqlValue[] {
  return [
    query.before ?? Number.MAX_SAFE_INTEGER,
    query.limit,
    query.resource ?? null,
    query.action ?? null,
    query.namespaces === undefined ? null : JSON.stringify(query.namespaces),
    query.from ?? 0,
    query.to ?? Number.MAX_SAFE_INTEGER,
    query.kind ?? null,
    query.allow === undefined ? null : Number(query.allow),
  ];
}

function auditChecksum({ at, kind, actor, action, namespace, resource, allow, text }: AuditRow): number {
  return crc32(text, crc32(JSON.stringify([at, kind, actor, action, namespace, resource, allow])));
}

function readAudit(row: SqlRow): StoredAuditRow {
  const { checksum, allow, ...rest } = row as unknown as Omit<StoredAuditRow, "allow"> & {
    readonly checksum: number;
    readonly allow: number;
  };
  const entry: StoredAuditRow = { ...rest, allow: allow === 1 };
  if (auditChecksum(entry) !== checksum)
    throw new DamagedRow(`entry ${entry.place} of the audit`, { place: entry.place });
  return entry;
}

function readQuestion(row: SqlRow): QuestionRow {
  const { checksum, ...rest } = row as unknown as QuestionRow & { readonly checksum: number };
  const question: QuestionRow = { ...rest };
  if (crc32(question.text, crc32(question.digest)) !== checksum)
    throw new DamagedRow(`the question ${question.digest}`, { digest: question.digest });
  return question;
}
