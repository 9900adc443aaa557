import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import type { Cli } from "./cli.ts";
import { knownTypes } from "./known-types.ts";
import type { KnownType } from "./known-types.ts";

/** By `name` (its newest version) or `name@version`. Errors: `not_found`. */
export async function findTaskType(cli: Cli, reference: string): Promise<KnownType> {
  const all = await knownTypes(cli);
  const named = all.filter(
    ({ description: { name, version } }) => name === reference || `${name}@${version}` === reference,
  );
  const newest = named.toSorted((a, b) => b.description.version - a.description.version)[0];
  if (newest !== undefined) return newest;
  const near = suggest(reference.replace(/@.*$/, ""), new Set(all.map(({ description }) => description.name)));
  throw new MaestroError(
    "not_found",
    `There is no task type ${reference}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { fix: "List them: `maestro task list`." },
  );
}
