#!/usr/bin/env node
// The `maestro` command. Plain JavaScript that any Node.js can read, so that an old one gets a sentence and not a
// stack trace; the program itself is src/cli/main.ts. CommonJS, because `maestro --version` has 60 ms and Node's loader
// of ES modules takes 8 of them.
"use strict";
const { existsSync, writeSync } = require("node:fs");
const path = require("node:path");
const { version, engines } = require("../package.json");

const minimum = engines.node.replace(">=", "");
/** As it was called, where the script of a clone says so. */
const called = process.argv[2] === "--called" ? process.argv[3] : undefined;
const args = process.argv.slice(called === undefined ? 2 : 4);

void main().then((code) => {
  process.exitCode = code;
});

async function main() {
  if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
    print(`maestro ${version}\n`);
    return 0;
  }
  return isNewEnough(process.versions.node) ? start() : startWithNewerNode();
}

/** Straight to the file: setting up the stream of `console.log` takes 8 ms, a seventh of the whole command. */
function print(text) {
  try {
    writeSync(1, text);
  } catch {
    // A pipe that is full or closed: the stream knows how to wait, and when to be silent.
    console.log(text.trimEnd());
  }
}

function isNewEnough(found) {
  const [major, minor] = found.split(".").map(Number);
  const [needMajor, needMinor] = minimum.split(".").map(Number);
  return major > needMajor || (major === needMajor && minor >= needMinor);
}

async function start() {
  const { enableCompileCache } = require("node:module");
  const { homedir } = require("node:os");
  // In the user's own cache folder: what lies there is run as code, so it must not be a folder that others can write.
  enableCompileCache?.(`${process.env.XDG_CACHE_HOME || `${homedir()}/.cache`}/maestro/compile`);
  require("./own-modules.cjs");
  try {
    // Completion is asked for with every key, and needs little of the program.
    const program = await import(args[0] === "__complete" ? "../src/cli/complete.ts" : "../src/cli/main.ts");
    return await program.main(args, called);
  } catch (thrown) {
    const missing =
      thrown?.code === "ERR_MODULE_NOT_FOUND" && /Cannot find package '([^']+)'/.exec(thrown.message)?.[1];
    if (!missing) throw thrown;
    console.error(
      `error: the dependencies are not installed: ${missing} is missing\nfix: run npm ci in ${path.join(__dirname, "../../..")}`,
    );
    return 2;
  }
}

/** In a clone the dependencies bring a Node.js along (package.json, optionalDependencies). */
async function startWithNewerNode() {
  const carried = path.join(__dirname, "../../../node_modules/.bin/node");
  if (!existsSync(carried)) {
    console.error(
      `error[node_too_old]: maestro ${version} needs Node.js ${minimum} or newer, and this is ${process.versions.node}\n` +
        "fix: install Node.js 24, or run npm start once in a clone of the repository, which brings its own",
    );
    return 2;
  }
  const { spawn } = require("node:child_process");
  const { constants } = require("node:os");
  const child = spawn(carried, [__filename, ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends Ctrl-C to both; this process only waits for what the other makes of it.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
