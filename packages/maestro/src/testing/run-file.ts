import { performance } from "node:perf_hooks";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { LocatedDiagnostic } from "../manifest/report.ts";
import { checkTests } from "./check-tests.ts";
import { branchesSeen } from "./coverage.ts";
import type { Difference } from "./difference.ts";
import { differences } from "./expect.ts";
import type { ReadCase, TestFile } from "./read-tests.ts";
import type { RunRecord } from "./record.ts";
import { runCase } from "./run-case.ts";
import type { Runbook } from "./runbook.ts";
import { expectsNothing } from "./update.ts";

export interface CaseResult {
  readonly read: ReadCase;
  readonly differences: readonly Difference[];
  /** Why it could not be carried out; null when it could. */
  readonly error: MaestroError | null;
  readonly record: RunRecord | null;
  /** On this machine. */
  readonly realMs: number;
}

export interface FileResult {
  readonly results: readonly CaseResult[];
  /** What its runs did, for the coverage of the runbook (`coverageOf`). */
  readonly seen: ReadonlySet<string>;
}

/** Cases that are in the works at once: those that do real work wait for it. */
const PARALLEL = 4;

/** What is wrong with a test file beyond its form. */
export function problemsOf(file: TestFile, runbook: Runbook): readonly LocatedDiagnostic[] {
  const problems = checkTests(file, runbook);
  return problems.length === 0 ? [] : file.locate(problems);
}

/** Carries out the cases of a file that the filter lets through, each in a world of its own, in the order of the file. */
export async function runFile(
  file: TestFile,
  runbook: Runbook,
  options: { readonly keep: (name: string) => boolean },
): Promise<FileResult> {
  const cases = file.cases.filter(({ name }) => options.keep(name));
  const results: CaseResult[] = [];
  const seen = new Set<string>();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < cases.length; at = next++) {
      results[at] = await carryOut(file, runbook, cases[at]!, seen);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, cases.length) }, work));
  return { results, seen };
}

/** A case that expects nothing would pass whatever comes. */
const NOTHING_EXPECTED: Difference = {
  path: [],
  expected: null,
  actual: null,
  note: "it expects nothing; say what must come of it in `expect`, or let `maestro test --update` write down what came",
};

async function carryOut(file: TestFile, runbook: Runbook, read: ReadCase, seen: Set<string>): Promise<CaseResult> {
  const started = performance.now();
  const took = (): number => Math.round(performance.now() - started);
  try {
    const { record, histories } = await runCase(runbook, read.test, file.file);
    for (const { plan, events } of histories)
      if (plan === runbook.plan) for (const branch of branchesSeen(plan, events)) seen.add(branch);
    const found = expectsNothing(read.expect) ? [NOTHING_EXPECTED] : differences(read.expect, record);
    return { read, record, differences: found, error: null, realMs: took() };
  } catch (thrown) {
    const error =
      thrown instanceof MaestroError ? thrown : new MaestroError("internal", messageOf(thrown), { cause: thrown });
    return { read, record: null, differences: [], error, realMs: took() };
  }
}
