import type { LooseQuestion } from "./question.ts";

/** What policies look at in a runbook, in words, and how whoever asks can name it. */
const LOOKED_AT = [
  ["license", "license", "--property license=MIT"],
  ["purposes", "purposes", `--property 'purposes=["reporting"]'`],
  ["effects", "effects", `--property 'effects=["write"]'`],
  ["authorityRequired", "need of an authority", "--property authorityRequired=false"],
] as const;

/** Of a runbook that is not stored, what the question does not name, in a sentence for people: the answer is one without it. */
export function lackingOf({ id, properties = {} }: LooseQuestion["resource"]): readonly string[] {
  const lacking = LOOKED_AT.filter(([name]) => properties[name] === undefined);
  if (lacking.length === 0) return [];
  const words = lacking.map(([, word]) => word).join(", ");
  const options = lacking.map(([, , option]) => option).join(" ");
  return [
    `the runbook ${id} is not stored here, and this is the answer for one of unknown ${words}. Publish it, \`maestro catalog publish FILE\`, or say what it is: ${options}`,
  ];
}
