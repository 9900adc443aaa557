import type { CelList } from "@bufbuild/cel";
import type { Artifact } from "./event.ts";
import type { JsonValue } from "./json.ts";
import { asList, asMap, Fields, type Key, MappedList, prepare, type Prepared } from "./lazy.ts";
import { loadCel } from "./load-cel.ts";

/** What an expression can see, by name: inputs, tasks, run, task, item, error, now and the `as` name of a fan-out. */
export type Scope = Readonly<Record<string, Prepared>>;

/** What expressions see of a task that has settled. `items` is there if it fans out. */
export interface TaskScope {
  readonly status: string;
  readonly output: JsonValue;
  readonly artifacts: readonly Artifact[];
  readonly failed: number;
  readonly succeeded: number;
  readonly items?: readonly ItemScope[];
}

export interface ItemScope {
  readonly status: string;
  readonly output: JsonValue;
  readonly artifacts: readonly Artifact[];
  readonly error: JsonValue;
}

export const TASK_FIELDS = ["status", "output", "artifacts", "failed", "succeeded"] as const;
export const ITEM_FIELDS = ["status", "output", "artifacts", "error"] as const;

/** A moment, for the name `now`: it can be compared, and durations can be added. `at` is epoch milliseconds. */
export function prepareTime(at: number): Prepared {
  return loadCel().timestampOf(at);
}

/** `tasks.<id>` of a settled task; reads the view only where an expression does, so its members may be getters. */
export function prepareTask(view: TaskScope): Prepared {
  return asMap(
    view.items === undefined ? new Fields(TASK_FIELDS, (name) => taskField(view, name)) : new FanOut(view, view.items),
  );
}

/** The name `tasks`: only tasks that an expression reads are looked up. `ids` is every task that the plan knows. */
export function prepareTasks(ids: readonly string[], lookup: (id: string) => Prepared | undefined): Prepared {
  return asMap(new Fields(ids, lookup));
}

function taskField(view: TaskScope, name: string): Prepared | undefined {
  switch (name) {
    case "status":
      return view.status;
    case "output":
      return prepare(view.output);
    case "artifacts":
      return asList(new MappedList(view.artifacts, prepareArtifact));
    case "failed":
      return BigInt(view.failed);
    case "succeeded":
      return BigInt(view.succeeded);
    default:
      return undefined;
  }
}

function prepareItem(item: ItemScope): Prepared {
  return asMap(
    new Fields(ITEM_FIELDS, (name) => {
      if (name === "status") return item.status;
      if (name === "output") return prepare(item.output);
      if (name === "artifacts") return asList(new MappedList(item.artifacts, prepareArtifact));
      return name === "error" ? prepare(item.error) : undefined;
    }),
  );
}

function prepareArtifact(artifact: Artifact): Prepared {
  return prepare({ ...artifact });
}

/** A task that fans out: a list of items by number (`tasks.pack[0]`) and its counts by name (`tasks.pack.failed`). */
export class FanOut extends Fields {
  readonly items: CelList;

  constructor(view: TaskScope, items: readonly ItemScope[]) {
    const list = asList(new MappedList(items, prepareItem));
    super([...TASK_FIELDS, "items"], (name) => {
      if (name === "items") return list;
      // The outputs in item order; an item without one holds null, so that positions agree with the items.
      return name === "output" ? asList(new MappedList(items, (item) => prepare(item.output))) : taskField(view, name);
    });
    this.items = list;
  }

  override get size(): number {
    return this.items.size;
  }

  override get(key: Key): Prepared | undefined {
    if (typeof key === "bigint" || typeof key === "number") return this.items.get(Number(key));
    return super.get(key);
  }

  override has(key: Key): boolean {
    return typeof key === "bigint" || typeof key === "number"
      ? Number(key) >= 0 && Number(key) < this.size
      : super.has(key);
  }
}
