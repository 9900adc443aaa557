// Adds to package-lock.json the platform packages that the registry in use did not offer when the file was written.
// npm leaves such packages out without a word, and `npm ci` of npm 11 and newer then refuses the file. An added entry
// has a version and its platform but no integrity; `npm install` against a registry that has the package fills it in.
// npm runs it after every install (package.json, `postinstall`); a complete file stays as it is.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("../package-lock.json", import.meta.url));

/** Reads `binding-linux-arm-musleabihf`, `darwin-arm64`, `win32-x64-msvc`: system, processor and C library. */
export function platformOf(name) {
  const words = name.slice(name.indexOf("/") + 1).split("-");
  const [os, cpu, abi] = words[0] === "binding" ? words.slice(1) : words;
  const libc =
    os !== "linux" ? undefined : abi?.startsWith("musl") ? "musl" : abi?.startsWith("gnu") ? "glibc" : undefined;
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }) };
}

/** The lock file with an entry for every optional dependency that has an exact version but no entry. */
export function completeLock(lock) {
  const packages = { ...lock.packages };
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`;
      if (packages[key] !== undefined || !/^\d/.test(version)) continue;
      const { os, cpu, libc } = platformOf(name);
      packages[key] = {
        version,
        cpu,
        ...(entry.dev ? { dev: true } : {}),
        ...(libc ? { libc } : {}),
        optional: true,
        os,
      };
    }
  }
  const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en")));
  return { ...lock, packages: sorted };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lock = JSON.parse(readFileSync(path, "utf8"));
  const complete = completeLock(lock);
  const added = Object.keys(complete.packages).length - Object.keys(lock.packages).length;
  if (added > 0) {
    writeFileSync(path, `${JSON.stringify(complete, null, 2)}\n`);
    console.error(`package-lock.json: ${added} platform packages added that the registry in use does not offer`);
  }
}
