import { LOG_FORMATS, LOG_LEVELS, logLines } from "../telemetry/log.ts";
import type { LogFields, LogSink } from "../telemetry/log.ts";
import { suggest } from "../core/suggest.ts";
import { usage } from "./cli.ts";
import type { Cli, Input } from "./cli.ts";
import type { ConnectOptions } from "./link.ts";
import { safe } from "./terminal/text.ts";

/** How a command that stays says what goes on: to whoever sits there, or to a collector of logs. */
export interface ServerLog {
  readonly options: Required<Pick<ConnectOptions, "log" | "logLevel">>;
  /** People read along, in words of their own beside the lines. */
  readonly forPeople: boolean;
  /** What it does itself. */
  say(message: string, fields?: LogFields): void;
}

/** Lines of JSON, or text where stderr is a terminal; flags and variables say otherwise. Errors: `invalid_request`. */
export function serverLog({ terminal }: Cli, input: Input): ServerLog {
  const { env, errIsTty } = terminal;
  const format =
    input.choice("log-format", LOG_FORMATS) ??
    variable("MAESTRO_LOG_FORMAT", env["MAESTRO_LOG_FORMAT"], LOG_FORMATS) ??
    (errIsTty ? "text" : "json");
  const logLevel =
    input.choice("log-level", LOG_LEVELS) ??
    variable("MAESTRO_LOG_LEVEL", env["MAESTRO_LOG_LEVEL"], LOG_LEVELS) ??
    "info";
  // JSON escapes what a terminal would obey, text does not.
  const write = (line: string): void => terminal.say(format === "json" ? line : safe(line));
  const sink: LogSink = logLines(format, write, Date.now);
  return {
    options: { log: sink, logLevel },
    forPeople: format === "text",
    say(message, fields = {}) {
      if (format === "json") sink("info", message, fields);
      else terminal.say(message);
    },
  };
}

function variable<const T extends string>(
  name: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined || value === "") return undefined;
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  const near = suggest(value, allowed);
  throw usage(
    `${name} takes one of ${allowed.join(", ")}, not ${JSON.stringify(value)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
  );
}
