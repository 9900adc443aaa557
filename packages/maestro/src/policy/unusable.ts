import { MaestroError } from "../core/problem.ts";

/** Faults that one message names; the rest are counted. */
const SHOWN = 10;

/** A policy that cannot be enforced as it is written. Nothing takes its place: whoever wrote it meant it. */
export function unusable(path: string, faults: readonly string[], cause?: unknown): MaestroError {
  const more = faults.length > SHOWN ? [`and ${faults.length - SHOWN} more`] : [];
  return new MaestroError(
    "policy_unusable",
    `The policy ${path} cannot be used: ${[...faults.slice(0, SHOWN), ...more].join("; ")}.`,
    { facts: { path }, cause },
  );
}
