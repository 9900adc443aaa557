import { canonical } from "../core/canonical.ts";
import { compile, type CompileEnv, type KnownRunbook } from "../core/compile.ts";
import { type Digest, digestOf, sha256 } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { parseManifest } from "../core/manifest.ts";
import type { Plan } from "../core/plan.ts";
import type { TaskDescription } from "../core/task-description.ts";
import type { RunbookRef, Workflow } from "../core/workflow.ts";
import { checkSchedules } from "./cron.ts";
import { Locator } from "./locator.ts";
import type { LocatedDiagnostic } from "./report.ts";
import { readSource } from "./source.ts";

/** What reading a manifest needs to know of the installation. */
export interface ManifestEnv {
  /** By `name@version`. */
  readonly taskTypes: ReadonlyMap<string, TaskDescription>;
  /** A runbook that `uses: runbook:…` names, or undefined. A stored plan fits. */
  runbook(ref: RunbookRef): KnownRunbook | undefined | Promise<KnownRunbook | undefined>;
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly workflow: Workflow;
      readonly plan: Plan;
      readonly planDigest: Digest;
      /** SHA-256 of `canonicalManifest`: the version's identity. */
      readonly manifestDigest: Digest;
      /** RFC 8785. */
      readonly canonicalManifest: string;
      /** Warnings. */
      readonly diagnostics: readonly LocatedDiagnostic[];
    }
  | { readonly ok: false; readonly diagnostics: readonly LocatedDiagnostic[] };

/**
 * From the bytes of a manifest to its plan, with everything that is to say about it at once, in the order of the file.
 * `file` is only named in diagnostics. Never rejects for what is wrong with the manifest.
 */
export async function loadManifest(bytes: Uint8Array | string, file: string, env: ManifestEnv): Promise<LoadResult> {
  const source = readSource(bytes);
  const locator = new Locator(source, file);
  if (source.value === undefined) {
    return {
      ok: false,
      diagnostics: locator.sort(
        source.problems.map(({ offset, length, ...problem }) =>
          locator.at({ offset, length }, { severity: "error", path: [], ...problem }),
        ),
      ),
    };
  }
  const parsed = parseManifest(source.value);
  if ("problems" in parsed) return { ok: false, diagnostics: locator.finish(parsed.problems) };
  const { workflow } = parsed;
  const canonicalManifest = canonical(source.value satisfies JsonValue);
  const manifestDigest = sha256(canonicalManifest);
  const schedules = checkSchedules(workflow);
  const compiled = compile(workflow, manifestDigest, {
    taskTypes: env.taskTypes,
    runbook: await lookUp(workflow, env),
  });
  if ("problems" in compiled || schedules.length > 0) {
    return {
      ok: false,
      diagnostics: locator.finish([...("problems" in compiled ? compiled.problems : compiled.warnings), ...schedules]),
    };
  }
  const { plan, warnings } = compiled;
  return {
    ok: true,
    workflow,
    plan,
    planDigest: digestOf(plan as unknown as JsonValue),
    manifestDigest,
    canonicalManifest,
    diagnostics: locator.finish(warnings),
  };
}

/** Compiling is pure and does not wait, so the runbooks are looked up before. */
async function lookUp(workflow: Workflow, env: ManifestEnv): Promise<CompileEnv["runbook"]> {
  const found = new Map<string, KnownRunbook | undefined>();
  for (const use of workflow.tasks.flatMap((task) => [
    task.uses,
    ...(task.undo === undefined ? [] : [task.undo.uses]),
  ])) {
    if (use.kind !== "runbook" || found.has(JSON.stringify(use.ref))) continue;
    found.set(JSON.stringify(use.ref), await env.runbook(use.ref));
  }
  return (ref) => found.get(JSON.stringify(ref));
}
