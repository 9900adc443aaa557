import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isInside } from "../runner/sandbox.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

type Place = Pick<TaskContext, "dir">;

/** The folder of this run's attempts: what earlier tasks left is there. */
export function runFolder(context: Place): string {
  return dirname(realpathSync(context.dir()));
}

/**
 * Maestro's own data directory, with its keys and database: no task writes or reads there but in the folders of its run,
 * which are `work/<run>/<attempt>`. Undefined where attempts have a folder elsewhere.
 */
export function installation(context: Place): string | undefined {
  const work = dirname(runFolder(context));
  return basename(work) === "work" ? dirname(work) : undefined;
}

/** Whether a real path belongs to Maestro itself and not to this run. */
export function isMaestros(real: string, context: Place): boolean {
  const own = installation(context);
  return own !== undefined && isInside(real, own) && !isInside(real, runFolder(context));
}

/** Whether a path leads to what the data directory has beside the folders of runs: keys, tokens, settings, the database. */
export function isPrivate(path: string, context: Place): boolean {
  const own = installation(context);
  if (own === undefined) return false;
  const real = realOf(path);
  return isInside(real, own) && !isInside(real, join(own, "work"));
}

/** Where a path leads; of what is not there yet, where it would be. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Whatever the reason, whoever opens it says so in better words.
    const folder = dirname(path);
    return folder === path ? path : join(realOf(folder), basename(path));
  }
}

/** The failure of a task that was sent into Maestro's own data directory. */
export function ownPlaceFailure(path: string): TaskFailure {
  return new TaskFailure({
    code: "OUTSIDE",
    message: `${path} is in Maestro's own data directory, which no task may touch. Name another folder.`,
    final: true,
  });
}
