import type { JsonValue } from "../core/json.ts";
import type { ProblemCode } from "../core/problem.ts";
import { MaestroError } from "../core/problem.ts";

/** Why something was not done, in a form that crosses threads. */
export interface Refusal {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly fix: string;
}

export function revive({ code, detail, facts, fix }: Refusal): MaestroError {
  return new MaestroError(code, detail, { facts, fix });
}
