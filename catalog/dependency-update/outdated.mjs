// Finds the first dependency of a project for which a folder of packed packages has a newer version.
// Plain JavaScript without dependencies, for any Node.js from 18 on.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";

const env = process.env;
const project = resolve(env.MAESTRO_BASE, env.PROJECT);
const source = resolve(env.MAESTRO_BASE, env.SOURCE);
for (const path of ["package.json", "package-lock.json", "node_modules"])
  if (!existsSync(resolve(project, path))) fail(`${project} has no ${path}`);
const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(resolve(project, "package.json"), "utf8"));
const declared = { ...devDependencies, ...dependencies };

// What `npm pack` calls its files: name-1.2.3.tgz, scope-name-1.2.3.tgz for @scope/name.
const packed = readdirSync(source).flatMap((file) => {
  const match = /^(.+)-(\d+)\.(\d+)\.(\d+)\.tgz$/.exec(file);
  return match === null ? [] : [{ file, name: match[1], version: match.slice(2, 5).map(Number) }];
});

const updates = Object.keys(declared)
  .filter((name) => env.PACKAGE === "" || name === env.PACKAGE)
  .sort()
  .flatMap((name) => {
    const present = versionOf(name);
    const of = packed.filter((one) => one.name === name.replace(/^@/, "").replace("/", "-"));
    const newer = of.filter(({ version }) => compare(version, present) > 0 && allowed(version, present));
    const best = newer.sort((a, b) => compare(b.version, a.version))[0];
    if (best === undefined) return [];
    const path = relative(project, resolve(source, best.file));
    return [{ name, from: present.join("."), to: best.version.join("."), spec: `${name}@file:${path}` }];
  });

const [update] = updates;
const found = { found: update !== undefined, outdated: updates.length, ...update };
writeFileSync(env.MAESTRO_OUTPUT, JSON.stringify(found));
console.log(update === undefined ? "every dependency is up to date" : `${update.name} ${update.from} -> ${update.to}`);

/** As it is installed, which is what the tests ran with. */
function versionOf(name) {
  const path = resolve(project, "node_modules", name, "package.json");
  if (!existsSync(path)) fail(`${name} is not installed; bring ${project} up first, with npm ci`);
  const { version } = JSON.parse(readFileSync(path, "utf8"));
  return version.split(/[.+-]/, 3).map(Number);
}

/** Before 1.0.0 a minor version may break what there was (semver.org, 4), so it counts as a major one. */
function allowed([major, minor], [presentMajor, presentMinor]) {
  if (env.UP_TO === "major") return true;
  if (major !== presentMajor) return false;
  return minor === presentMinor || (env.UP_TO === "minor" && major > 0);
}

function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function fail(why) {
  console.error(why);
  process.exit(1);
}
