import { run } from "node:test";

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

/**
 * Runs test files with node's own runner, each in a process of its own; `@summit/maestro/testing` is this installation's
 * wherever the file lies. A file that cannot be loaded is one failed test.
 */
export async function runScripts(
  files: readonly string[],
  options: { readonly pattern: RegExp | undefined; readonly timeoutMs: number },
): Promise<readonly ScriptResult[]> {
  const results: ScriptResult[] = [];
  const suites: string[] = [];
  const said = new Map<string, string>();
  const stream = run({
    files: [...files],
    execArgv: ["--import", RESOLVE],
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
  if (cause instanceof Error) return cause.message === "" ? cause.name : cause.message;
  return String(cause);
}
