// The Open Policy Agent for tests: the program in PATH, or one built from scripts/opa with Go and kept in the user's cache
// folder, once for each version. `node scripts/opa.mjs` builds it where it is missing and prints its path.
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("opa", import.meta.url));
/** Where Go's own installer and Debian put it: it is seldom in the PATH of a service. */
const GO_FOLDERS = ["/usr/local/go/bin", "/usr/lib/go/bin"];

/** The path of the program; undefined where it was not built yet. */
export function findOpa() {
  return [...folders(), cacheFolder()].map((folder) => join(folder, "opa")).find(isExecutable);
}

/** Builds it where it is missing. Undefined where there is no Go that can. */
export function provideOpa() {
  const found = findOpa();
  if (found !== undefined) return found;
  const go = [...folders(), ...GO_FOLDERS].map((folder) => join(folder, "go")).find(isExecutable);
  if (go === undefined) return undefined;
  console.error("Building the Open Policy Agent for tests (go build, some minutes, once) ...");
  const folder = cacheFolder();
  mkdirSync(folder, { recursive: true });
  const own = join(folder, `opa.${process.pid}`);
  const env = {
    ...process.env,
    HOME: process.env.HOME ?? userInfo().homedir,
    CGO_ENABLED: "0",
    GOFLAGS: "-mod=readonly",
  };
  const built = spawnSync(go, ["build", "-trimpath", "-ldflags=-s -w", "-o", own, "."], {
    cwd: SOURCE,
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (built.status !== 0) {
    rmSync(own, { force: true });
    return undefined;
  }
  // Several test runs may build at once; each puts a whole program in place.
  renameSync(own, join(folder, "opa"));
  return join(folder, "opa");
}

/** Of this version: its dependencies are named by their digests in go.sum. */
function cacheFolder() {
  const version = createHash("sha256");
  for (const name of ["main.go", "go.mod", "go.sum"]) version.update(readFileSync(join(SOURCE, name)));
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env;
  const base = cache || (home ? join(home, ".cache") : join(tmpdir(), `maestro-${userInfo().username}`));
  return join(base, "summit-maestro", `opa-${version.digest("hex").slice(0, 16)}`);
}

function folders() {
  return (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Not here.
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = process.argv.includes("--find") ? findOpa() : provideOpa();
  if (path === undefined) process.exitCode = 1;
  else console.log(path);
}
