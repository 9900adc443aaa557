import type { DatabaseSync } from "node:sqlite";
import { readRunValues } from "./rows.ts";
import { RUN_LISTS } from "./run-list.ts";
import type { ListSource, RunList } from "./run-list.ts";
import type { SqlValue } from "./sql.ts";
import { ListStatement, storeProblem } from "./sql.ts";
import type { RunRow } from "./store.ts";

/** The statements of runs and of lists of them, prepared on a connection. */
export class RunLists implements ListSource {
  readonly #path: string;
  readonly #lists: Readonly<Record<RunList, ListStatement>>;
  readonly #rows: ListStatement;
  readonly #row: ListStatement;

  constructor(db: DatabaseSync, path: string) {
    this.#path = path;
    this.#rows = new ListStatement(db, "run-rows");
    this.#row = new ListStatement(db, "run-get");
    this.#lists = Object.fromEntries(RUN_LISTS.map((name) => [name, new ListStatement(db, name)])) as Record<
      RunList,
      ListStatement
    >;
  }

  slice(statement: RunList, values: readonly SqlValue[]): readonly (readonly SqlValue[])[] {
    return this.#guard(() => this.#lists[statement].all(...values));
  }

  runs(ids: readonly string[]): readonly RunRow[] {
    return this.#guard(() => this.#rows.all(JSON.stringify(ids)).map(readRunValues));
  }

  run(id: string): RunRow | undefined {
    return this.#guard(() => {
      const values = this.#row.get(id);
      return values === undefined ? undefined : readRunValues(values);
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
