import type { DatabaseSync } from "node:sqlite";
import type { ListSource, RunList } from "./run-list.ts";
import { RunLists } from "./run-lists.ts";
import type { SqlValue } from "./sql.ts";
import { ListStatement, storeProblem } from "./sql.ts";

/** A run as JSON. */
export interface RunText {
  readonly id: string;
  readonly text: string;
}

interface Kept extends RunText {
  readonly stamp: string;
}

/** Characters of all that is kept. */
const MAX_ALL = 8 * 1024 * 1024;

/**
 * Runs as the texts that lists are made of. People and consoles look at the same pages again and again, so texts are kept, and
 * what is read of a run that has not changed is only that it hasn't: half of what it takes to read, check and write it anew.
 */
export class RunTexts implements ListSource<RunText> {
  readonly #path: string;
  readonly #lists: RunLists;
  readonly #stamps: ListStatement;
  readonly #kept = new Map<string, Kept>();
  #size = 0;

  constructor(db: DatabaseSync, path: string) {
    this.#path = path;
    this.#lists = new RunLists(db, path);
    this.#stamps = new ListStatement(db, "run-stamps");
  }

  slice(statement: RunList, values: readonly SqlValue[]): readonly (readonly SqlValue[])[] {
    return this.#lists.slice(statement, values);
  }

  runs(ids: readonly string[]): readonly RunText[] {
    const stamps = this.#stampsOf(ids);
    const known = [...stamps].flatMap(([id, stamp]) => {
      const kept = this.#kept.get(id);
      return kept?.stamp === stamp ? [kept] : [];
    });
    if (known.length === stamps.size) return known;
    const isKnown = new Set(known.map(({ id }) => id));
    const fresh = this.#lists
      .runs([...stamps.keys()].filter((id) => !isKnown.has(id)))
      // Read after its stamp: what came between the two is not kept under the old one for longer than until the next look.
      .map((run) => this.#keep({ id: run.id, text: JSON.stringify(run), stamp: stamps.get(run.id) ?? "" }));
    return [...known, ...fresh];
  }

  #stampsOf(ids: readonly string[]): ReadonlyMap<string, string> {
    try {
      const rows = this.#stamps.all(JSON.stringify(ids));
      return new Map(rows.map(([id, ...stamp]) => [String(id), stamp.join(" ")]));
    } catch (error) {
      throw storeProblem(error, this.#path);
    }
  }

  #keep(run: Kept): Kept {
    this.#forget(run.id);
    this.#kept.set(run.id, run);
    this.#size += run.text.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#size <= MAX_ALL) break;
      this.#forget(oldest);
    }
    return run;
  }

  #forget(id: string): void {
    this.#size -= this.#kept.get(id)?.text.length ?? 0;
    this.#kept.delete(id);
  }
}
