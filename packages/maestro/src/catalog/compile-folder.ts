import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { LoadResult } from "../manifest/load.ts";
import { loadManifest } from "../manifest/load.ts";
import { toJson } from "../manifest/report.ts";
import { readSource } from "../manifest/source.ts";
import type { StoredPlan } from "../store/store.ts";
import type { FileProblem } from "./folder-workflows.ts";
import { storedPlan } from "./publish.ts";
import type { NamedRef, ResolveEnv } from "./resolve.ts";
import { findRunbookFor } from "./resolve.ts";
import { fits, highest } from "./version.ts";

/** A manifest of a folder, and what became of it. */
export interface CompileFile {
  /** In the folder. */
  readonly path: string;
  /** For people. */
  readonly file: string;
  bytes: Uint8Array | undefined;
  /** `namespace/name` that it goes by or went by, so that who uses one of them is compiled again. */
  names: ReadonlySet<string>;
  /** `namespace/name` of the runbooks it uses. */
  uses: Set<string>;
  good: StoredPlan | undefined;
  problem: FileProblem | null;
}

/**
 * Compiles the files that changed, and those that use what they are, in whatever order they need one another. What fails
 * keeps its last good plan.
 */
export async function compileFiles<T extends CompileFile>(
  files: readonly T[],
  what: { readonly changed: ReadonlySet<T>; readonly again: ReadonlySet<T>; readonly removed: readonly string[] },
  how: { readonly env: ResolveEnv; readonly now: number; readonly pause: () => Promise<unknown> },
): Promise<void> {
  const names = new Set(what.removed);
  for (const file of what.changed) {
    const name = nameOf(file.bytes);
    for (const one of file.names) names.add(one);
    if (name !== undefined) names.add(name);
    file.names = new Set([...(file.good === undefined ? [] : [nameOfPlan(file.good)]), ...(name ? [name] : [])]);
  }
  const waiting = new Set<T>([...what.changed, ...what.again, ...users(files, names)]);
  const atWork = new Set<T>();

  async function compile(file: T): Promise<void> {
    if (!waiting.delete(file) || file.bytes === undefined) return;
    atWork.add(file);
    const uses = new Set<string>();
    const text = new TextDecoder().decode(file.bytes);
    const loaded = await loadOr(file.bytes, file.file, how.env, async (ref) => {
      uses.add(`${ref.namespace}/${ref.name}`);
      return near(ref);
    });
    atWork.delete(file);
    file.uses = uses;
    if ("message" in loaded) file.problem = loaded;
    else {
      const plan = storedPlan(loaded.plan, text, how.now);
      file.good = plan.digest === file.good?.digest ? { ...plan, createdAt: file.good.createdAt } : plan;
      file.problem = null;
      file.names = new Set([nameOfPlan(plan)]);
    }
    // The engine lives in the same process.
    await how.pause();
  }

  /** A file of the same folder; one that is being compiled uses us, and then neither can be had. */
  async function near(ref: NamedRef): Promise<StoredPlan | undefined> {
    const candidates = files.filter((file) => file.names.has(`${ref.namespace}/${ref.name}`));
    for (const file of candidates) if (waiting.has(file)) await compile(file);
    const ready = candidates.flatMap((file) => (file.good === undefined || atWork.has(file) ? [] : [file.good]));
    return highest(
      ready.filter(
        (plan) => plan.namespace === ref.namespace && plan.name === ref.name && fits(plan.version, ref.version),
      ),
    );
  }

  for (const file of waiting) await compile(file);
}

/** Files that use one of the names, directly or through others. */
function users<T extends CompileFile>(files: readonly T[], names: ReadonlySet<string>): ReadonlySet<T> {
  const all = new Set(names);
  const found = new Set<T>();
  for (let grown = true; grown;) {
    grown = false;
    for (const file of files) {
      if (found.has(file) || ![...file.uses].some((name) => all.has(name))) continue;
      found.add(file);
      for (const name of file.names) all.add(name);
      grown = true;
    }
  }
  return found;
}

async function loadOr(
  bytes: Uint8Array,
  file: string,
  env: ResolveEnv,
  near: (ref: NamedRef) => Promise<StoredPlan | undefined>,
): Promise<Extract<LoadResult, { readonly ok: true }> | FileProblem> {
  try {
    const loaded = await loadManifest(bytes, file, {
      taskTypes: env.descriptions,
      runbook: (ref) => findRunbookFor(env, ref, near),
    });
    if (loaded.ok) return loaded;
    const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
    const [first] = errors;
    const more = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
    const place = first === undefined ? "" : `${file}:${first.line}:${first.column}: ${first.message}${more}`;
    return { message: place, diagnostics: loaded.diagnostics.map(toJson) };
  } catch (error) {
    // A published runbook that it uses and that is not what was signed: told at the file, and nobody else's fault.
    if (!(error instanceof MaestroError)) throw error;
    return { message: `${error.code}: ${error.message}`, diagnostics: [] };
  }
}

function nameOf(bytes: Uint8Array | undefined): string | undefined {
  const value: JsonValue | undefined = bytes === undefined ? undefined : readSource(bytes).value;
  const metadata = isJsonObject(value) ? value["metadata"] : undefined;
  if (!isJsonObject(metadata)) return undefined;
  const { namespace, name } = metadata;
  return typeof namespace === "string" && typeof name === "string" ? `${namespace}/${name}` : undefined;
}

function nameOfPlan({ namespace, name }: StoredPlan): string {
  return `${namespace}/${name}`;
}
