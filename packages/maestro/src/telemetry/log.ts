import { redact, redactField } from "../core/redact.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ["json", "text"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export type LogFields = Readonly<Record<string, string | number>>;
/** Takes what an operator is told: one call for one fact, data in fields. */
export type LogSink = (level: LogLevel, message: string, fields: LogFields) => void;
/** Facts of each level so far, those that were not shown included. */
export type LogCounts = Record<LogLevel, number>;

/** Of a field's characters; a stack has a few thousand. */
const MAX_FIELD = 8192;

/** Hands on what is loud enough, without what looks like a secret, and counts all of it. */
export class Log {
  readonly counts: LogCounts = { debug: 0, info: 0, warn: 0, error: 0 };
  private readonly sink: LogSink;
  private readonly least: number;

  constructor(level: LogLevel, sink: LogSink) {
    this.least = LOG_LEVELS.indexOf(level);
    this.sink = sink;
  }

  /** Whether a fact of that level is seen by anybody: who has to put one together may ask first. */
  shows(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.least;
  }

  write(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.counts[level] += 1;
    if (!this.shows(level)) return;
    const safe = Object.entries(fields).map(([name, value]) => [name, cleaned(name, value)] as const);
    this.sink(level, redact(message.slice(0, MAX_FIELD)), Object.fromEntries(safe));
  }
}

function cleaned(name: string, value: string | number): string | number {
  return typeof value === "number" ? value : redactField(name, value.slice(0, MAX_FIELD).toWellFormed());
}

/** Lines of JSON for machines or text for people, without their ends. `now` gives epoch milliseconds. */
export function logLines(format: LogFormat, write: (line: string) => void, now: () => number): LogSink {
  const line = format === "json" ? jsonLine : textLine;
  return (level, message, fields) => write(line(new Date(now()).toISOString(), level, message, fields));
}

/** No field takes the place of the line's own members. */
function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const { time: _t, level: _l, message: _m, ...rest } = fields;
  return JSON.stringify({ time, level, message, ...rest });
}

/** `12:03:04.567 warn  a task type cannot be used  problem="no such file"` */
function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const facts = Object.entries(fields).map(
    ([name, value]) =>
      `${name}=${typeof value === "number" || /^[\w.:@/+-]+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${[message, ...facts].join("  ")}`;
}
