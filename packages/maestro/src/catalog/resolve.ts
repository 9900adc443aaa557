import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { KnownRunbook } from "../core/compile.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { TaskDescription } from "../core/task-description.ts";
import type { RunbookRef } from "../core/workflow.ts";
import type { LoadResult } from "../manifest/load.ts";
import { loadManifest } from "../manifest/load.ts";
import { toJson } from "../manifest/report.ts";
import { readSource } from "../manifest/source.ts";
import type { StoredPlan } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";
import { MAX_VERSIONS } from "./find.ts";
import { storedPlan } from "./publish.ts";
import { verifyPublished } from "./verify-published.ts";
import { fits, highest } from "./version.ts";

export interface ResolveEnv extends Pick<Catalog, "store" | "now"> {
  readonly descriptions: ReadonlyMap<string, TaskDescription>;
  /** Whom published versions are believed from; default: nobody. */
  readonly trustRoot?: Catalog["trustRoot"];
  readonly folder?: Catalog["folder"];
  /** Of runbooks that are stored or watched only those of these are there; absent: all. */
  readonly namespaces?: readonly string[] | undefined;
}

export interface ResolvedManifest {
  /** Null when there are errors. */
  readonly plan: Plan | null;
  readonly diagnostics: readonly JsonObject[];
}

/** A reference by name. */
export type NamedRef = Exclude<RunbookRef, { readonly digest: string }>;

const NOBODY = { keys: [] } as const;

/** Runbooks inside runbooks: deeper than this is a mistake. */
const MAX_DEPTH = 8;
/** Files of a folder that are looked through for a runbook by name. */
const MAX_FILES = 500;
const MAX_BYTES = 1_048_576;

/**
 * Compiles a manifest against this installation. Runbooks it names are those of `findRunbookFor`, with the manifests of
 * `folder` as what is near. Never throws for what is wrong with the manifest. Errors: `verification_failed`.
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
    runbook: (ref) =>
      findRunbookFor(env, ref, async (named) =>
        folder === undefined || depth >= MAX_DEPTH ? undefined : beside(named, env, folder, depth),
      ),
  });
}

/**
 * The runbook that a manifest uses: what was published under exactly that version, for that never changes; else what is
 * `near`, a file beside the manifest; else a file of the watched folder; else the highest version published that begins so;
 * else the newest that ran. Where a child run will need it, its plan is stored. What was published is verified.
 * Errors: `verification_failed`, `store_corrupt`.
 */
export async function findRunbookFor(
  env: ResolveEnv,
  ref: RunbookRef,
  near: (ref: NamedRef) => Promise<StoredPlan | undefined>,
): Promise<KnownRunbook | undefined> {
  const { store } = env;
  const trusted = { store, trustRoot: env.trustRoot ?? NOBODY };
  const isSeen = (one: string): boolean => env.namespaces?.includes(one) ?? true;
  if ("digest" in ref) {
    const plan = await store.planGet(ref.digest);
    return plan !== undefined && isSeen(plan.namespace) ? plan : undefined;
  }
  const { namespace, name, version } = ref;
  if (!isSeen(namespace)) return undefined;
  const exact = await store.publishedGet(namespace, name, version);
  if (exact !== undefined) return verifyPublished(trusted, exact);
  const file = (await near(ref)) ?? watched(env, ref);
  if (file !== undefined) {
    await store.planPut(file);
    return file;
  }
  const published = await store.publishedList({ namespace, name, limit: MAX_VERSIONS });
  const best = highest(published.filter((row) => fits(row.version, version)));
  if (best !== undefined) return verifyPublished(trusted, best);
  if (published.length > 0) return undefined;
  const ran = await store.workflowList({ namespace, name, unpublished: true, limit: 100 });
  return ran.find((one) => one.version === version) ?? ran.find((one) => fits(one.version, version));
}

function watched({ folder }: ResolveEnv, ref: NamedRef): StoredPlan | undefined {
  return highest(
    (folder?.()?.files ?? []).flatMap(({ workflow }) =>
      workflow?.namespace === ref.namespace && workflow.name === ref.name && fits(workflow.version, ref.version)
        ? [workflow]
        : [],
    ),
  );
}

async function beside(ref: NamedRef, env: ResolveEnv, folder: string, depth: number): Promise<StoredPlan | undefined> {
  for (const name of (await readdir(folder)).filter((entry) => /\.(ya?ml|json)$/.test(entry)).slice(0, MAX_FILES)) {
    const path = join(folder, name);
    const found = await stat(path);
    if (!found.isFile() || found.size > MAX_BYTES) continue;
    const text = await readFile(path, "utf8");
    if (!text.includes(ref.name) || !names(readSource(text).value, ref)) continue;
    const loaded = await load(text, path, env, folder, depth + 1);
    if (loaded.ok) return storedPlan(loaded.plan, text, env.now());
  }
  return undefined;
}

/** Whether a manifest says that it is a runbook that `ref` could mean. */
function names(value: JsonValue | undefined, ref: NamedRef): boolean {
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
