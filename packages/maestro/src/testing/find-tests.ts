import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { MaestroError, messageOf } from "../core/problem.ts";

export interface TestPaths {
  /** Tables of cases, `*.maestro.test.yaml`. */
  readonly tables: readonly string[];
  /** For node's runner, `*.maestro.test.ts`. */
  readonly scripts: readonly string[];
}

const TABLE = /(^|\.)maestro\.test\.(ya?ml|json)$/;
const SCRIPT = /(^|\.)maestro\.test\.(ts|mts|js|mjs)$/;
const MANIFEST = /(^|\.)maestro\.(ya?ml|json)$/;
const MAX_FILES = 10_000;

/**
 * The tests that these paths name, as they were named: files, folders with everything below them, and manifests, which
 * stand for the tests beside them. Errors: `invalid_test` where there is none, `limit_exceeded`.
 */
export async function findTests(cwd: string, paths: readonly string[]): Promise<TestPaths> {
  const found = new Set<string>();
  for (const path of paths) {
    const here = await kindOf(resolve(cwd, path), path);
    if (here === "folder") for (const file of await testsBelow(cwd, path)) found.add(file);
    else if (MANIFEST.test(path) && !TABLE.test(path)) for (const file of await testsOf(cwd, path)) found.add(file);
    else found.add(path);
  }
  const scripts = [...found].filter((path) => /\.(ts|mts|js|mjs)$/.test(path));
  const tables = [...found].filter((path) => !scripts.includes(path));
  if (found.size === 0)
    throw new MaestroError("invalid_test", `There is no test in ${paths.join(", ")}.`, {
      fix: "Tests lie beside their manifests and are named *.maestro.test.yaml or *.maestro.test.ts; see docs/guides/test-a-workflow.md.",
    });
  return { tables, scripts };
}

async function kindOf(absolute: string, path: string): Promise<"folder" | "file"> {
  try {
    return (await stat(absolute)).isDirectory() ? "folder" : "file";
  } catch (error) {
    throw new MaestroError("invalid_test", `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: "Check the path.",
    });
  }
}

async function testsBelow(cwd: string, folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of await readdir(resolve(cwd, next), { withFileTypes: true })) {
      const path = join(next, entry.name);
      if (entry.isDirectory() && entry.name !== "node_modules" && !entry.name.startsWith(".")) waiting.push(path);
      else if (entry.isFile() && (TABLE.test(entry.name) || SCRIPT.test(entry.name))) found.push(path);
      if (found.length > MAX_FILES)
        throw new MaestroError("limit_exceeded", `${folder} holds more than ${MAX_FILES} tests.`, {
          fix: "Name a smaller folder.",
        });
    }
  }
  return found.toSorted();
}

/** `release.maestro.yaml` is tested by `release.maestro.test.yaml` and `release.maestro.test.ts`. */
async function testsOf(cwd: string, manifest: string): Promise<readonly string[]> {
  const stem = basename(manifest).replace(/\.(ya?ml|json)$/, "");
  const names = await readdir(resolve(cwd, dirname(manifest)));
  return names
    .filter((name) => name.startsWith(`${stem}.test.`) && (TABLE.test(name) || SCRIPT.test(name)))
    .map((name) => join(dirname(manifest), name))
    .toSorted();
}
