import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { LocatedDiagnostic } from "../../manifest/report.ts";
import { coverageOf } from "../../testing/coverage.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { findTests } from "../../testing/find-tests.ts";
import { junitXml } from "../../testing/junit.ts";
import { knownProgram } from "../../testing/known-program.ts";
import { readTests } from "../../testing/read-tests.ts";
import type { ReadResult, TestFile } from "../../testing/read-tests.ts";
import { problemsOf, runFile } from "../../testing/run-file.ts";
import type { FileResult } from "../../testing/run-file.ts";
import type { Runbook } from "../../testing/runbook.ts";
import { loadRunbook } from "../../testing/runbook.ts";
import type { Seen } from "../../testing/seen-here.ts";
import { runScripts } from "../../testing/typescript-tests.ts";
import { updatedText } from "../../testing/update.ts";
import type { Cli, Input } from "../cli.ts";
import { usage } from "../cli.ts";
import { knownTypes } from "../known-types.ts";
import { isData, printLines } from "../output.ts";
import {
  caseReport,
  coverageLines,
  fileLines,
  reportObject,
  scriptReports,
  suitesOf,
  totalLine,
} from "../test-report.ts";
import type { CoverageReport, FileReport } from "../test-report.ts";

/** A TypeScript file that takes longer hangs. */
const SCRIPT_TIMEOUT_MS = 600_000;

export async function run(cli: Cli, input: Input): Promise<number> {
  const replay = input.text("replay") ?? (input.flag("replay") === true ? "all" : undefined);
  if (replay !== undefined) return (await import("../test-replay.ts")).replayTests(cli, input, replay);
  const min = input.integer("min", { min: 0, max: 100 });
  const paths = input.args("path");
  const { tables, scripts } = await findTests(cli.cwd, paths.length === 0 ? ["."] : paths);
  const session = new Session(cli, input);
  for (const path of tables) await session.table(path);
  await session.scripts(scripts);
  return session.end(min);
}

/** One call of the command: what it has run so far. */
class Session {
  readonly #cli: Cli;
  readonly #filter: string;
  readonly #update: boolean;
  readonly #cover: boolean;
  readonly #junit: string | undefined;
  readonly #reports: FileReport[] = [];
  readonly #runbooks = new Map<string, Promise<Runbook>>();
  readonly #seen = new Map<string, { readonly runbook: Runbook; readonly branches: Set<string> }>();

  constructor(cli: Cli, input: Input) {
    this.#cli = cli;
    this.#filter = (input.text("filter") ?? "").toLowerCase();
    this.#update = input.flag("update") === true;
    this.#cover = input.flag("cover") === true || input.text("min") !== undefined;
    this.#junit = input.text("junit");
  }

  async table(path: string): Promise<void> {
    await this.#report(await this.#runTable(path));
  }

