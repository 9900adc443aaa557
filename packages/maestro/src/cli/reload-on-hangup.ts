import { MaestroError, messageOf } from "../core/problem.ts";
import type { Client } from "./client.ts";
import type { ServerLog } from "./server-log.ts";

interface Reloaded {
  readonly engine: string;
  readonly before: string;
  readonly after: string;
  readonly restart: readonly string[];
}

/**
 * SIGHUP reads the policy again, as services do it (`systemctl reload`). In a terminal it keeps its meaning: the terminal is
 * gone, and the engine goes with it. Gives back what ends it.
 */
export function reloadOnHangup(log: ServerLog, client: Client, inTerminal: boolean): () => void {
  if (inTerminal) return () => undefined;
  const hangup = (): void => void reload(log, client);
  process.on("SIGHUP", hangup);
  return () => process.off("SIGHUP", hangup);
}

/** A policy that cannot be used leaves the old one in force, and that is said aloud. */
async function reload({ options: { log } }: ServerLog, client: Client): Promise<void> {
  if (!client.isEngine) return;
  try {
    const { engine, before, after, restart } = await client.send<Reloaded>("POST", "/v1/policy/reload", {});
    const what = before === after ? "the policy was read again and is the same" : "another policy is in force";
    log("warn", what, {
      engine,
      before,
      after,
      ...(restart.length === 0 ? {} : { waitsForStart: restart.join(", ") }),
    });
  } catch (error) {
    const problem = error instanceof MaestroError ? { code: error.code, fix: error.fix } : {};
    log("error", "the policy could not be read again; the one before stays in force", {
      problem: messageOf(error),
      ...problem,
    });
  }
}
