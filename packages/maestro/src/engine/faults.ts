import { MaestroError, messageOf } from "../core/problem.ts";
import type { EngineParts } from "./parts.ts";

/** Runs that met a fault of the engine's own. Each stands still until the engine restarts, and everything else goes on. */
export class Faults {
  private readonly log: EngineParts["log"];
  private readonly byRun = new Map<string, unknown>();

  constructor(log: EngineParts["log"]) {
    this.log = log;
  }

  note(run: string, error: unknown): void {
    this.byRun.set(run, error);
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log("error", "a run met a fault of the engine and stands still until it is looked at or the engine restarts", {
      run,
      stack,
    });
  }

  has(run: string): boolean {
    return this.byRun.has(run);
  }

  /** What whoever wants something of that run is told. */
  refusal(run: string): MaestroError | undefined {
    if (!this.byRun.has(run)) return undefined;
    const cause = this.byRun.get(run);
    return new MaestroError(
      "internal",
      `run ${run} stands still because of a fault of the engine (${messageOf(cause)})`,
      { cause, fix: "Restart the engine, and report it with the log." },
    );
  }
}
