import { realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { isInside } from "../runner/sandbox.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

/** The folder of this run's attempts: what earlier tasks left is there. */
export function runFolder(context: TaskContext): string {
  return dirname(realpathSync(context.dir()));
}

/**
 * Maestro's own data directory, with its keys and database: no task writes or reads there but in the folders of its run,
 * which are `work/<run>/<attempt>`. Undefined where attempts have a folder elsewhere.
 */
export function installation(context: TaskContext): string | undefined {
  const work = dirname(runFolder(context));
  return basename(work) === "work" ? dirname(work) : undefined;
}

/** Whether a real path belongs to Maestro itself and not to this run. */
export function isMaestros(real: string, context: TaskContext): boolean {
  const own = installation(context);
  return own !== undefined && isInside(real, own) && !isInside(real, runFolder(context));
}

/** The failure of a task that was sent into Maestro's own data directory. */
export function ownPlaceFailure(path: string): TaskFailure {
  return new TaskFailure({
    code: "OUTSIDE",
    message: `${path} is in Maestro's own data directory, which no task may touch. Name another folder.`,
    final: true,
  });
}
