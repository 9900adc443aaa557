import { API_VERSION } from "../api/respond.ts";
import { formatDuration } from "../core/duration.ts";
import type { MaestroError } from "../core/problem.ts";
import { formatHuman, toJson } from "../manifest/report.ts";
import type { LocatedDiagnostic } from "../manifest/report.ts";
import type { Coverage } from "../testing/coverage.ts";
import type { Difference } from "../testing/difference.ts";
import { differenceLines } from "../testing/difference.ts";
import type { JunitSuite } from "../testing/junit.ts";
import type { CaseResult } from "../testing/run-file.ts";
import { isTaken } from "../testing/update.ts";
import type { ScriptResult } from "../testing/typescript-tests.ts";
import { count } from "./format.ts";
import { glyph, paint } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import { safe } from "./terminal/text.ts";

/** What one test file came to, whatever kind it is. */
export interface FileReport {
  readonly file: string;
  readonly manifest: string | null;
  /** Why nothing of it was run. */
  readonly problems: readonly LocatedDiagnostic[];
  readonly error: MaestroError | null;
  readonly cases: readonly CaseReport[];
  /** Its expectations were written anew. */
  readonly updated: boolean;
}

interface CaseReport {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** It did not run to its end. */
  readonly broken: boolean;
  readonly line: number;
  readonly column: number;
  readonly realMs: number;
  /** The world's time. */
  readonly worldMs: number | null;
  readonly attempts: number | null;
  readonly differences: readonly Difference[];
  /** Why, for people. */
  readonly lines: readonly string[];
}

export interface CoverageReport {
  readonly manifest: string;
  readonly coverage: Coverage;
}

/** `updated`: what differed has been written down as it was, and passes from now on unless it cannot be. */
export function caseReport({ read, record, differences, error, realMs }: CaseResult, updated: boolean): CaseReport {
  const lines =
    error === null
      ? [
          ...differences.flatMap(differenceLines),
          ...(differences.length > 0 && record !== null && record.error !== null
            ? [`the run ${record.status}: ${record.error.code}: ${record.error.message}`]
            : []),
        ]
      : [`${error.code}: ${error.message}`, `fix: ${error.fix}`];
  const open = updated ? differences.filter((difference) => !isTaken(difference)) : differences;
  return {
    name: read.name,
    status: error === null && open.length === 0 ? "passed" : "failed",
    broken: error !== null,
    line: read.line,
    column: read.column,
    realMs,
    worldMs: record?.tookMs ?? null,
    attempts: record?.cost.attempts ?? null,
    differences,
    lines,
  };
}

/** TypeScript tests, by the file as it was named. */
export function scriptReports(
  files: ReadonlyMap<string, string>,
  results: readonly ScriptResult[],
): readonly FileReport[] {
  return [...files].map(([absolute, file]) => ({
    file,
    manifest: null,
    problems: [],
    error: null,
    updated: false,
    cases: results
      .filter((one) => one.file === absolute)
      .map(({ name, status, message, line, column, realMs }) => ({
        name: name === absolute ? file : name,
        status,
        broken: false,
        line,
        column,
        realMs,
        worldMs: null,
        attempts: null,
        differences: [],
        lines: message === null ? [] : message.split("\n"),
      })),
  }));
}

/** A file with its cases, for people. */
export function fileLines(style: Style, { file, problems, error, cases, updated }: FileReport): readonly string[] {
  if (problems.length > 0) return [formatHuman(problems).trimEnd()];
  if (error !== null) return [`${glyph(style, "failed")} ${safe(file)}`, `    ${error.code}: ${safe(error.message)}`];
  if (cases.length === 0) return [];
  return [
    `${paint(style, "bold", safe(file))}${updated ? "  written anew" : ""}`,
    ...cases.flatMap((one) => caseLines(style, one, file)),
  ];
}

