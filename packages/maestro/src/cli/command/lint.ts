import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { KnownRunbook } from "../../core/compile.ts";
import { canonical } from "../../core/canonical.ts";
import type { JsonObject } from "../../core/json.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import type { RunbookRef } from "../../core/workflow.ts";
import { MANIFEST_NAME } from "../../manifest/file-name.ts";
import { loadManifest } from "../../manifest/load.ts";
import type { LoadResult, ManifestEnv } from "../../manifest/load.ts";
import { isProject } from "../../manifest/project.ts";
import { formatGithub, formatHuman, toJson } from "../../manifest/report.ts";
import type { LocatedDiagnostic } from "../../manifest/report.ts";
import { toGitlab } from "../../manifest/report-gitlab.ts";
import { toSarif } from "../../manifest/report-sarif.ts";
import { VERSION } from "../../version.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { count } from "../format.ts";
import { knownTypes } from "../known-types.ts";
import type { KnownType } from "../known-types.ts";
import { fixNames } from "../lint-fix.ts";
import { readStdin } from "../manifest-source.ts";
import { isData, printLines } from "../output.ts";

const FORMATS = ["human", "json", "sarif", "github", "gitlab"] as const;

const STDIN = "stdin";

interface Manifest {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const format =
    input.choice("format", FORMATS) ??
    (isData(cli) ? "json" : cli.terminal.env["GITHUB_ACTIONS"] === "true" ? "github" : "human");
  const types = await knownTypes(cli);
  const read = await readManifests(cli, input.args("path"));
  const manifests = input.flag("fix") === true ? await fixAll(cli, read, types) : read;
  const linter = new Linter(manifests, types);
  const diagnostics: LocatedDiagnostic[] = [];
  for (const manifest of manifests) diagnostics.push(...(await linter.load(manifest)).diagnostics);
  await print(cli, format, diagnostics);
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = diagnostics.length - errors;
  if (format === "human") {
    cli.terminal.say(
      `${count(manifests.length, "manifest")}: ${count(errors, "error")}, ${count(warnings, "warning")}`,
    );
  }
  return errors > 0 || (input.flag("strict") === true && warnings > 0) ? 1 : 0;
}

async function print(
  cli: Cli,
  format: (typeof FORMATS)[number],
  diagnostics: readonly LocatedDiagnostic[],
): Promise<void> {
  switch (format) {
    case "json":
      return printLines(cli, [
        JSON.stringify({ apiVersion: "maestro/v1", kind: "DiagnosticList", diagnostics: diagnostics.map(toJson) }),
      ]);
    case "sarif":
      return printLines(cli, [JSON.stringify(toSarif(diagnostics, VERSION))]);
    case "github":
      return diagnostics.length === 0 ? undefined : printLines(cli, [formatGithub(diagnostics)]);
    case "gitlab":
      return printLines(cli, [JSON.stringify(toGitlab(diagnostics))]);
    case "human":
      return diagnostics.length === 0 ? undefined : printLines(cli, [formatHuman(diagnostics).trimEnd()]);
  }
}

/** Manifests as they are after what can be mended safely was, in their files too. */
async function fixAll(
  cli: Cli,
  manifests: readonly Manifest[],
  types: readonly KnownType[],
): Promise<readonly Manifest[]> {
  if (manifests.some(({ name }) => name === STDIN)) throw usage("--fix writes files; give their names instead of `-`.");
  const result = [...manifests];
  for (const [i, manifest] of manifests.entries()) {
    const lint = async (text: string): Promise<readonly LocatedDiagnostic[]> => {
      const changed = { ...manifest, bytes: Buffer.from(text) };
      const { diagnostics } = await new Linter(result.with(i, changed), types).load(changed);
      return diagnostics;
    };
    const before = Buffer.from(manifest.bytes).toString("utf8");
    // What is not UTF-8 would be damaged by being written again; and columns are counted after a byte order mark.
    if (!Buffer.from(before).equals(manifest.bytes) || before.startsWith("\uFEFF")) continue;
    const { text, done } = await fixNames(before, lint);
    if (done.length === 0) continue;
    await writeManifest(cli, manifest.name, text);
    result[i] = { ...manifest, bytes: Buffer.from(text) };
    for (const { from, to, line, column } of done)
      cli.terminal.say(`${manifest.name}:${line}:${column}: ${from} is ${to} now`);
  }
  return result;
}

