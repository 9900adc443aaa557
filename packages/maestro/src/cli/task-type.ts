import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { taskTypes } from "../task/catalogue.ts";
import type { TaskDescription } from "../task/task.ts";

/** By `name` (its newest version) or `name@version`. Errors: `not_found`. */
export function findTaskType(reference: string): TaskDescription {
  const all = [...taskTypes().values()].map(({ description }) => description);
  const named = all.filter(({ name, version }) => name === reference || `${name}@${version}` === reference);
  const newest = named.toSorted((a, b) => b.version - a.version)[0];
  if (newest !== undefined) return newest;
  const near = suggest(reference.replace(/@.*$/, ""), new Set(all.map(({ name }) => name)));
  throw new MaestroError(
    "not_found",
    `There is no task type ${reference}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { fix: "List them: `maestro task list`." },
  );
}
