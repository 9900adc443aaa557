import { parseDuration } from "../core/duration.ts";
import { usage } from "./cli.ts";
import type { Input } from "./cli.ts";

/** A duration back from now, or a date. */
export function timeOption(input: Input, name: string): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  const back = parseDuration(text);
  if (back !== undefined) return Date.now() - back;
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(at))
    throw usage(
      `--${name} takes a duration (2h, 7d) or a date (2026-11-21, 2026-11-21T08:00:00Z), not ${JSON.stringify(text)}.`,
    );
  return at;
}
