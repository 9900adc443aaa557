import { statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";

/** Which data directory, and by which of the rules, for `--debug` and messages. */
export interface DataDir {
  readonly path: string;
  readonly from: "--data" | "MAESTRO_DATA" | "project" | "default";
}

/**
 * The data directory, first rule that applies: `--data DIR`; `MAESTRO_DATA`; the nearest `.maestro` folder in this
 * folder or one above it that belongs to this user (a foreign one, say in /tmp, must not choose what we run);
 * `$XDG_DATA_HOME/maestro`, by default `~/.local/share/maestro`.
 */
export function findDataDir(options: {
  readonly flag: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}): DataDir {
  const { flag, env, cwd } = options;
  if (flag !== undefined && flag !== "") return { path: resolve(cwd, flag), from: "--data" };
  const named = env["MAESTRO_DATA"];
  if (named !== undefined && named !== "") return { path: resolve(cwd, named), from: "MAESTRO_DATA" };
  for (let folder = cwd; ; folder = dirname(folder)) {
    const candidate = join(folder, ".maestro");
    const stat = statSync(candidate, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true && (process.getuid === undefined || stat.uid === process.getuid()))
      return { path: candidate, from: "project" };
    if (folder === dirname(folder)) break;
  }
  const xdg = env["XDG_DATA_HOME"];
  // XDG Base Directory Specification: a relative path is invalid and ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] ?? homedir(), ".local", "share");
  return { path: join(base, "maestro"), from: "default" };
}
