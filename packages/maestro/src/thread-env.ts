import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

/**
 * The environment for a new thread, which keeps its compiled code where the program does. Node leaves a cache that was
 * switched on by `enableCompileCache` to the thread that did so; without it the thread that writes starts in 110 ms instead of 60.
 */
export function threadEnv(): NodeJS.ProcessEnv {
  // That of this version of Node, in the folder that was named.
  const ours = getCompileCacheDir();
  return ours === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(ours) };
}
