import { parseDuration } from "../core/duration.ts";
import { compileTemplate, prepare } from "../core/expression.ts";
import type { Template } from "../core/expression.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { Behaviour, Fake, FakeFunction, FakeRequest, Fault } from "./case.ts";

/** What one attempt is to do. */
export type Act = { readonly kind: "function"; readonly call: FakeFunction } | PreparedBehaviour;

export interface PreparedBehaviour {
  readonly kind: "behaviour";
  readonly said: Behaviour;
  readonly output: Template | undefined;
  readonly takesMs: number;
  readonly fault: Fault | undefined;
}

/** The fakes of a case, by the names under which an attempt may find its own. */
export class Fakes {
  readonly #byName: ReadonlyMap<string, readonly Act[] | FakeFunction>;
  /** Those that some attempt has used. */
  readonly used = new Set<string>();

  constructor(fakes: Readonly<Record<string, Fake>>) {
    this.#byName = new Map(Object.entries(fakes).map(([name, fake]) => [name, prepareFake(fake)]));
  }

  /** Of the first of these names that has one; undefined where none has. */
  find(names: readonly string[], attempt: number): Act | undefined {
    for (const name of names) {
      const fake = this.#byName.get(name);
      if (fake === undefined) continue;
      this.used.add(name);
      if (typeof fake === "function") return { kind: "function", call: fake };
      const act = nth(fake, attempt);
      if (act !== undefined) return act;
      throw new MaestroError(
        "invalid_request",
        `the fake of ${name} says what ${fake.length === 1 ? "its attempt does" : `its ${fake.length} attempts do`}, and this is attempt ${attempt}`,
        { fix: "Give the last behaviour no `times`, then it stays for all attempts that follow." },
      );
    }
    return undefined;
  }
}

/** The behaviour of that attempt, counted from 1. The last one stays unless it says for how many attempts it is. */
function nth(acts: readonly Act[], attempt: number): Act | undefined {
  const last = acts.at(-1);
  if (attempt <= acts.length) return acts[attempt - 1];
  return last?.kind === "behaviour" && last.said.times === undefined ? last : undefined;
}

/** More attempts than any case has. */
const MAX_TIMES = 100_000;

function prepareFake(fake: Fake): readonly Act[] | FakeFunction {
  if (typeof fake === "function") return fake;
  const list: readonly Behaviour[] = Array.isArray(fake) ? (fake as readonly Behaviour[]) : [fake as Behaviour];
  return list.flatMap((said) => {
    const act: PreparedBehaviour = {
      kind: "behaviour",
      said,
      output: said.output === undefined ? undefined : compileTemplate(said.output),
      takesMs: said.takes === undefined ? 0 : durationMs(said.takes),
      fault: said.fault,
    };
    return Array.from({ length: Math.min(said.times ?? 1, MAX_TIMES) }, () => act);
  });
}

/** The output as its template gives it for this attempt. Throws ExpressionError. */
export function outputOf(template: Template, request: FakeRequest): JsonValue {
  if (template.constant) return template.evaluate({});
  return template.evaluate({
    input: prepare(request.input),
    task: prepare(request.task),
    item: prepare(request.item),
    attempt: prepare(request.attempt),
    now: prepare(request.now),
  });
}

/** Errors: `invalid_request`. */
export function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new MaestroError("invalid_request", `${JSON.stringify(text)} is no duration such as 30s or 1h30m`);
  return ms;
}