  async scripts(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    const absolute = new Map(paths.map((path) => [resolve(this.#cli.cwd, path), path] as const));
    const pattern = this.#filter === "" ? undefined : new RegExp(RegExp.escape(this.#filter), "i");
    const { results, seen } = await runScripts([...absolute.keys()], { pattern, timeoutMs: SCRIPT_TIMEOUT_MS });
    for (const report of scriptReports(absolute, results)) await this.#report(report);
    if (this.#cover) for (const one of seen) await this.#count(one);
  }

  /** Of a manifest that was changed meanwhile, or of a plan with task types of the test's own, nothing can be counted. */
  async #count({ manifest, digest, branches }: Seen): Promise<void> {
    try {
      const runbook = await this.#runbook(manifest);
      if (runbook.digest === digest) this.#add(manifest, runbook, branches);
    } catch (error) {
      if (!(error instanceof MaestroError)) throw error;
    }
  }

  #add(manifest: string, runbook: Runbook, branches: ReadonlySet<string>): void {
    const covered = this.#seen.get(manifest) ?? { runbook, branches: new Set<string>() };
    for (const branch of branches) covered.branches.add(branch);
    this.#seen.set(manifest, covered);
  }

  async end(min: number | undefined): Promise<number> {
    const cli = this.#cli;
    const coverage = this.#cover ? this.#coverage() : [];
    if (isData(cli)) await printLines(cli, [JSON.stringify(reportObject(this.#reports, coverage))]);
    else await printLines(cli, [...coverageLines(cli.terminal.out, coverage), totalLine(this.#reports)]);
    if (this.#junit !== undefined) await writeJunit(resolve(cli.cwd, this.#junit), this.#reports);
    const cases = this.#reports.flatMap((report) => report.cases);
    if (this.#reports.some(({ problems, error }) => problems.length > 0 || error !== null)) return 2;
    if (cases.length === 0) throw usage(`No case has ${JSON.stringify(this.#filter)} in its name.`);
    if (min !== undefined && min > 0 && coverage.length === 0) {
      cli.terminal.say(`Nothing is covered, and --min asks for ${min} %.`);
      return 1;
    }
    const low = min === undefined ? [] : coverage.filter(({ coverage: { percent } }) => percent < min);
    for (const {
      manifest,
      coverage: { percent },
    } of low)
      cli.terminal.say(`${manifest}: ${percent} % is covered, and --min asks for ${min} %`);
    return cases.some(({ status }) => status === "failed") || low.length > 0 ? 1 : 0;
  }

  async #report(report: FileReport): Promise<void> {
    this.#reports.push(report);
    if (isData(this.#cli)) return;
    const lines = fileLines(this.#cli.terminal.out, report);
    if (lines.length > 0) await printLines(this.#cli, lines);
  }

  async #runTable(path: string): Promise<FileReport> {
    const empty = {
      file: path,
      manifest: null,
      problems: [] as readonly LocatedDiagnostic[],
      error: null,
      cases: [],
      updated: false,
    };
    const read = readTests(await readBytes(this.#cli, path), path);
    if ("diagnostics" in read) return { ...empty, problems: await this.#allProblems(read) };
    const { file } = read;
    const manifest = resolve(this.#cli.cwd, file.manifest);
    let runbook: Runbook;
    try {
      runbook = await this.#runbook(manifest);
    } catch (error) {
      if (!(error instanceof MaestroError)) throw error;
      return { ...empty, manifest: file.manifest, error };
    }
    const problems = problemsOf(file, runbook);
    if (problems.length > 0) return { ...empty, manifest: file.manifest, problems };
    return this.#carryOut(file, runbook, manifest);
  }

  /** Of a file whose form is wrong in places: what its names mean in the others too, as far as there is a runbook. */
  async #allProblems({
    diagnostics,
    rest,
  }: Extract<ReadResult, { readonly diagnostics: unknown }>): Promise<readonly LocatedDiagnostic[]> {
    if (rest === undefined) return diagnostics;
    try {
      const more = problemsOf(rest, await this.#runbook(resolve(this.#cli.cwd, rest.manifest)));
      return [...diagnostics, ...more].toSorted((a, b) => a.line - b.line || a.column - b.column);
    } catch (error) {
      // The test file is to be mended first; without a runbook its names cannot be looked at.
      if (error instanceof MaestroError) return diagnostics;
      throw error;
    }
  }

  async #carryOut(file: TestFile, runbook: Runbook, manifest: string): Promise<FileReport> {
    const from = { ...file, file: resolve(this.#cli.cwd, file.file) };
    const keep = (name: string): boolean => name.toLowerCase().includes(this.#filter);
    const result = await runFile(from, runbook, { keep });
    this.#add(manifest, runbook, result.seen);
    const report = { file: file.file, manifest: file.manifest, problems: [], error: null };
    if (this.#update && (await this.#write(from, result)))
      return { ...report, updated: true, cases: result.results.map((one) => caseReport(one, true)) };
    return { ...report, updated: false, cases: result.results.map((one) => caseReport(one, false)) };
  }

  /** True where something was written; what cannot be taken over still fails the next time. */
  async #write(file: TestFile, { results }: FileResult): Promise<boolean> {
    const text = updatedText(file, results);
    if (text === undefined) return false;
    await writeFile(file.file, text);
    return true;
  }

  #coverage(): readonly CoverageReport[] {
    return [...this.#seen.values()].map(({ runbook, branches }) => ({
      manifest: relativeTo(this.#cli.cwd, runbook.path),
      coverage: coverageOf(runbook.plan, branches),
    }));
  }

  #runbook(manifest: string): Promise<Runbook> {
    let loading = this.#runbooks.get(manifest);
    if (loading === undefined) this.#runbooks.set(manifest, (loading = this.#load(manifest)));
    return loading;
  }

  async #load(manifest: string): Promise<Runbook> {
    const known = await knownTypes(this.#cli);
    const added = known.filter(({ description }) => description.program !== undefined);
    return loadRunbook(
      manifest,
      added.map(({ description }) => knownProgram(description)),
    );
  }
}

function relativeTo(cwd: string, path: string): string {
  return path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
}

async function readBytes(cli: Cli, path: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cli.cwd, path));
  } catch (error) {
    throw new MaestroError("invalid_test", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

async function writeJunit(path: string, reports: readonly FileReport[]): Promise<void> {
  try {
    await writeFile(path, junitXml(suitesOf(reports)));
  } catch (error) {
    throw new MaestroError("invalid_request", `--junit: ${path} cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
