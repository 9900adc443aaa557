import type { StepRef } from "../core/event.ts";

/**
 * Task logs: files that are appended while the task runs and read by range, tail and search. A log is bytes as they
 * came (binary, ANSI, lines of any length); a reader that shows it to a person makes it safe there.
 */
export interface LogStore {
  append(attempt: LogRef, stream: "stdout" | "stderr" | "info", bytes: Uint8Array, at: number): boolean;
  /** Resolves when what was appended is in the file system and the backlog is below its limit. */
  drained(attempt: LogRef): Promise<void>;
  close(attempt: LogRef): Promise<void>;
  /** Attempts of a run that have a log, in no order: no log is opened for it. */
  refs(run: string): Promise<readonly LogRef[]>;
  /** Attempts of a run that have a log, in the order they began. */
  list(run: string): Promise<readonly (LogRef & { readonly size: number; readonly lines: number })[]>;
  /** Up to `limit` bytes from `offset`. `size` is the log's present size. */
  read(
    attempt: LogRef,
    range: { readonly offset: number; readonly limit: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly size: number }>;
  /** The last `lines` lines, at most `limit` bytes of them. */
  tail(
    attempt: LogRef,
    range: { readonly lines: number; readonly limit: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly offset: number; readonly size: number }>;
  /** Lines that hold `text` (plain, case-insensitive), as they stand, with byte offset and line number, at most `limit`. */
  search(attempt: LogRef, query: { readonly text: string; readonly limit: number }): Promise<readonly LogLine[]>;
}

export interface LogRef extends StepRef {
  readonly run: string;
  readonly attempt: number;
}

export interface LogLine {
  readonly line: number;
  readonly offset: number;
  readonly text: string;
}
