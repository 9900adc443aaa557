import { parseDuration } from "./duration.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { MaestroError } from "./problem.ts";
import { parseDateTime } from "./time.ts";

/** What a `wait@1` waits for. With both, the signal is awaited until that time. */
export interface Wait {
  /** Epoch milliseconds, null: for ever. In the past: at once. */
  readonly until: number | null;
  readonly signal: string | null;
}

/**
 * The input of `wait@1` as data: exactly one of `duration`, `until`, `signal` and `event` (another word for `signal`); `timeout` goes with the last two.
 * Throws `invalid_input` with all that is wrong. The schema says the same, but a run must be able to rely on it whoever made its plan.
 */
export function parseWait(input: JsonObject, now: number): Wait {
  const problems: string[] = [];
  const given = ["duration", "until", "signal", "event"].filter((name) => input[name] !== undefined);
  if (given.length !== 1)
    problems.push(
      `give exactly one of duration, until, signal and event${given.length === 0 ? "" : `, not ${given.join(" and ")}`}`,
    );
  const duration = readDuration("duration", input["duration"], problems);
  const until = readTime(input["until"], problems);
  const signal = readName("signal", input["signal"], problems) ?? readName("event", input["event"], problems);
  const timeout = readDuration("timeout", input["timeout"], problems);
  if (timeout !== undefined && (duration !== undefined || until !== undefined))
    problems.push("timeout goes with signal or event only");
  if (problems.length > 0)
    throw new MaestroError("invalid_input", `wait@1: ${problems.join("; ")}`, {
      fix: "See `maestro task show wait@1`.",
    });
  const ms = duration ?? timeout;
  return { until: ms === undefined ? (until ?? null) : now + ms, signal: signal ?? null };
}

function readDuration(name: string, value: JsonValue | undefined, problems: string[]): number | undefined {
  if (value === undefined) return undefined;
  const ms = typeof value === "string" ? parseDuration(value) : undefined;
  if (ms === undefined)
    problems.push(`${name} must be a duration such as "30s" or "1h30m", is ${JSON.stringify(value)}`);
  return ms;
}

function readTime(value: JsonValue | undefined, problems: string[]): number | undefined {
  if (value === undefined) return undefined;
  const ms = typeof value === "string" ? parseDateTime(value) : undefined;
  if (ms === undefined)
    problems.push(
      `until must be a time of RFC 3339 with its offset, such as "2026-11-21T08:00:00Z", is ${JSON.stringify(value)}`,
    );
  return ms;
}

function readName(name: string, value: JsonValue | undefined, problems: string[]): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value.length > 0 && value.length <= 200) return value;
  problems.push(`${name} must be a name of 1 to 200 characters, is ${JSON.stringify(value)}`);
  return undefined;
}
