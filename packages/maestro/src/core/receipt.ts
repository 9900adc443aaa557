import type { Digest } from "./digest.ts";
import type { Actor, Isolation, TerminalStatus } from "./event.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Budget, WorkflowRef } from "./plan.ts";
import { writeDateTime } from "./time.ts";

/** in-toto Statement v1. */
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** SLSA provenance v1: the predicate of runs that left artifacts. */
export const SLSA_PROVENANCE = "https://slsa.dev/provenance/v1";
/** Our own predicate: the same run receipt where SLSA has nothing to say, because nothing was built. */
export const RUN_RECEIPT = "https://summit-maestro.dev/attestation/run-receipt/v1";
/** SLSA `buildType`: what `externalParameters` mean (docs/reference/receipt.md). */
export const BUILD_TYPE = "https://summit-maestro.dev/build/run/v1";
/** Where the run receipt lies inside a SLSA predicate; SLSA v1 "Extension fields": `<vendor>_<fieldName>`. */
export const SLSA_EXTENSION = "summitmaestro_runReceipt";

/** Decisions, child runs and sources of reuse named one by one; the events, which the receipt commits to, name them all. */
export const MAX_LISTED = 100;
/** Artifacts that become subjects, so that a receipt ends somewhere; `artifacts.count` tells how many there were. */
export const MAX_ARTIFACTS = 10_000;

/** What one ended run has to say for itself. A function of the plan and the events; times are epoch milliseconds. */
export interface ReceiptFacts {
  readonly run: string;
  readonly name: string;
  readonly namespace: string;
  readonly workflow: WorkflowRef;
  readonly planDigest: Digest;
  /** `digestOf(inputs)` with the defaults filled in, as recorded in `run_created`. */
  readonly inputsDigest: Digest;
  readonly purpose: string;
  readonly authority: string;
  readonly license: string;
  readonly initiator: Actor;
  readonly parent?: { readonly run: string; readonly task: string; readonly item: number };
  readonly rerunOf?: { readonly run: string; readonly from?: string };
  /** The correlation id of the request that it began with. */
  readonly request?: string;
  readonly status: TerminalStatus;
  /** Only the code is written: messages may quote data and stay in the events. */
  readonly error?: { readonly code: string };
  /** Who asked for the cancellation, also of a run that had ended otherwise by then. The reason stays in the events. */
  readonly cancelledBy?: Actor;
  readonly createdAt: number;
  /** Null: it was denied or cancelled before it started. */
  readonly startedAt: number | null;
  readonly endedAt: number;
  /** In plan order, every task of the plan. */
  readonly tasks: readonly ReceiptTask[];
  readonly decisions: ReceiptDecisions;
  readonly approvals: readonly ReceiptApproval[];
  readonly budget: {
    readonly limits?: Budget;
    readonly used: { readonly wallMs: number; readonly tasks: number; readonly usdMicros: number };
  };
  /** The whole history, `run_ended` included: how many events, and the chain over their texts. */
  readonly events: { readonly count: number; readonly head: Digest };
  /** A run that was retried after its end has one receipt per end; each names the one before. */
  readonly previousReceipt?: Digest;
  /** `id` is a URI and belongs to exactly one signing key at a time; `version` is Maestro's. */
  readonly builder: { readonly id: string; readonly version: string };
  /** Task types and child plans the plan pins, without the workflow itself. Written where SLSA asks for them; `planDigest` covers them always. */
  readonly dependencies: readonly { readonly name: string; readonly digest: Digest }[];
}

export interface ReceiptTask {
  readonly id: string;
  /** `exec@1`, `runbook:platform/cleanup@2.0.0`. */
  readonly uses: string;
  readonly status: "succeeded" | "failed" | "skipped" | "cancelled" | "pending";
  /** Attempts in all, over every item, undo not counted. */
  readonly attempts: number;
  /** Fan-out only: items by outcome. */
  readonly items?: Readonly<Partial<Record<"succeeded" | "failed" | "skipped" | "cancelled" | "pending", number>>>;
  /** `digestOf(output)`; of the list in item order for a fan-out. Absent where there is no output. */
  readonly output?: Digest;
  /** In item order. `item` only for a fan-out. */
  readonly artifacts?: readonly {
    readonly name: string;
    readonly item?: number;
    readonly digest: Digest;
    readonly size: number;
  }[];
  /** Weakest of all attempts, as measured. */
  readonly isolation?: Pick<Isolation, "declared" | "measured">;
  /** Distinct names of where attempts ran; leave out for tasks the engine runs in itself. */
  readonly runners?: readonly string[];
  /** Distinct runs whose recorded results were used instead of running. */
  readonly cachedFrom?: readonly string[];
  readonly children?: readonly { readonly run: string; readonly status: string; readonly receipt?: Digest }[];
  /** What the undo came to, where it ran. */
  readonly undo?: "succeeded" | "failed";
}

