import { spawnSync } from "node:child_process";

/** Takes the append-only attribute from everything in a folder, so that it can be removed; where there is none, nothing happens. */
export function letGo(folder: string): void {
  // Where it is not installed, or this user may not, nothing was set either.
  spawnSync("chattr", ["-R", "-f", "-a", folder], { stdio: "ignore" });
}
