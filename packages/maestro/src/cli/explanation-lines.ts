import type { Explanation } from "../policy/explanation.ts";
import { time } from "./format.ts";
import { glyph, paint } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import { safe } from "./terminal/text.ts";

/** A decision in words, for a person. */
export function explanationLines(one: Explanation, style: Style, isRecorded = true): readonly string[] {
  const { sentence, facts, rules, shadow, obligations, allow, advice, engine, policyDigest, isCurrent } = one;
  const where = one.task === undefined ? "" : ` (task ${one.task})`;
  const value = (fact: unknown): string =>
    typeof fact === "string" ? fact : Array.isArray(fact) ? fact.join(", ") : JSON.stringify(fact);
  return [
    `${glyph(style, allow ? "succeeded" : "denied")} ${paint(style, "bold", safe(sentence))}${where}`,
    ...rules.flatMap(({ id, effect, why, fix, file }) => [
      `  rule      ${safe(id)}${effect === undefined ? "" : ` (${effect}${file === undefined ? "" : `, ${safe(file)}`})`}`,
      ...(why === undefined ? [] : [`            ${safe(why)}`]),
      ...(fix === undefined || allow ? [] : [`            ${safe(fix)}`]),
    ]),
    ...facts.map(
      ({ name, value: fact }, i) => `  ${(i === 0 ? "facts" : "").padEnd(9)} ${safe(name)}: ${safe(value(fact))}`,
    ),
    ...obligations.map(
      ({ id, type, properties }) => `  depends   ${safe(type)}, by ${safe(id)}: ${safe(JSON.stringify(properties))}`,
    ),
    ...shadow
      .filter((verdict) => verdict.allow !== allow)
      .map(
        (verdict) =>
          `  on trial  ${safe(verdict.engine)} would ${verdict.allow ? "allow" : "deny"} it: ${safe(verdict.reasons.join("; "))}`,
      ),
    `  policy    ${safe(engine)} ${policyDigest}${isCurrent ? "" : ", which is not the policy of now"}`,
    ...(isRecorded ? [`  decision  ${one.decision} at ${time(one.at)}`] : []),
    ...(advice === undefined ? [] : [`  next      ${safe(advice)}`]),
  ];
}
