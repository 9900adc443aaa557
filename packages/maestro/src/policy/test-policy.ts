import { askCandidate, CANDIDATE_LIMITS } from "./candidate.ts";
import type { CandidateFile } from "./candidate.ts";
import type { PolicyCase } from "./cases.ts";

/** What came of a case. */
export interface CaseResult {
  readonly name: string;
  readonly file: string;
  readonly ok: boolean;
  /** Where it is not: what was expected, and what came. */
  readonly message?: string;
  readonly rules: readonly string[];
}

export interface PolicyTestReport {
  readonly engine: string;
  readonly policyDigest: string;
  readonly cases: readonly CaseResult[];
  readonly rules: readonly {
    readonly id: string;
    /** Some case was decided by it. */
    readonly covered: boolean;
    /** Left out, no case would notice; null: it was not tried. */
    readonly survives: boolean | null;
  }[];
}

/** Asks a policy its cases. With `mutate` each rule is left out once: where no case notices, none needs it. */
export async function testPolicy(
  files: readonly CandidateFile[],
  cases: readonly PolicyCase[],
  { at, mutate }: { readonly at: number; readonly mutate: boolean },
): Promise<PolicyTestReport> {
  const questions = cases.map(({ request }) => request);
  const { engine, policyDigest, rules, answers, mutants } = await askCandidate(
    { files, questions, at, mutate },
    CANDIDATE_LIMITS.testMs,
  );
  const results = cases.map((one, i): CaseResult => {
    const answer = answers[i] ?? { allow: false, rules: [], reasons: ["it was not answered"] };
    const problem = problemOf(one, answer);
    return {
      name: one.name,
      file: one.file,
      ok: problem === undefined,
      ...(problem === undefined ? {} : { message: problem }),
      rules: answer.rules,
    };
  });
  const covered = new Set(answers.flatMap((answer) => answer.rules));
  const survives = new Map(
    mutants.map(({ rule, allowed }) => [rule, allowed.every((allow, i) => allow === answers[i]?.allow)]),
  );
  return {
    engine,
    policyDigest,
    cases: results,
    rules: rules
      .filter(({ shadow }) => shadow !== true)
      .map(({ id }) => ({ id, covered: covered.has(id), survives: survives.get(id) ?? null })),
  };
}

function problemOf(
  { allow, rules }: PolicyCase,
  answer: { readonly allow: boolean; readonly rules: readonly string[]; readonly reasons: readonly string[] },
): string | undefined {
  if (answer.allow !== allow)
    return `expected ${word(allow)}, and it ${answer.allow ? "is allowed" : "is denied"}: ${answer.reasons.join("; ")}`;
  if (rules === undefined) return undefined;
  const [wanted, came] = [rules.toSorted().join(", "), answer.rules.toSorted().join(", ")];
  return wanted === came ? undefined : `expected by ${wanted}, and it is by ${came === "" ? "no rule" : came}`;
}

function word(allow: boolean): string {
  return allow ? "an allow" : "a deny";
}
