import { canonical } from "../core/canonical.ts";
import type { Digest } from "../core/digest.ts";
import type { Decision } from "../core/event.ts";
import type { GateRequest } from "../policy/gate.ts";
import type { QuestionRow } from "../store/audit.ts";

/** How many are remembered as stored; forgetting one costs a write that changes nothing. */
const REMEMBERED = 10_000;

/**
 * What the gate was asked: decisions name it by its digest, and the commit that records the first of them keeps its text, so
 * that another policy can be asked the same one day.
 */
export class Asked {
  readonly #stored = new Set<Digest>();
  readonly #waiting = new Map<Digest, string>();

  note({ requestDigest }: Decision, request: GateRequest): void {
    if (this.#stored.has(requestDigest) || this.#waiting.has(requestDigest)) return;
    this.#waiting.set(requestDigest, canonical(request));
  }

  /** For the next commit; they wait until one was durable. */
  rows(): readonly QuestionRow[] {
    return this.#waiting.size === 0 ? NONE : [...this.#waiting].map(([digest, text]) => ({ digest, text }));
  }

  stored(rows: readonly QuestionRow[]): void {
    if (this.#stored.size > REMEMBERED) this.#stored.clear();
    for (const { digest } of rows) {
      this.#waiting.delete(digest);
      this.#stored.add(digest);
    }
  }
}

const NONE: readonly QuestionRow[] = [];
