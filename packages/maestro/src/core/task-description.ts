import type { Digest } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import type { Effect } from "./plan.ts";

/** What a task type says about itself. It is data: digested into plans, checked by the compiler, printed by `maestro task show`. */
export interface TaskDescription {
  readonly name: string;
  readonly version: number;
  /** One line. */
  readonly title: string;
  /** A paragraph or two of Markdown: what it does, what it promises, what it refuses. */
  readonly docs: string;
  /** JSON Schema 2020-12, type object, with a description on every property and at least one example. */
  readonly input: JsonObject;
  /** JSON Schema 2020-12; references in manifests are checked against it. */
  readonly output: JsonObject;
  /** What it does to the world besides computing. Empty: no policy question is asked for it. */
  readonly effects: readonly Effect[];
  /**
   * Where its work happens: `inline` computes inside the engine's process and yields, `process` starts commands,
   * `engine` is carried out by the state machine itself (wait, approval) and is never dispatched.
   */
  readonly runs: "inline" | "process" | "engine";
  /** A `with` that is valid and complete, for docs and tests. */
  readonly example: JsonObject;
  /** Of the file that carries it out, where it is none of ours: it is part of what plans and receipts pin. */
  readonly program?: Digest;
}