/** Every time the gate was asked. `list` may stop at MAX_LISTED (denials are worth a place first); the counts never do. */
export interface ReceiptDecisions {
  readonly asked: number;
  readonly denied: number;
  /** Distinct policy digests, in order of first use. */
  readonly policies: readonly Digest[];
  readonly list: readonly ReceiptDecision[];
}

export interface ReceiptDecision {
  readonly id: string;
  readonly action: string;
  readonly allow: boolean;
  readonly task?: string;
}

export interface ReceiptApproval {
  readonly task: string;
  /** Not written where the approval expired: nobody gave it. */
  readonly approver: string;
  readonly verdict: "approve" | "deny" | "expired";
  /** What the approver saw. */
  readonly planDigest: Digest;
}

type Draft = { [key: string]: JsonValue };

/**
 * The in-toto Statement v1 about a run. The first subject is always the run: name `run/<id>`, digest the head of its
 * event chain. Artifacts follow. With artifacts the predicate is SLSA provenance v1 and carries the run receipt as a
 * vendor extension; without, the run receipt is the predicate.
 */
export function statement(facts: ReceiptFacts): JsonObject {
  const subject = subjects(facts);
  const receipt = runReceipt(facts);
  const built = subject.length > 1;
  return {
    _type: STATEMENT_TYPE,
    subject,
    predicateType: built ? SLSA_PROVENANCE : RUN_RECEIPT,
    predicate: built ? provenance(facts, receipt) : receipt,
  };
}

function subjects(facts: ReceiptFacts): JsonObject[] {
  const list: JsonObject[] = [{ name: `run/${facts.run}`, digest: digestSet(facts.events.head) }];
  const names = new Set<string>();
  for (const task of facts.tasks) {
    for (const artifact of task.artifacts ?? []) {
      if (list.length > MAX_ARTIFACTS) return list;
      const place = artifact.item === undefined ? task.id : `${task.id}[${artifact.item}]`;
      const name = uniqueName(`${place}:${artifact.name}`, names);
      list.push({ name, digest: digestSet(artifact.digest) });
    }
  }
  return list;
}

/** in-toto wants unique names, and a task may hand in one name twice; a receipt must be verifiable all the same. */
function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let n = 2; taken.has(unique); n++) unique = `${name}#${n}`;
  taken.add(unique);
  return unique;
}

/** The receipt itself, the same object under both predicates. Members without content are left out: size is a promise. */
function runReceipt(facts: ReceiptFacts): JsonObject {
  const receipt: Draft = {
    run: runPart(facts),
    workflow: { ref: refOf(facts.workflow), digest: facts.workflow.digest },
    plan: facts.planDigest,
    inputs: facts.inputsDigest,
    purpose: facts.purpose,
    authority: facts.authority,
    license: facts.license,
    initiator: actorText(facts.initiator),
    // The head of the chain is the digest of the first subject; it is not said twice.
    events: facts.events.count,
    tasks: facts.tasks.map(taskPart),
    decisions: decisionsPart(facts.decisions),
    budget: budgetPart(facts.budget),
    builder: { id: facts.builder.id, version: facts.builder.version },
  };
  if (facts.approvals.length > 0) {
    receipt["approvals"] = facts.approvals.map(({ task, approver, verdict, planDigest }) =>
      verdict === "expired" ? { task, verdict, plan: planDigest } : { task, approver, verdict, plan: planDigest },
    );
  }
  const artifacts = facts.tasks.reduce((sum, task) => sum + (task.artifacts?.length ?? 0), 0);
  if (artifacts > 0) receipt["artifacts"] = artifactsPart(facts, artifacts);
  if (facts.previousReceipt !== undefined) receipt["previousReceipt"] = facts.previousReceipt;
  return receipt;
}

