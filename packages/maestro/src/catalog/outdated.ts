import { digestOf } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { PublishedRow, Store } from "../store/store.ts";
import type { TaskDescription } from "../task/task.ts";

/** Of more than so many published versions the oldest are not looked at. */
const MAX_LOOKED_AT = 1_000;

/**
 * The published workflows whose plans name another program as this task type, by the newest version of each: their runs fail
 * until they are published again. `namespaces`: only of these. Newest first.
 */
export async function outdatedBy(
  store: Pick<Store, "publishedList" | "planGet">,
  type: TaskDescription,
  namespaces?: readonly string[],
): Promise<readonly PublishedRow[]> {
  const digest = digestOf(type as unknown as JsonObject);
  const published = await store.publishedList({
    limit: MAX_LOOKED_AT,
    ...(namespaces === undefined ? {} : { namespaces }),
  });
  const outdated: PublishedRow[] = [];
  for (const row of newestOfEach(published)) {
    const plan = await store.planGet(row.planDigest);
    if (plan !== undefined && namesAnother(JSON.parse(plan.text) as Plan, type, digest)) outdated.push(row);
  }
  return outdated;
}

function newestOfEach(rows: readonly PublishedRow[]): Iterable<PublishedRow> {
  const newest = new Map<string, PublishedRow>();
  for (const row of rows) {
    const name = `${row.namespace}/${row.name}`;
    if (!newest.has(name)) newest.set(name, row);
  }
  return newest.values();
}

function namesAnother({ tasks }: Plan, { name, version }: TaskDescription, digest: string): boolean {
  return tasks
    .flatMap(({ uses, undo }) => (undo === undefined ? [uses] : [uses, undo.uses]))
    .some((use) => use.kind === "type" && use.name === name && use.version === version && use.digest !== digest);
}
