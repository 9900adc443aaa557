import { digestOf } from "../core/digest.ts";
import { messageOf } from "../core/problem.ts";
import type { Evaluator, PolicyRule, Verdict } from "./evaluator.ts";
import { isYes } from "./evaluator.ts";

/** Several policies as one: each is asked, and what one of them denies is denied. One that fails denies. */
export function combined(evaluators: readonly [Evaluator, ...Evaluator[]]): Evaluator {
  const [first, ...others] = evaluators;
  if (others.length === 0) return first;
  const document = { every: evaluators.map(({ policyDigest }) => policyDigest) };
  return {
    engine: evaluators.map(({ engine }) => engine).join(" and "),
    policyDigest: digestOf(document),
    sources: () => [{ document, files: [] }, ...evaluators.flatMap((evaluator) => evaluator.sources?.() ?? [])],
    repeatable: evaluators.every(({ repeatable }) => repeatable),
    evaluate(request, occasion) {
      const asked = evaluators.map((evaluator): Verdict | Promise<Verdict> => {
        try {
          const verdict = evaluator.evaluate(request, occasion);
          return verdict instanceof Promise ? verdict.catch((error: unknown) => failure(evaluator, error)) : verdict;
        } catch (error) {
          return failure(evaluator, error);
        }
      });
      const merge = (verdicts: readonly Verdict[]): Verdict => merged(evaluators, verdicts);
      const atOnce = asked.filter((one): one is Verdict => !(one instanceof Promise));
      return atOnce.length === asked.length ? merge(atOnce) : Promise.all(asked.map(async (one) => one)).then(merge);
    },
    rules: new Map(evaluators.flatMap(({ rules = new Map<string, PolicyRule>() }) => [...rules])),
    ...(evaluators.every(({ trial }) => trial === undefined)
      ? {}
      : { trial: combined([first.trial ?? first, ...others.map((one) => one.trial ?? one)]) }),
    async close() {
      await Promise.all(evaluators.map(async (evaluator) => evaluator.close?.()));
    },
  };
}

/** What those say who deny, or else what all say. What an allow of one depends on binds although another one denies nothing. */
function merged(evaluators: readonly Evaluator[], verdicts: readonly Verdict[]): Verdict {
  const denials = verdicts.filter(({ allow }) => !isYes(allow));
  const heard = denials.length > 0 ? denials : verdicts;
  const obligations = heard.flatMap((verdict) => verdict.obligations ?? []);
  const digests = verdicts.map((verdict, i) => verdict.policyDigest ?? evaluators[i]!.policyDigest);
  return {
    allow: denials.length === 0,
    rules: heard.flatMap(({ rules }) => rules),
    reasons: heard.flatMap(({ reasons }) => reasons),
    ...(obligations.length === 0 ? {} : { obligations }),
    ...(verdicts.some(({ policyDigest }) => policyDigest !== undefined)
      ? { policyDigest: digestOf({ every: digests }) }
      : {}),
  };
}

function failure({ engine }: Evaluator, error: unknown): Verdict {
  return { allow: false, rules: [], reasons: [`${engine} failed: ${messageOf(error)}`] };
}
