import { checkExpressions } from "./compile-expressions.ts";
import { buildGraph, type Graph, readsStatus } from "./compile-graph.ts";
import { checkDefaults, checkInputs } from "./compile-input.ts";
import { lint } from "./compile-lint.ts";
import { findPlaces, pathOfTask, type Place, placesByTask } from "./compile-places.ts";
import { type CompileEnv, type ResolvedUse, resolveUse } from "./compile-uses.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { Digest } from "./digest.ts";
import type { Effect, Plan, PlanTask } from "./plan.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";

export type { CompileEnv, KnownRunbook } from "./compile-uses.ts";

export type CompileResult =
  | { readonly plan: Plan; readonly warnings: readonly Diagnostic[] }
  /** Errors, and the warnings among them. */
  | { readonly problems: readonly Diagnostic[] };

/**
 * A workflow as an immutable plan, or everything that is wrong with it at once, each with its path in the manifest.
 * Deterministic: the same workflow, manifest digest and environment give the same plan, byte for byte.
 */
export function compile(workflow: Workflow, manifestDigest: Digest, env: CompileEnv): CompileResult {
  const problems: Diagnostic[] = [];
  checkNames(workflow, problems);
  const uses = new Map<WorkflowTask, ResolvedUse>();
  const undos = new Map<WorkflowTask, ResolvedUse>();
  for (const task of workflow.tasks) {
    keep(uses, task, resolveUse(task.uses, [...pathOfTask(task), "uses"], env, problems));
    if (task.undo !== undefined)
      keep(undos, task, resolveUse(task.undo.uses, [...pathOfTask(task), "undo", "uses"], env, problems));
  }
  const places = findPlaces(workflow, problems);
  const checked = checkExpressions(workflow, places, uses, problems);
  const graph = buildGraph(workflow, places, problems);
  checkDefaults(workflow, problems);
  checkInputs(workflow, places, checked, uses, undos, problems);
  lint(workflow, uses, checked.usedInputs, problems);
  if (problems.some((problem) => problem.severity === "error")) return { problems };
  return { plan: buildPlan(workflow, manifestDigest, places, graph, uses, undos), warnings: problems };
}

function keep(map: Map<WorkflowTask, ResolvedUse>, task: WorkflowTask, use: ResolvedUse | undefined): void {
  if (use !== undefined) map.set(task, use);
}

function checkNames(workflow: Workflow, problems: Diagnostic[]): void {
  const main = new Set(workflow.tasks.filter((task) => task.phase === "main").map((task) => task.id));
  for (const task of workflow.tasks) {
    if (task.phase === "finally" && main.has(task.id)) {
      problems.push({
        rule: "WF023",
        severity: "error",
        path: pathOfTask(task),
        key: true,
        message: `\`${task.id}\` is also the name of a task in \`tasks\``,
        fix: "choose another name",
      });
    }
  }
  for (const [i, trigger] of workflow.triggers.entries()) {
    if (trigger.purpose === undefined || workflow.purposes.includes(trigger.purpose)) continue;
    problems.push({
      rule: "WF011",
      severity: "error",
      path: ["spec", "triggers", i, "purpose"],
      message: `\`purpose\` must be one of ${workflow.purposes.join(", ")}; is "${trigger.purpose}"`,
    });
  }
}

function buildPlan(
  workflow: Workflow,
  digest: Digest,
  places: readonly Place[],
  graph: Graph,
  uses: ReadonlyMap<WorkflowTask, ResolvedUse>,
  undos: ReadonlyMap<WorkflowTask, ResolvedUse>,
): Plan {
  const { metadata } = workflow;
  const byTask = placesByTask(places);
  const position = new Map(graph.order.map((task, i) => [task, i] as const));
  return {
    format: "maestro.plan/v1",
    workflow: { namespace: metadata.namespace, name: metadata.name, version: metadata.version, digest },
    type: workflow.type,
    ...(metadata.description === undefined ? {} : { description: metadata.description }),
    purposes: workflow.purposes,
    authority: workflow.authority,
    license: workflow.license,
    inputs: workflow.inputs,
    ...(workflow.budget === undefined ? {} : { budget: workflow.budget }),
    ...(workflow.concurrency === undefined ? {} : { concurrency: workflow.concurrency }),
    onFailure: workflow.onFailure,
    tasks: graph.order.map((task) => {
      const needs = [...(graph.needs.get(task) ?? [])].toSorted(
        (a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0),
      );
      return buildTask(
        task,
        needs.map((need) => need.id),
        byTask.get(task) ?? [],
        uses.get(task) as ResolvedUse,
        undos.get(task),
      );
    }),
    outputs: workflow.outputs,
    triggers: workflow.triggers.map(({ schedule, ...rest }) => ({ ...rest, schedule: { ...schedule } })),
  };
}

function buildTask(
  task: WorkflowTask,
  needs: readonly string[],
  own: readonly Place[],
  use: ResolvedUse,
  undo: ResolvedUse | undefined,
): PlanTask {
  const usesDir = own.some(
    (place) =>
      (place.field === "with" || place.field === "undo.with") &&
      place.references.some(
        ({ path }) => path[0] === "task" && (path[1] === "dir" || path[1] === undefined || path[1] === "[]"),
      ),
  );
  return {
    id: task.id,
    phase: task.phase,
    uses: use.use,
    needs,
    ...(task.when === undefined ? {} : { when: task.when }),
    ...(readsStatus(own) ? { whenReadsStatus: true } : {}),
    ...(task.forEach === undefined ? {} : { forEach: task.forEach }),
    with: task.with,
    ...(task.retry === undefined ? {} : { retry: task.retry }),
    ...(task.timeout === undefined ? {} : { timeout: task.timeout }),
    ...(task.until === undefined ? {} : { until: task.until }),
    ...(task.continueOnError ? { continueOnError: true } : {}),
    ...(task.cache === undefined ? {} : { cache: task.cache }),
    ...(task.approvals === undefined ? {} : { approvals: task.approvals }),
    ...(Object.keys(task.secrets).length === 0 ? {} : { secrets: task.secrets }),
    ...(task.identity === undefined ? {} : { identity: task.identity }),
    ...(task.sensitive ? { sensitive: true } : {}),
    effects: effectsOf(task, use.effects),
    ...(task.runner === undefined ? {} : { runner: task.runner }),
    ...(task.artifacts.length === 0 ? {} : { artifacts: task.artifacts }),
    ...(task.undo === undefined || undo === undefined
      ? {}
      : { undo: { uses: undo.use, with: task.undo.with, effects: effectsOf(task, undo.effects) } }),
    ...(usesDir ? { usesDir: true } : {}),
  };
}

/** What the type declares; `deploy` where the manifest calls a task with effects sensitive; `secret` where it leases one or gets tokens. */
function effectsOf(task: WorkflowTask, declared: readonly Effect[]): readonly Effect[] {
  const effects = new Set(declared);
  if (task.sensitive && declared.length > 0) effects.add("deploy");
  if (Object.keys(task.secrets).length > 0 || task.identity !== undefined) effects.add("secret");
  return [...effects].toSorted();
}
