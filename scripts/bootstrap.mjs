// Makes a fresh clone ready: installs the dependencies where they are missing or not those of package-lock.json, and
// sees to a Node.js that is new enough. Says in one line what it does, and nothing when there is nothing to do.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findNode, linkNode, minimumNode, nodePackage, readJson, root } from "./runtime.mjs";

/** Returns the Node.js to run the project with, or ends the process with advice. */
export function bootstrap() {
  if (!isInstalled()) {
    const started = Date.now();
    console.error("Installing the dependencies from package-lock.json (npm ci) ...");
    npm(["ci", "--include=dev", "--include=optional"]);
    console.error(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  }
  linkNode();
  return findNode() ?? fetchNode();
}

/**
 * Whether what npm installed is what the lock file asks for. Optional packages may be missing, because most belong to
 * other platforms. `installed` is the file that npm leaves in node_modules when it has finished.
 */
export function matches(lock, installed) {
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (!path.startsWith("node_modules/")) return true;
    const found = installed.packages[path];
    return found === undefined ? wanted.optional === true : found.version === wanted.version;
  });
}

function isInstalled() {
  const left = "node_modules/.package-lock.json";
  return existsSync(join(root, left)) && matches(readJson("package-lock.json"), readJson(left));
}

/** For an install that left the optional Node.js out: a download that failed, or a `omit=optional` somewhere. */
function fetchNode() {
  const carrier = nodePackage();
  const own = `This machine's Node.js is ${process.versions.node}; the project needs ${minimumNode} or newer`;
  if (carrier === undefined)
    fail(`${own} and brings none for ${process.platform} on ${process.arch}.\nfix: install Node.js 24 and try again`);
  console.error(`${own}: fetching ${carrier.name}@${carrier.version} ...`);
  npm(["install", "--no-save", "--no-package-lock", "--include=optional", `${carrier.name}@${carrier.version}`]);
  linkNode();
  return findNode() ?? fail(`${own}, and npm did not install ${carrier.name}.\nfix: install Node.js 24 and try again`);
}

function npm(args) {
  // The npm that runs this script, where one does; its path is a JavaScript file.
  const started = process.env.npm_execpath;
  const [program, ...before] =
    started?.endsWith(".js") === true && existsSync(started) ? [process.execPath, started] : ["npm"];
  const result = spawnSync(
    program,
    [...before, ...args, "--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier"],
    {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  if (result.status === 0) return;
  const said = result.error?.message ?? result.stderr;
  fail(`npm ${args[0]} failed:\n${essence(said)}\n${advice(said)}`);
}

/** The lines of npm's that say something: neither empty nor part of a stack trace, and not all of a long list. */
export function essence(output) {
  const lines = output.split("\n").filter((line) => line.trim() !== "" && !/^npm error(?:\s+at .*|\s*)$/.test(line));
  const shown = lines.length > 10 ? [...lines.slice(0, 8), "  ...", lines.at(-1)] : lines;
  return shown.map((line) => `  ${line}`).join("\n");
}

/** What a person can do about a failed install. */
export function advice(output) {
  if (/EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/i.test(output)) {
    return "fix: this machine does not reach the package registry. Connect it, or set a proxy or a mirror\n     (npm config set https-proxy URL, npm config set registry URL), and try again";
  }
  if (/ENOSPC/.test(output)) return "fix: the disk is full; the dependencies need about 400 MB";
  if (/EACCES|EPERM|EROFS/.test(output))
    return "fix: make the folder writable for this user; an earlier install may have run as root";
  if (/EUSAGE|in sync/.test(output))
    return "fix: package.json and package-lock.json differ: run npm install and commit both";
  if (/EINTEGRITY/.test(output))
    return "fix: a package is not the one the lock file names. Do not go on before you know why";
  return "fix: run npm ci by hand to see all of it";
}

function fail(text) {
  console.error(text);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) bootstrap();
