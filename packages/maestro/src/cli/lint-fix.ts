import type { LocatedDiagnostic } from "../manifest/report.ts";
import type { Replacement } from "../manifest/replacements.ts";
import { replaceNames, replacementsOf } from "../manifest/replacements.ts";

export interface Fixed {
  readonly text: string;
  readonly done: readonly Replacement[];
}

/** What stands behind a mistake shows when it is mended. */
const ROUNDS = 10;

/**
 * Writes the names that were probably meant, each only if the manifest has no problem at that place afterwards. A manifest
 * with an error cannot run, so nothing that works is changed.
 */
export async function fixNames(
  text: string,
  lint: (text: string) => Promise<readonly LocatedDiagnostic[]>,
): Promise<Fixed> {
  let fixed: Fixed = { text, done: [] };
  let found = await lint(text);
  for (let round = 0; round < ROUNDS; round++) {
    const better = await improve(fixed.text, errorsOf(found), lint);
    if (better === undefined) break;
    fixed = { text: better.text, done: [...fixed.done, ...better.done] };
    found = better.found;
  }
  return fixed;
}

function errorsOf(diagnostics: readonly LocatedDiagnostic[]): readonly LocatedDiagnostic[] {
  return diagnostics.filter(({ severity }) => severity === "error");
}

interface Better extends Fixed {
  readonly found: readonly LocatedDiagnostic[];
}

async function improve(
  text: string,
  errors: readonly LocatedDiagnostic[],
  lint: (text: string) => Promise<readonly LocatedDiagnostic[]>,
): Promise<Better | undefined> {
  const all = replacementsOf(errors);
  if (all.length === 0) return undefined;
  // What does not hold is left out, and the others are tried again without it.
  const tried = replaceNames(text, all);
  const held = holding(all, await lint(tried), all);
  if (held.length === 0) return undefined;
  const next = held.length === all.length ? tried : replaceNames(text, held);
  const found = await lint(next);
  return holding(held, found, held).length === held.length ? { text: next, done: held.toReversed(), found } : undefined;
}

/** Replacements at whose places nothing is wrong any more. */
function holding(
  list: readonly Replacement[],
  after: readonly LocatedDiagnostic[],
  applied: readonly Replacement[],
): readonly Replacement[] {
  return list.filter((one) => {
    const column = columnAfter(one, applied);
    return !errorsOf(after).some((problem) => problem.line === one.line && Math.abs(problem.column - column) <= 1);
  });
}

/** Others before it on its line have moved it. */
function columnAfter({ line, column }: Replacement, applied: readonly Replacement[]): number {
  return applied
    .filter((one) => one.line === line && one.column < column)
    .reduce((at, { from, to }) => at + to.length - from.length, column);
}
