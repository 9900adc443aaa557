import { accessSync, constants } from "node:fs";
import { join } from "node:path";

const PACKAGES: Readonly<Record<string, string>> = {
  bwrap: "bubblewrap",
  prlimit: "util-linux",
  setpriv: "util-linux",
  setsid: "util-linux",
  mkfifo: "coreutils",
  openssl: "openssl",
  script: "bsdutils",
  promtool: "prometheus",
  pg_lsclusters: "postgresql",
  git: "git",
  ssh: "openssh-client",
  python3: "python3",
};
const FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

/**
 * Options for a test that needs programs of the system: `it("…", need("bwrap"), …)`. Where one is missing the test is
 * skipped and says so; with CI=true that is an error, because a check that never runs is worse than none.
 */
export function need(...programs: readonly string[]): { readonly skip?: string } {
  const missing = programs.filter((program) => !FOLDERS.some((folder) => isExecutable(join(folder, program))));
  if (missing.length === 0) return {};
  const message = `needs ${missing.join(" and ")}: install ${[...new Set(missing.map((program) => PACKAGES[program] ?? program))].join(" and ")}`;
  if (process.env["CI"] === "true") throw new Error(`This test ${message}. In CI nothing may be skipped.`);
  console.warn(`SKIPPED: a test ${message}`);
  return { skip: message };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Not here.
  }
}