function caseLines(style: Style, one: CaseReport, file: string): readonly string[] {
  const mark = glyph(style, one.status === "passed" ? "succeeded" : one.status === "failed" ? "failed" : "skipped");
  if (one.status !== "failed") return [`  ${mark} ${safe(one.name)}${paint(style, "gray", factsOf(one))}`];
  return [
    `  ${mark} ${safe(one.name)}  ${safe(file)}:${one.line}:${one.column}`,
    ...one.lines.map((line) => `      ${safe(line)}`),
  ];
}

function factsOf({ attempts, worldMs }: CaseReport): string {
  if (attempts === null || worldMs === null) return "";
  return `  ${count(attempts, "attempt")}${worldMs === 0 ? "" : `, ${formatDuration(worldMs)} skipped`}`;
}

const MAX_MISSING = 20;

export function coverageLines(style: Style, reports: readonly CoverageReport[]): readonly string[] {
  return reports.flatMap(({ manifest, coverage: { tasks, branches, percent, missing } }) => [
    `${paint(style, "bold", safe(manifest))}  ${percent} % covered: ${tasks.covered} of ${count(tasks.total, "task")}, ${branches.covered} of ${branches.total} branches`,
    ...missing
      .slice(0, MAX_MISSING)
      .map(({ task, branch }) => `  ${glyph(style, "skipped")} never seen: ${safe(task)} ${branch}`),
    ...(missing.length > MAX_MISSING ? [`  and ${missing.length - MAX_MISSING} more`] : []),
  ]);
}

export function totalLine(reports: readonly FileReport[]): string {
  const { passed, failed, skipped, files } = totals(reports);
  const notRun = reports.filter(({ problems, error }) => problems.length > 0 || error !== null).length;
  const more = `${skipped === 0 ? "" : `, ${skipped} skipped`}${notRun === 0 ? "" : `; ${count(notRun, "file")} cannot be run`}`;
  return `${count(files, "file")}, ${count(passed + failed + skipped, "case")}: ${passed} passed, ${failed} failed${more}`;
}

function totals(reports: readonly FileReport[]): Readonly<Record<"files" | "passed" | "failed" | "skipped", number>> {
  const cases = reports.flatMap((report) => report.cases);
  const of = (status: CaseReport["status"]): number => cases.filter((one) => one.status === status).length;
  return { files: reports.length, passed: of("passed"), failed: of("failed"), skipped: of("skipped") };
}

/** For `-o json`. */
export function reportObject(reports: readonly FileReport[], coverage: readonly CoverageReport[]): object {
  return {
    apiVersion: API_VERSION,
    kind: "TestReport",
    ...totals(reports),
    reports: reports.map(({ file, manifest, problems, error, cases, updated }) => ({
      file,
      manifest,
      problems: problems.map(toJson),
      error: error === null ? null : { code: error.code, message: error.message },
      updated,
      cases: cases.map(({ lines, broken, ...one }) => ({
        ...one,
        why: lines.length === 0 ? null : lines.join("\n"),
        broken,
      })),
    })),
    coverage: coverage.map(({ manifest, coverage: numbers }) => ({ manifest, ...numbers })),
  };
}

/** A file that could not be run is one case that ended with an error, so that a build server does not pass over it. */
export function suitesOf(reports: readonly FileReport[]): readonly JunitSuite[] {
  return reports.map(({ file, problems, error, cases }) => {
    const [first] = problems;
    const broken = first?.message ?? error?.message;
    if (broken === undefined)
      return {
        name: file,
        cases: cases.map((one) => ({
          name: one.name,
          status: one.status,
          kind: one.broken ? ("error" as const) : ("failure" as const),
          message: one.lines.slice(0, 3).join(" "),
          text: one.lines.join("\n"),
          seconds: one.realMs / 1000,
          line: one.line,
        })),
      };
    const text = first === undefined ? broken : formatHuman(problems);
    return {
      name: file,
      cases: [
        { name: file, status: "failed", kind: "error", message: broken, text, seconds: 0, line: first?.line ?? 1 },
      ],
    };
  });
}
