import type { Digest } from "../core/digest.ts";

/** What runs of a plan did, in the words of `branchesSeen`. */
export interface Seen {
  /** Absolute. */
  readonly manifest: string;
  readonly digest: Digest;
  readonly branches: Set<string>;
}

/** Of this process: TypeScript tests have one of their own, and what they saw is written down when it ends. */
export const seenHere: Seen[] = [];
