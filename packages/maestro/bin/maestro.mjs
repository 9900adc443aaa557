#!/usr/bin/env node
// The `maestro` command. Plain JavaScript that any Node.js can read, so that an old one gets a sentence and not a
// stack trace; the program itself is src/cli/main.ts.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// The other modules of Node load where they are needed: `maestro --version` has 60 ms, and Node itself takes most of them.
const home = fileURLToPath(new URL("..", import.meta.url));
const { version, engines } = JSON.parse(readFileSync(`${home}package.json`, "utf8"));
const minimum = engines.node.replace(">=", "");
const args = process.argv.slice(2);

if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  console.log(`maestro ${version}`);
} else if (isNewEnough(process.versions.node)) {
  process.exitCode = await start();
} else {
  process.exitCode = await startWithNewerNode();
}

function isNewEnough(found) {
  const [major, minor] = found.split(".").map(Number);
  const [needMajor, needMinor] = minimum.split(".").map(Number);
  return major > needMajor || (major === needMajor && minor >= needMinor);
}

async function start() {
  const [{ enableCompileCache }, { homedir }] = await Promise.all([import("node:module"), import("node:os")]);
  // In the user's own cache folder: what lies there is run as code, so it must not be a folder that others can write.
  enableCompileCache?.(`${process.env.XDG_CACHE_HOME || `${homedir()}/.cache`}/maestro/compile`);
  try {
    const { main } = await import("../src/cli/main.ts");
    return await main(args);
  } catch (thrown) {
    const missing =
      thrown?.code === "ERR_MODULE_NOT_FOUND" && /Cannot find package '([^']+)'/.exec(thrown.message)?.[1];
    if (!missing) throw thrown;
    console.error(
      `error: the dependencies are not installed: ${missing} is missing\nfix: run npm ci in ${fileURLToPath(new URL("../../..", import.meta.url))}`,
    );
    return 2;
  }
}

/** In a clone the dependencies bring a Node.js along (package.json, optionalDependencies). */
async function startWithNewerNode() {
  const carried = `${home}../../node_modules/.bin/node`;
  if (!existsSync(carried)) {
    console.error(
      `error[node_too_old]: maestro ${version} needs Node.js ${minimum} or newer, and this is ${process.versions.node}\n` +
        "fix: install Node.js 24, or run npm start once in a clone of the repository, which brings its own",
    );
    return 2;
  }
  const [{ spawn }, { constants }] = await Promise.all([import("node:child_process"), import("node:os")]);
  const child = spawn(carried, [fileURLToPath(import.meta.url), ...args], { stdio: "inherit" });
  // The terminal sends Ctrl-C to both; this process only waits for what the other makes of it.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
