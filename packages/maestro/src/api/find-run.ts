import { MaestroError } from "../core/problem.ts";
import type { RunRow, Store } from "../store/store.ts";

/**
 * The run that a person means: its id, a beginning or an end of it that is unique, `@last` (the newest that no other
 * run started) or `@failed` (the newest that failed or was denied). What the caller does not see is not there. Errors: `not_found`, `ambiguous_id`, `invalid_request`.
 */
export async function findRun(
  store: Store,
  reference: string,
  sees: (row: RunRow) => boolean = () => true,
): Promise<RunRow> {
  if (reference.startsWith("@")) return newest(store, reference, sees);
  if (!/^[a-z0-9_]{1,64}$/.test(reference)) {
    throw new MaestroError(
      "invalid_request",
      `${JSON.stringify(reference.slice(0, 80))} is not a run id: ids are small letters, digits and "_".`,
      {
        fix: "Take the id from `maestro runs`, or use @last or @failed.",
      },
    );
  }
  const exact = await store.runGet(reference);
  if (exact !== undefined && sees(exact)) return exact;
  const rows = await Promise.all((await store.runFind(reference, MAX_CANDIDATES)).map(async (id) => store.runGet(id)));
  const seen = rows.filter((row) => row !== undefined && sees(row));
  const [first, second] = seen;
  if (first === undefined)
    throw new MaestroError("not_found", `No run's id is, begins or ends with ${reference}.`, {
      fix: "List the runs: `maestro runs`.",
    });
  if (second !== undefined) {
    const ids = seen.map((row) => row?.id ?? "");
    throw new MaestroError("ambiguous_id", `${reference} stands for several runs: ${ids.join(", ")}.`, {
      facts: { candidates: ids },
    });
  }
  return first;
}

const MAX_CANDIDATES = 5;

async function newest(store: Store, reference: string, sees: (row: RunRow) => boolean): Promise<RunRow> {
  if (reference !== "@last" && reference !== "@failed") {
    throw new MaestroError("invalid_request", `${reference} is not known; there are @last and @failed.`);
  }
  let cursor: string | null = null;
  do {
    const page = await store.runList({
      limit: 50,
      ...(reference === "@failed" ? { status: ["failed", "denied"] } : {}),
      ...(cursor === null ? {} : { cursor }),
    });
    const found = page.runs.find((row) => row.parentRun === null && sees(row));
    if (found !== undefined) return found;
    cursor = page.cursor;
  } while (cursor !== null);
  throw new MaestroError("not_found", reference === "@last" ? "There is no run yet." : "No run has failed.", {
    fix: "List the runs: `maestro runs`.",
  });
}
