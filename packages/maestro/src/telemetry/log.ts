import { redact, redactField } from "../core/redact.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ["json", "text"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export type LogFields = Readonly<Record<string, string | number>>;
/** Lines of each level so far, those that were not shown included. */
export type LogCounts = Record<LogLevel, number>;

export interface LogOptions {
  /** `json`: an object per line; `text`: for people. */
  readonly format: LogFormat;
  /** Lines below it are counted and not shown. */
  readonly level: LogLevel;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Of a field's characters; a stack has a few thousand. */
const MAX_FIELD = 8192;

/** What an operator is told: one line for one fact, data in fields, and nothing that looks like a secret. */
export class Log {
  readonly counts: LogCounts = { debug: 0, info: 0, warn: 0, error: 0 };
  private readonly options: LogOptions;
  private readonly least: number;

  constructor(options: LogOptions) {
    this.options = options;
    this.least = LOG_LEVELS.indexOf(options.level);
  }

  /** Whether a line of that level is seen by anybody: who has to put one together may ask first. */
  shows(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.least;
  }

  write(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.counts[level] += 1;
    if (!this.shows(level)) return;
    const { format, now, write } = this.options;
    const time = new Date(now()).toISOString();
    const safe = Object.entries(fields).map(([name, value]) => [name, cleaned(name, value)] as const);
    const said = redact(message.slice(0, MAX_FIELD));
    write(format === "json" ? jsonLine(time, level, said, safe) : textLine(time, level, said, safe));
  }
}

type Fields = readonly (readonly [string, string | number])[];

function cleaned(name: string, value: string | number): string | number {
  return typeof value === "number" ? value : redactField(name, value.slice(0, MAX_FIELD).toWellFormed());
}

/** The first three names are the line's own. */
function jsonLine(time: string, level: LogLevel, message: string, fields: Fields): string {
  return JSON.stringify({ ...Object.fromEntries(fields), time, level, message }, [
    "time",
    "level",
    "message",
    ...fields.map(([name]) => name),
  ]);
}

/** `12:03:04.567 warn  a task type cannot be used  problem="no such file"` */
function textLine(time: string, level: LogLevel, message: string, fields: Fields): string {
  const facts = fields.map(
    ([name, value]) =>
      `${name}=${typeof value === "number" || /^[\w.:@/+-]+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${[message, ...facts].join("  ")}`;
}
