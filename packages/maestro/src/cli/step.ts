import { usage } from "./cli.ts";

/** A task, or one item of it: what `check` and `check[3]` name. */
export interface StepChoice {
  readonly task: string;
  readonly item: number | undefined;
}

export function parseStep(text: string | undefined): StepChoice | undefined {
  if (text === undefined) return undefined;
  const match = /^([^[\]]+)(?:\[(\d{1,7})\])?$/.exec(text);
  if (match === null) throw usage(`${JSON.stringify(text)} is not a task; write check, or check[3] for one item.`);
  return { task: match[1] ?? "", item: match[2] === undefined ? undefined : Number(match[2]) };
}

export function isOfStep(ref: { readonly task: string; readonly item: number }, step: StepChoice | undefined): boolean {
  return step === undefined || (ref.task === step.task && (step.item === undefined || ref.item === step.item));
}
