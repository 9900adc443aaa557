import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { KnownRunbook } from "../core/compile.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { canonical } from "../core/canonical.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { TaskDescription } from "../core/task-description.ts";
import type { RunbookRef } from "../core/workflow.ts";
import type { LoadResult } from "../manifest/load.ts";
import { loadManifest } from "../manifest/load.ts";
import { toJson } from "../manifest/report.ts";
import { readSource } from "../manifest/source.ts";
import type { Store, StoredPlan } from "../store/store.ts";

export interface ResolveEnv {
  readonly store: Store;
  readonly descriptions: ReadonlyMap<string, TaskDescription>;
  now(): number;
}

export interface ResolvedManifest {
  /** Null when there are errors. */
  readonly plan: Plan | null;
  readonly diagnostics: readonly JsonObject[];
}

/** Runbooks inside runbooks: deeper than this is a mistake. */
const MAX_DEPTH = 8;
/** Files of a folder that are looked through for a runbook by name. */
const MAX_FILES = 500;
const MAX_BYTES = 1_048_576;

/**
 * Compiles a manifest against this installation. Runbooks it names are those stored here or, where `folder` is given, those
 * whose manifests lie in it; the latter are stored, so that child runs find them. Never throws for what is wrong with the manifest.
 */
export async function resolveManifest(
  manifest: string,
  file: string,
  env: ResolveEnv,
  folder?: string,
): Promise<ResolvedManifest> {
  const loaded = await load(manifest, file, env, folder, 0);
  return { plan: loaded.ok ? loaded.plan : null, diagnostics: loaded.diagnostics.map(toJson) };
}

async function load(
  manifest: string,
  file: string,
  env: ResolveEnv,
  folder: string | undefined,
  depth: number,
): Promise<LoadResult> {
  return loadManifest(manifest, file, {
    taskTypes: env.descriptions,
    runbook: async (ref) =>
      (await stored(ref, env.store)) ??
      (folder === undefined || depth >= MAX_DEPTH ? undefined : beside(ref, env, folder, depth)),
  });
}

async function stored(ref: RunbookRef, store: Store): Promise<KnownRunbook | undefined> {
  if ("digest" in ref) return store.planGet(ref.digest);
  const { namespace, name, version } = ref;
  const [exact] = await store.workflowList({ namespace, name, version, limit: 1 });
  if (exact !== undefined) return exact;
  const newest = await store.workflowList({ namespace, name, limit: 100 });
  return newest.find((one) => fits(one.version, version));
}

/** `@2` and `@2.1` name the newest version that begins so. */
function fits(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

async function beside(
  ref: RunbookRef,
  env: ResolveEnv,
  folder: string,
  depth: number,
): Promise<KnownRunbook | undefined> {
  if ("digest" in ref) return undefined;
  for (const name of (await readdir(folder)).filter((entry) => /\.(ya?ml|json)$/.test(entry)).slice(0, MAX_FILES)) {
    const path = join(folder, name);
    const found = await stat(path);
    if (!found.isFile() || found.size > MAX_BYTES) continue;
    const text = await readFile(path, "utf8");
    if (!names(readSource(text).value, ref)) continue;
    const loaded = await load(text, path, env, folder, depth + 1);
    if (!loaded.ok) continue;
    const plan: StoredPlan = {
      digest: loaded.planDigest,
      namespace: loaded.plan.workflow.namespace,
      name: loaded.plan.workflow.name,
      version: loaded.plan.workflow.version,
      manifestDigest: loaded.manifestDigest,
      text: canonical(loaded.plan as unknown as JsonValue),
      manifest: text,
      createdAt: env.now(),
    };
    await env.store.planPut(plan);
    return plan;
  }
  return undefined;
}

function names(value: JsonValue | undefined, ref: Exclude<RunbookRef, { readonly digest: string }>): boolean {
  const metadata = isJsonObject(value) ? value["metadata"] : undefined;
  if (!isJsonObject(metadata)) return false;
  const version = metadata["version"];
  return (
    metadata["namespace"] === ref.namespace &&
    metadata["name"] === ref.name &&
    typeof version === "string" &&
    fits(version, ref.version)
  );
}
