import { COMMANDS } from "./commands.ts";
import { namesOf } from "./complete-names.ts";
import { wantedAt } from "./complete-words.ts";
import type { Candidate } from "./complete-words.ts";

/** From the start of the process to the end of waiting for names: a person is pressing a key. */
const LIMIT_MS = 300;

/**
 * `maestro __complete WORD…`, for the scripts of `maestro completion`: the words after `maestro`, the last of them up to the
 * cursor. Prints `files`, `folders` or `none`, whether paths can stand there too, then a line for each word that can, with
 * a tab and what it means. Whatever goes wrong, it is silent and ends with 0: a message would be printed into the line
 * that somebody is writing, and that there is nothing to offer says enough.
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const waitMs = LIMIT_MS - process.uptime() * 1000;
    process.stdout.write(await completionOf(argv.slice(1), { env: process.env, cwd: process.cwd(), waitMs }));
  } catch {
    // As it says above.
  }
  return 0;
}

/** What it prints. */
export async function completionOf(
  words: readonly string[],
  where: { readonly env: NodeJS.ProcessEnv; readonly cwd: string; readonly waitMs: number },
): Promise<string> {
  const { env, cwd, waitMs } = where;
  const { candidates, kinds, typed, head, options } = wantedAt(words, COMMANDS);
  const abort = new AbortController();
  // Whoever does not answer in time is not waited for, and must not hold the process either.
  const timer = setTimeout(() => abort.abort(), Math.max(0, waitMs));
  const source = { options, env, cwd, signal: abort.signal };
  const late = new Promise<readonly Candidate[]>((resolve) =>
    abort.signal.addEventListener("abort", () => resolve([])),
  );
  const names: Candidate[] = [];
  for (const kind of kinds) {
    const found = await Promise.race([namesOf(kind, source).catch(() => []), late]);
    names.push(...found.filter(({ word }) => word.startsWith(typed)).map((one) => ({ ...one, word: head + one.word })));
  }
  clearTimeout(timer);
  const paths = kinds.includes("file") ? "files" : kinds.includes("folder") ? "folders" : "none";
  return [paths, ...[...candidates, ...names].map(line)].join("\n").concat("\n");
}

function line({ word, about }: Candidate): string {
  // One line and one tab each, whatever a run or a manifest is called.
  const clean = about.replaceAll(/[\p{Cc}\p{Bidi_Control}]+/gu, " ").slice(0, 100);
  return `${word}\t${clean}`;
}
