import { MaestroError } from "../core/problem.ts";
import type { RunRow, Store } from "../store/store.ts";

/**
 * The run that a person means: its id, a beginning or an end of it that is unique, `@last` (the newest that no other
 * run started) or `@failed` (the newest that failed or was denied). With `namespaces`, those of others are not there:
 * neither what is answered nor how long it takes depends on them. Errors: `not_found`, `ambiguous_id`, `invalid_request`.
 */
export async function findRun(store: Store, reference: string, namespaces?: readonly string[]): Promise<RunRow> {
  if (reference.startsWith("@")) return newest(store, reference, namespaces);
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
  if (exact !== undefined && (namespaces?.includes(exact.namespace) ?? true)) return exact;
  // An id that is whole is no part of another: whoever asks for what is not there costs one look.
  const ids = isWhole(reference) ? [] : await store.runFind(reference, MAX_CANDIDATES, namespaces);
  const [first, second] = ids;
  const row = first === undefined ? undefined : await store.runGet(first);
  if (row === undefined)
    throw new MaestroError("not_found", `No run's id is, begins or ends with ${reference}.`, {
      fix: "List the runs: `maestro runs`.",
    });
  if (second !== undefined)
    throw new MaestroError("ambiguous_id", `${reference} stands for several runs: ${ids.join(", ")}.`, {
      facts: { candidates: ids },
    });
  return row;
}

const MAX_CANDIDATES = 5;

function isWhole(reference: string): boolean {
  return /^r_[0-9a-z]{19}$/.test(reference);
}

/** Pages of the list that are looked through: each looks at 100,000 runs at most. */
const MAX_PAGES = 10;

async function newest(store: Store, reference: string, namespaces: readonly string[] | undefined): Promise<RunRow> {
  if (reference !== "@last" && reference !== "@failed") {
    throw new MaestroError("invalid_request", `${reference} is not known; there are @last and @failed.`);
  }
  let cursor: string | null = null;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await store.runList({
      limit: 1,
      parentRun: null,
      ...(namespaces === undefined ? {} : { namespaces }),
      ...(reference === "@failed" ? { status: ["failed", "denied"] } : {}),
      ...(cursor === null ? {} : { cursor }),
    });
    const [found] = page.runs;
    if (found !== undefined) return found;
    cursor = page.cursor;
    if (cursor === null) break;
  }
  throw new MaestroError("not_found", reference === "@last" ? "There is no run yet." : "No run has failed.", {
    fix: "List the runs: `maestro runs`.",
  });
}
