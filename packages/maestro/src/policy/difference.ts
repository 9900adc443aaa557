import type { Evaluator, Verdict } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { examine } from "./obligations.ts";
import type { Ability } from "./obligations.ts";
import type { RecordedQuestion } from "./recorded.ts";

/** A recorded answer that another policy would have given otherwise. */
export interface Flip {
  readonly from: "allow" | "deny";
  readonly to: "allow" | "deny";
  readonly action: string;
  readonly subject: string;
  readonly resource: string;
  readonly namespace: string;
  /** That decided then, and that would decide. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly reasons: readonly string[];
  readonly count: number;
  readonly lastAt: number;
  readonly decision: string;
  readonly run?: string;
}

/** Which recorded answers a policy would give otherwise, the most frequent first. What it depends on counts as a gate would count it. */
export function flipsOf(
  questions: readonly RecordedQuestion[],
  answers: readonly (Verdict | undefined)[],
  ability: Ability,
): readonly Flip[] {
  return questions
    .flatMap((question, i): readonly Flip[] => {
      const answer = answers[i];
      if (answer === undefined) return [];
      const { unmet } = examine(answer.obligations ?? [], question.request, ability);
      const allow = answer.allow && unmet.length === 0;
      if (allow === question.allow) return [];
      const { subject, action, resource } = question.request;
      return [
        {
          from: question.allow ? "allow" : "deny",
          to: allow ? "allow" : "deny",
          action: action.name,
          subject: `${subject.type}:${subject.id}`,
          resource: `${resource.type}:${resource.id}`,
          namespace: resource.properties.namespace,
          before: question.rules,
          after: answer.rules,
          reasons: [...unmet, ...answer.reasons],
          count: question.count,
          lastAt: question.lastAt,
          decision: question.decision,
          ...(question.run === undefined ? {} : { run: question.run }),
        },
      ];
    })
    .toSorted((a, b) => b.count - a.count || b.lastAt - a.lastAt);
}

const TOGETHER = 16;
const LONGEST_MS = 20_000;

/**
 * The answers of a policy that may lie elsewhere, as far as they come in a time that somebody waits for. What fails is no
 * answer: whether that would be a no is a question of the moment and none of the policy.
 */
export async function answersOf(
  evaluator: Evaluator,
  requests: readonly GateRequest[],
  { at, ms = LONGEST_MS }: { readonly at: number; readonly ms?: number },
): Promise<readonly (Verdict | undefined)[]> {
  const until = AbortSignal.timeout(ms);
  const answers: (Verdict | undefined)[] = [];
  for (let i = 0; i < requests.length && !until.aborted; i += TOGETHER)
    answers.push(
      ...(await Promise.all(
        requests.slice(i, i + TOGETHER).map(async (request) => {
          try {
            return await evaluator.evaluate(request, { at });
          } catch {
            return undefined; // Counted by whoever asked: it has no answer.
          }
        }),
      )),
    );
  return answers;
}
