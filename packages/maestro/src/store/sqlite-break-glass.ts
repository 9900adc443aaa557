import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { MaestroError } from "../core/problem.ts";
import type { BreakGlassRow, BreakGlassStore } from "./break-glass.ts";
import { DamagedRow } from "./rows.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import { Statement, storeProblem } from "./sql.ts";

/** Who went past the policy, in the embedded store, on the store's own connection. */
export class SqliteBreakGlass implements BreakGlassStore {
  readonly #path: string;
  readonly #insert: Statement;
  readonly #get: Statement;
  readonly #list: Statement;
  readonly #open: Statement;
  readonly #over: Statement;
  readonly #end: Statement;

  constructor(db: DatabaseSync, path: string) {
    this.#path = path;
    this.#insert = new Statement(db, "break-glass-insert");
    this.#get = new Statement(db, "break-glass-get");
    this.#list = new Statement(db, "break-glass-list");
    this.#open = new Statement(db, "break-glass-open");
    this.#over = new Statement(db, "break-glass-over");
    this.#end = new Statement(db, "break-glass-end");
  }

  async put(row: BreakGlassRow): Promise<void> {
    this.#guard(() => this.#insert.run(...values(row), checksumOf(row)));
  }

  async end(id: string, { at, by }: { readonly at: number; readonly by: string | null }): Promise<BreakGlassRow> {
    const row = await this.get(id);
    if (row === undefined) throw new MaestroError("not_found", `There is no break-glass ${id}.`, { fix: LIST });
    const ended: BreakGlassRow = { ...row, endedAt: at, endedBy: by };
    const changed = row.endedAt === null && this.#guard(() => this.#end.run(id, at, by, checksumOf(ended))) === 1;
    if (!changed) throw new MaestroError("conflict", `The break-glass ${id} was ended already.`, { fix: LIST });
    return ended;
  }

  async get(id: string): Promise<BreakGlassRow | undefined> {
    const row = this.#guard(() => this.#get.get(id));
    return row === undefined ? undefined : read(row);
  }

  async list(limit: number): Promise<readonly BreakGlassRow[]> {
    return this.#guard(() => this.#list.all(limit)).map(read);
  }

  async open(now: number): Promise<readonly BreakGlassRow[]> {
    return this.#guard(() => this.#open.all(now)).map(read);
  }

  async over(now: number): Promise<readonly BreakGlassRow[]> {
    return this.#guard(() => this.#over.all(now)).map(read);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeProblem(error, this.#path);
    }
  }
}

const LIST = "List them: `maestro policy break-glass list`.";

function values({ id, subject, namespace, reason, from, until, endedAt, endedBy }: BreakGlassRow): SqlValue[] {
  return [id, subject, namespace, reason, from, until, endedAt, endedBy];
}

function checksumOf(row: BreakGlassRow): number {
  return crc32(JSON.stringify(values(row)));
}

function read(row: SqlRow): BreakGlassRow {
  const { checksum, ...rest } = row as unknown as BreakGlassRow & { readonly checksum: number };
  const found: BreakGlassRow = { ...rest };
  if (checksumOf(found) !== checksum) throw new DamagedRow(`the break-glass ${found.id}`, { breakGlass: found.id });
  return found;
}
