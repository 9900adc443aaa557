import { parseDuration } from "../core/duration.ts";
import { usage } from "./cli.ts";
import type { Input } from "./cli.ts";

/** How a command stays with a run, from its flags. */
export interface FollowOptions {
  /** Not at all: print the id. */
  readonly detach: boolean;
  /** Without showing progress. */
  readonly quiet: boolean;
  /** Exit 10 when only an approval is missing. */
  readonly stopAtApproval: boolean;
  readonly timeoutMs: number | undefined;
  readonly cancelOnInterrupt: boolean;
}

export function followOptions(input: Input): FollowOptions {
  const watch = input.flag("watch");
  const wait = input.flag("wait");
  const detach = input.flag("detach") === true || watch === false;
  if (detach && (watch === true || wait !== undefined))
    throw usage("--detach and --no-watch do not wait; leave out --watch, --wait and --no-wait.");
  if (watch === true && wait === true) throw usage("--watch shows progress and --wait does not; choose one.");
  return {
    detach,
    quiet: wait === true,
    stopAtApproval: wait === false,
    timeoutMs: durationOption(input, "timeout"),
    cancelOnInterrupt: input.flag("cancel-on-interrupt") === true,
  };
}

/** A duration option in milliseconds. */
export function durationOption(input: Input, name: string): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined)
    throw usage(`--${name} takes a duration such as 30s, 5m or 1h30m, not ${JSON.stringify(text)}.`);
  return ms;
}
