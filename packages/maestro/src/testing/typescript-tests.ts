import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { run } from "node:test";
import { pathToFileURL } from "node:url";
import type { Digest } from "../core/digest.ts";
import type { Seen } from "./seen-here.ts";

/** One test of a TypeScript file, as node:test tells it. */
export interface ScriptResult {
  readonly file: string;
  /** With the names of its suites: `rollback › undoes what was deployed`. */
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** What it threw, for people. */
  readonly message: string | null;
  readonly line: number;
  readonly column: number;
  readonly realMs: number;
}

const RESOLVE = new URL("./resolve-testing.ts", import.meta.url).href;

export interface ScriptResults {
  readonly results: readonly ScriptResult[];
  /** What their runs did, for the coverage. */
  readonly seen: readonly Seen[];
}

/**
 * Runs test files with node's own runner, each in a process of its own; `@summit/maestro/testing` is this installation's
 * wherever the file lies. A file that cannot be loaded is one failed test.
 */
export async function runScripts(files: readonly string[], options: ScriptOptions): Promise<ScriptResults> {
  const folder = await mkdtemp(join(tmpdir(), "maestro-test-seen-"));
  try {
    const results = await runAll(files, folder, options);
    return { results, seen: await seenIn(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface ScriptOptions {
  readonly pattern: RegExp | undefined;
  readonly timeoutMs: number;
}

/** What the processes of tests left there; one that was killed left nothing. */
async function seenIn(folder: string): Promise<readonly Seen[]> {
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  return texts.flatMap((text) =>
    // Written by resolve-testing.ts of this installation.
    (JSON.parse(text) as { readonly manifest: string; readonly digest: Digest; readonly branches: string[] }[]).map(
      ({ branches, ...rest }) => ({ ...rest, branches: new Set(branches) }),
    ),
  );
}

async function runAll(
  files: readonly string[],
  folder: string,
  options: ScriptOptions,
): Promise<readonly ScriptResult[]> {
  const results: ScriptResult[] = [];
  const suites: string[] = [];
  const said = new Map<string, string>();
  const stream = run({
    files: [...files],
    execArgv: ["--import", `${RESOLVE}?seen=${encodeURIComponent(folder)}`],
    timeout: options.timeoutMs,
    ...(options.pattern === undefined ? {} : { testNamePatterns: [options.pattern] }),
  });
  const end = (data: TestEnd, status: "passed" | "failed"): void => {
    suites.length = data.nesting;
    if (data.details.type === "suite" && status === "passed") return;
    // A suite fails with its tests, which are told already.
    if (data.details.type === "suite" && results.some((one) => one.status === "failed" && one.file === data.file))
      return;
    const skipped = data.skip !== undefined && data.skip !== false;
    results.push({
      file: data.file ?? "",
      name: [...suites, data.name].join(" › "),
      status: skipped ? "skipped" : status,
      message: status === "failed" ? failureOf(data, said) : null,
      line: data.line ?? 1,
      column: data.column ?? 1,
      realMs: Math.round(data.details.duration_ms),
    });
  };
  stream.on("test:stderr", ({ file, message }) => {
    said.set(file, `${said.get(file) ?? ""}${message}`.slice(-MAX_SAID));
  });
  stream.on("test:start", ({ nesting, name }) => {
    suites.length = nesting;
    suites.push(name);
  });
  stream.on("test:pass", (data) => end(data, "passed"));
  stream.on("test:fail", (data) => end(data, "failed"));
  await new Promise<void>((done, reject) => {
    stream.on("end", done);
    stream.on("error", reject);
    stream.resume();
  });
  return results;
}

/** What node:test gives with an end; its types leave out some of it. */
interface TestEnd {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly skip?: string | boolean;
  readonly details: { readonly duration_ms: number; readonly type?: string; readonly error?: unknown };
}

/** Of what a file that cannot be loaded said, its last part. */
const MAX_SAID = 4000;

function failureOf({ name, file = "", details }: TestEnd, said: ReadonlyMap<string, string>): string {
  if (name === file) return `the file ended before its tests were done\n${(said.get(file) ?? "").trim()}`;
  const { error } = details;
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  const fix = "fix" in cause && typeof cause.fix === "string" ? `\nfix: ${cause.fix}` : "";
  return `${cause.message === "" ? cause.name : cause.message}${fix}${whereOf(cause, file)}`;
}

/** The line of the test that threw, where the error knows it: the test's own position is that of its beginning. */
function whereOf({ stack = "" }: Error, file: string): string {
  const line = stack.split("\n").find((one) => one.includes(pathToFileURL(file).href) || one.includes(`(${file}:`));
  const place = /:(\d+:\d+)\)?$/.exec(line ?? "")?.[1];
  return place === undefined ? "" : `\nat ${basename(file)}:${place}`;
}