async function writeManifest(cli: Cli, name: string, text: string): Promise<void> {
  try {
    await writeFile(resolve(cli.cwd, name), text);
  } catch (error) {
    throw new MaestroError("invalid_request", `--fix: ${name} cannot be written: ${messageOf(error)}`, {
      cause: error,
      fix: "Check its permissions.",
    });
  }
}

/** Loads manifests; runbooks that they use are looked for among the manifests themselves, because there is no engine here. */
class Linter {
  readonly #manifests: readonly Manifest[];
  readonly #results = new Map<string, Promise<LoadResult>>();
  readonly #env: ManifestEnv;

  constructor(manifests: readonly Manifest[], types: readonly KnownType[]) {
    this.#manifests = manifests;
    this.#env = {
      taskTypes: new Map(types.map(({ description }) => [`${description.name}@${description.version}`, description])),
      runbook: (ref) => this.#runbook(ref),
    };
  }

  load(manifest: Manifest): Promise<LoadResult> {
    let result = this.#results.get(manifest.name);
    if (result === undefined)
      this.#results.set(manifest.name, (result = loadManifest(manifest.bytes, manifest.name, this.#env)));
    return result;
  }

  async #runbook(ref: RunbookRef): Promise<KnownRunbook | undefined> {
    for (const manifest of this.#manifests) {
      // Cheap, and it keeps two runbooks that name each other from waiting for each other.
      if ("digest" in ref || !looksLike(manifest, ref)) continue;
      const result = await this.load(manifest);
      if (!result.ok) continue;
      const { namespace, name, version } = result.plan.workflow;
      if (namespace !== ref.namespace || name !== ref.name || !matches(version, ref.version)) continue;
      return {
        digest: result.planDigest,
        namespace,
        name,
        version,
        text: canonical(result.plan as unknown as JsonObject),
      };
    }
    return undefined;
  }
}

function looksLike({ bytes }: Manifest, { name }: { readonly name: string }): boolean {
  return new RegExp(`name["']?:\\s*["']?${name.replaceAll(/[^\w]/g, "\\$&")}["']?\\s*[,}\\n\\r]`).test(
    Buffer.from(bytes).toString("utf8"),
  );
}

/** `2` stands for every 2.x.y. */
function matches(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

const MAX_FILES = 10_000;

async function readManifests(cli: Cli, paths: readonly string[]): Promise<readonly Manifest[]> {
  const names = new Set<string>();
  for (const path of paths) {
    if (path !== "-" && (await isFolder(cli, path))) for (const found of await manifestsIn(cli, path)) names.add(found);
    else names.add(path);
  }
  if (names.size === 0) {
    throw new MaestroError("not_found", `There is no manifest in ${paths.join(", ")}.`, {
      fix: "Manifests in folders are named *.maestro.yaml, *.maestro.yml, *.maestro.json or maestro.yaml.",
    });
  }
  const manifests: Manifest[] = [];
  for (const name of names) {
    manifests.push(
      name === "-" ? { name: STDIN, bytes: await readStdin(cli) } : { name, bytes: await readBytes(cli, name) },
    );
  }
  return manifests;
}

async function isFolder(cli: Cli, path: string): Promise<boolean> {
  try {
    return (await stat(resolve(cli.cwd, path))).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function manifestsIn(cli: Cli, folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const entries = await readdir(resolve(cli.cwd, next), { withFileTypes: true });
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(next, entry.name);
      if (entry.isDirectory() && entry.name !== "node_modules" && !entry.name.startsWith(".")) waiting.push(path);
      else if (entry.isFile() && MANIFEST_NAME.test(entry.name) && !(await isProjectFile(cli, path))) found.push(path);
      if (found.length > MAX_FILES)
        throw new MaestroError("limit_exceeded", `${folder} holds more than ${MAX_FILES} manifests.`, {
          fix: "Name a smaller folder.",
        });
    }
  }
  return found.toSorted();
}

/** A project's settings have the name of a manifest, and are none. */
async function isProjectFile(cli: Cli, path: string): Promise<boolean> {
  return basename(path) === "maestro.yaml" && isProject(Buffer.from(await readBytes(cli, path)).toString("utf8"));
}

async function readBytes(cli: Cli, path: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cli.cwd, path));
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): MaestroError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR")
    return new MaestroError("not_found", `There is no file ${path}.`, { cause: error, fix: "Check the path." });
  return new MaestroError("invalid_request", `${path} cannot be read: ${messageOf(error)}`, {
    cause: error,
    fix: "Check its permissions.",
  });
}
