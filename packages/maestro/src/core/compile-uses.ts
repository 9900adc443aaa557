import type { Diagnostic, Path } from "./diagnostic.ts";
import type { Digest } from "./digest.ts";
import { digestOf } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import { asRoot } from "./name-schema.ts";
import type { Effect, Plan, TaskUse } from "./plan.ts";
import { suggest } from "./suggest.ts";
import type { TaskDescription } from "./task-description.ts";
import { formatUse, type RunbookRef, type UseRef } from "./workflow.ts";

/** What the compiler must know of the installation. */
export interface CompileEnv {
  /** By `name@version`. */
  readonly taskTypes: ReadonlyMap<string, TaskDescription>;
  runbook(ref: RunbookRef): KnownRunbook | undefined;
}

/** A runbook that can be a child run; a stored plan is one. */
export interface KnownRunbook {
  readonly digest: Digest;
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  /** JSON of its plan. */
  readonly text: string;
}

/** What a `uses` stands for. */
export interface ResolvedUse {
  readonly use: TaskUse;
  readonly input: JsonObject;
  readonly output: JsonObject;
  readonly effects: readonly Effect[];
  readonly runs: TaskDescription["runs"] | "child";
}

export function resolveUse(ref: UseRef, path: Path, env: CompileEnv, problems: Diagnostic[]): ResolvedUse | undefined {
  return ref.kind === "type" ? resolveType(ref, path, env, problems) : resolveRunbook(ref, path, env, problems);
}

function resolveType(
  ref: Extract<UseRef, { kind: "type" }>,
  path: Path,
  env: CompileEnv,
  problems: Diagnostic[],
): ResolvedUse | undefined {
  const description = env.taskTypes.get(formatUse(ref));
  if (description === undefined) {
    const versions = [...env.taskTypes.values()]
      .filter((type) => type.name === ref.name)
      .map((type) => `${type.name}@${type.version}`);
    const near = versions[0] ?? nearType(ref.name, env);
    const message =
      versions.length > 0
        ? `there is no version ${ref.version} of the task type \`${ref.name}\`; there is ${versions.join(", ")}`
        : `there is no task type \`${ref.name}\``;
    problems.push({
      rule: "WF040",
      severity: "error",
      path,
      message,
      ...(near === undefined ? {} : { fix: `did you mean \`${near}\`?` }),
      help: "`maestro task list` shows every task type of this data directory, and `maestro task add` adds a program as one.",
    });
    return undefined;
  }
  const { name, version, input, output, effects, runs } = description;
  // The description is JSON by construction; its interface just does not say so.
  const digest = digestOf(description as unknown as JsonObject);
  return { use: { kind: "type", name, version, digest }, input, output: asRoot(output), effects, runs };
}

function nearType(name: string, env: CompileEnv): string | undefined {
  const near = suggest(
    name,
    [...env.taskTypes.values()].map((type) => type.name),
  );
  const found = [...env.taskTypes.values()]
    .filter((type) => type.name === near)
    .toSorted((a, b) => b.version - a.version)[0];
  return found === undefined ? undefined : `${found.name}@${found.version}`;
}

function resolveRunbook(
  ref: Extract<UseRef, { kind: "runbook" }>,
  path: Path,
  env: CompileEnv,
  problems: Diagnostic[],
): ResolvedUse | undefined {
  const known = env.runbook(ref.ref);
  if (known === undefined) {
    problems.push({
      rule: "WF040",
      severity: "error",
      path,
      message: `there is no runbook \`${formatUse(ref).slice("runbook:".length)}\` here`,
      help: "A runbook is known once it has been planned or run here: `maestro plan FILE`.",
    });
    return undefined;
  }
  const plan = JSON.parse(known.text) as Plan;
  const outputs = Object.fromEntries(Object.keys(plan.outputs).map((name) => [name, {}]));
  return {
    use: {
      kind: "runbook",
      namespace: known.namespace,
      name: known.name,
      version: known.version,
      planDigest: known.digest,
    },
    input: plan.inputs,
    output: { type: "object", properties: outputs, additionalProperties: false },
    effects: [],
    runs: "child",
  };
}