function runPart(facts: ReceiptFacts): JsonObject {
  const run: Draft = { id: facts.run, status: facts.status };
  // Both are the workflow's own unless they say otherwise.
  if (facts.name !== facts.workflow.name) run["name"] = facts.name;
  if (facts.namespace !== facts.workflow.namespace) run["namespace"] = facts.namespace;
  if (facts.error !== undefined) run["error"] = facts.error.code;
  if (facts.cancelledBy !== undefined) run["cancelledBy"] = actorText(facts.cancelledBy);
  run["createdAt"] = writeDateTime(facts.createdAt);
  if (facts.startedAt !== null) run["startedAt"] = writeDateTime(facts.startedAt);
  run["endedAt"] = writeDateTime(facts.endedAt);
  if (facts.parent !== undefined)
    run["parent"] = { run: facts.parent.run, task: facts.parent.task, item: facts.parent.item };
  if (facts.rerunOf !== undefined) {
    run["rerunOf"] =
      facts.rerunOf.from === undefined
        ? { run: facts.rerunOf.run }
        : { run: facts.rerunOf.run, from: facts.rerunOf.from };
  }
  if (facts.request !== undefined) run["request"] = facts.request;
  return run;
}

function taskPart(task: ReceiptTask): JsonObject {
  const part: Draft = { id: task.id, uses: task.uses, status: task.status };
  // One attempt is the rule and goes without saying; a task that never ran says 0.
  if (task.attempts !== 1) part["attempts"] = task.attempts;
  if (task.items !== undefined) part["items"] = { ...task.items };
  if (task.output !== undefined) part["output"] = task.output;
  if (task.isolation !== undefined)
    part["isolation"] = { declared: task.isolation.declared, measured: task.isolation.measured };
  if (task.runners !== undefined && task.runners.length > 0) part["runners"] = task.runners;
  if (task.cachedFrom !== undefined && task.cachedFrom.length > 0)
    part["cachedFrom"] = task.cachedFrom.slice(0, MAX_LISTED);
  if (task.children !== undefined && task.children.length > 0) {
    part["children"] = task.children
      .slice(0, MAX_LISTED)
      .map(({ run, status, receipt }) => (receipt === undefined ? { run, status } : { run, status, receipt }));
    if (task.children.length > MAX_LISTED) part["childCount"] = task.children.length;
  }
  if (task.undo !== undefined) part["undo"] = task.undo;
  return part;
}

function decisionsPart(decisions: ReceiptDecisions): JsonObject {
  return {
    asked: decisions.asked,
    denied: decisions.denied,
    policies: decisions.policies,
    list: decisions.list
      .slice(0, MAX_LISTED)
      .map(({ id, action, allow, task }) => (task === undefined ? { id, action, allow } : { id, action, allow, task })),
  };
}

function budgetPart(budget: ReceiptFacts["budget"]): JsonObject {
  const { wallMs, tasks, usdMicros } = budget.used;
  const used = usdMicros === 0 ? { wallMs, tasks } : { wallMs, tasks, usdMicros };
  return budget.limits === undefined ? { used } : { used, limits: { ...budget.limits } };
}

function artifactsPart(facts: ReceiptFacts, count: number): JsonObject {
  let bytes = 0;
  for (const task of facts.tasks) for (const artifact of task.artifacts ?? []) bytes += artifact.size;
  return { count, bytes };
}

/** SLSA provenance v1. What the requester chose is external, what the control plane chose is internal. */
function provenance(facts: ReceiptFacts, receipt: JsonObject): JsonObject {
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        workflow: refOf(facts.workflow),
        inputs: facts.inputsDigest,
        purpose: facts.purpose,
        authority: facts.authority,
      },
      internalParameters: { plan: facts.planDigest, initiator: actorText(facts.initiator) },
      resolvedDependencies: [
        { name: `workflow/${refOf(facts.workflow)}`, digest: digestSet(facts.workflow.digest) },
        ...facts.dependencies.map(({ name, digest }) => ({ name, digest: digestSet(digest) })),
      ],
    },
    runDetails: {
      builder: { id: facts.builder.id, version: { maestro: facts.builder.version } },
      metadata: {
        invocationId: facts.run,
        startedOn: writeDateTime(facts.startedAt ?? facts.createdAt),
        finishedOn: writeDateTime(facts.endedAt),
      },
      byproducts: [{ name: "events", digest: digestSet(facts.events.head) }],
    },
    [SLSA_EXTENSION]: receipt,
  };
}

function actorText(actor: Actor): string {
  return `${actor.type}:${actor.id}`;
}

function refOf(workflow: WorkflowRef): string {
  return `${workflow.namespace}/${workflow.name}@${workflow.version}`;
}

/** in-toto DigestSet. */
function digestSet(digest: Digest): JsonObject {
  return { sha256: digest.slice("sha256:".length) };
}
