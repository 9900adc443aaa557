import type { ShadowVerdict } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import { isYes } from "./evaluator.ts";
import type { GateRequest, Occasion } from "./gate.ts";

/** How policies on trial compare with the one that is enforced, since this process began. */
export interface ShadowCounts {
  /** Said the same. */
  agreed: number;
  /** Would have said otherwise. */
  differed: number;
  /** Gave no answer that is one. */
  failed: number;
  /** Came after the enforced answer had gone out; counted here beside how they compared. */
  late: number;
}

/** One decision's policies on trial: asked beside it, collected when it is made. */
export interface Trial {
  /** What has come by now. What comes later is compared with it all the same. */
  collect(allowed: boolean): readonly ShadowVerdict[];
}

export interface ShadowParts {
  /** As they are now. */
  readonly evaluators: () => readonly Evaluator[];
  /** Told of an answer that came too late to be recorded with its decision, and would have been another one. */
  readonly late: (verdict: ShadowVerdict, request: GateRequest, occasion: Occasion) => void;
}

/** As many as of the enforced policy. */
const REMEMBERED = 10_000;

/** Policies on trial: they see every question, and nobody waits for them or is stopped by them. */
export class Shadows {
  readonly #parts: ShadowParts;
  readonly #counts = new Map<string, ShadowCounts>();
  readonly #remembered = new Map<string, ShadowVerdict>();

  constructor(parts: ShadowParts) {
    this.#parts = parts;
  }

  /** By engine. */
  get counts(): ReadonlyMap<string, Readonly<ShadowCounts>> {
    return this.#counts;
  }

  get evaluators(): readonly Evaluator[] {
    return this.#parts.evaluators();
  }

  begin(text: string, request: GateRequest, occasion: Occasion): Trial | undefined {
    const { evaluators } = this;
    if (evaluators.length === 0) return undefined;
    const came: ShadowVerdict[] = [];
    let allowed: boolean | undefined;
    for (const evaluator of evaluators) {
      const take = (verdict: ShadowVerdict, failed: boolean): void => {
        if (allowed === undefined) came.push(verdict);
        else this.#tooLate(verdict, failed, { allowed, request, occasion });
      };
      this.#ask(evaluator, text, request, occasion, take);
    }
    return {
      collect: (enforced) => {
        allowed = enforced;
        for (const verdict of came) this.#compare(verdict, enforced);
        return came;
      },
    };
  }

  #ask(
    evaluator: Evaluator,
    text: string,
    request: GateRequest,
    occasion: Occasion,
    take: (verdict: ShadowVerdict, failed: boolean) => void,
  ): void {
    const { engine, policyDigest, repeatable } = evaluator;
    const key = `${engine} ${policyDigest} ${text}`;
    const known = this.#remembered.get(key);
    if (known !== undefined) return take(known, false);
    const answered = ({ allow, rules, reasons, policyDigest: said }: Verdict): void => {
      const verdict: ShadowVerdict = {
        policyDigest: said ?? policyDigest,
        engine,
        allow: isYes(allow),
        rules,
        reasons,
      };
      if (repeatable) this.#remember(key, verdict);
      take(verdict, false);
    };
    const failed = (error: unknown): void => {
      this.#countsOf(engine).failed += 1;
      take({ policyDigest, engine, allow: false, rules: [], reasons: [`it failed: ${messageOf(error)}`] }, true);
    };
    try {
      const verdict = evaluator.evaluate(request, occasion);
      if (verdict instanceof Promise) void verdict.then(answered).catch(failed);
      else answered(verdict);
    } catch (error) {
      failed(error);
    }
  }

  #compare({ engine, allow }: ShadowVerdict, enforced: boolean): void {
    const counts = this.#countsOf(engine);
    if (allow === enforced) counts.agreed += 1;
    else counts.differed += 1;
  }

  #tooLate(
    verdict: ShadowVerdict,
    failed: boolean,
    { allowed, request, occasion }: { allowed: boolean; request: GateRequest; occasion: Occasion },
  ): void {
    this.#countsOf(verdict.engine).late += 1;
    this.#compare(verdict, allowed);
    if (verdict.allow !== allowed && !failed) this.#parts.late(verdict, request, occasion);
  }

  #remember(key: string, verdict: ShadowVerdict): void {
    if (this.#remembered.size >= REMEMBERED) this.#remembered.clear();
    this.#remembered.set(key, verdict);
  }

  #countsOf(engine: string): ShadowCounts {
    let counts = this.#counts.get(engine);
    if (counts === undefined) this.#counts.set(engine, (counts = { agreed: 0, differed: 0, failed: 0, late: 0 }));
    return counts;
  }
}
