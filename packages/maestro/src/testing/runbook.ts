import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { resolveManifest } from "../catalog/resolve.ts";
import { canonical } from "../core/canonical.ts";
import type { Digest } from "../core/digest.ts";
import { sha256 } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { StoredPlan } from "../store/store.ts";
import { taskTypes } from "../task/catalogue.ts";
import type { TaskType } from "../task/task.ts";
import { openMemoryStore } from "./parts.ts";

/** A runbook ready to be tested, with the runbooks it uses. */
export interface Runbook {
  /** Absolute. */
  readonly path: string;
  readonly plan: Plan;
  readonly digest: Digest;
  readonly stored: StoredPlan;
  /** Those that child runs are of. */
  readonly children: readonly StoredPlan[];
  readonly plans: ReadonlyMap<Digest, Plan>;
  readonly types: ReadonlyMap<string, TaskType>;
}

/**
 * Reads and compiles a manifest; runbooks that it uses are looked for in its folder. Errors: `not_found`,
 * `invalid_manifest` with what is wrong in `facts.diagnostics`.
 */
export async function loadRunbook(path: string, more: readonly TaskType[] = []): Promise<Runbook> {
  const absolute = resolve(path);
  const text = await readManifest(absolute);
  const types = new Map([...taskTypes(), ...more.map((type) => [nameOf(type), type] as const)]);
  const descriptions = new Map([...types].map(([name, type]) => [name, type.description] as const));
  const store = await openMemoryStore();
  try {
    const env = { store, descriptions, now: () => 0 };
    const { plan, diagnostics } = await resolveManifest(text, absolute, env, dirname(absolute));
    if (plan === null) throw invalid(absolute, diagnostics);
    const stored = storedPlan(plan, text);
    const children = await store.workflowList({ limit: MAX_CHILDREN });
    const plans = new Map<Digest, Plan>([[stored.digest, plan]]);
    for (const child of children) plans.set(child.digest, JSON.parse(child.text) as Plan);
    return { path: absolute, plan, digest: stored.digest, stored, children, plans, types };
  } finally {
    await store.close();
  }
}

const MAX_CHILDREN = 1000;

function nameOf({ description }: TaskType): string {
  return `${description.name}@${description.version}`;
}

async function readManifest(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new MaestroError("not_found", `The manifest ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: "Check the path; `manifest` in a test file is meant from the folder of the test file.",
    });
  }
}

function invalid(path: string, diagnostics: readonly JsonObject[]): MaestroError {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const first = errors[0];
  const where =
    first === undefined ? "" : ` First, line ${JSON.stringify(first["line"])}: ${textOf(first["message"])}.`;
  return new MaestroError(
    "invalid_manifest",
    `${basename(path)} has ${errors.length} ${errors.length === 1 ? "problem" : "problems"}.${where}`,
    { facts: { diagnostics } },
  );
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function storedPlan(plan: Plan, manifest: string): StoredPlan {
  const text = canonical(plan as unknown as JsonValue);
  const { namespace, name, version, digest } = plan.workflow;
  return { digest: sha256(text), namespace, name, version, manifestDigest: digest, text, manifest, createdAt: 0 };
}
