/** What one check of `maestro doctor` came to. */
export type Finding = Sound | Unsound;

interface Sound extends Checked {
  readonly status: "ok" | "info";
  /** What could be done all the same. */
  readonly fix?: string;
}

interface Unsound extends Checked {
  readonly status: "warning" | "failed";
  /** What to do about it. */
  readonly fix: string;
}

interface Checked {
  /** What was looked at, in two or three words; the same in every version. */
  readonly check: string;
  readonly detail: string;
  /** Does it, where that can harm nothing (`--fix`). Resolves with what was done. */
  readonly repair?: () => Promise<string>;
}

/** What checks look at. They read only, and may be made while an engine works or none does. */
export interface Patient {
  readonly dataDir: string;
  /** Which rule chose the data directory: `--data`, `MAESTRO_DATA`, ... */
  readonly chosenBy: string;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly passphrase?: string;
  /** Who answers on the control socket; undefined where nobody does. */
  readonly ask: () => Promise<{ readonly pid: number; readonly version: string } | undefined>;
  readonly socket: string;
  /** What a sandbox declared `strict` would be, measured from inside. */
  readonly measureStrict: () => Promise<{ readonly measured: string; readonly why: string }>;
}

export type Check = (patient: Patient) => Promise<readonly Finding[]>;
