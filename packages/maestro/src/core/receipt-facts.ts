import type { Digest } from "./digest.ts";
import { digestOf } from "./digest.ts";
import type { TaskUse } from "./plan.ts";
import type { Program, ProgramTask } from "./program.ts";
import type { ReceiptFacts, ReceiptTask } from "./receipt.ts";
import { MAX_LISTED } from "./receipt.ts";
import type { Run, Step, TaskState } from "./run.ts";
import { isTerminal } from "./run.ts";

/** What the receipt of an ended run says, read off its state. `head` is the chain over all its events. */
export function receiptFacts(
  program: Program,
  run: Run,
  sealed: {
    readonly head: Digest;
    readonly previous?: Digest;
    readonly builder: ReceiptFacts["builder"];
    /** False: as receipts were before they named the request. */
    readonly request?: false;
  },
): ReceiptFacts {
  const { plan } = program;
  const { created, endedAt } = run;
  if (!isTerminal(run.status) || endedAt === null)
    throw new TypeError(`run ${run.id} is ${run.status}: only an ended run has a receipt`);
  return {
    run: run.id,
    name: created.name,
    namespace: created.namespace,
    workflow: plan.workflow,
    planDigest: program.digest,
    inputsDigest: digestOf(created.inputs),
    purpose: created.purpose,
    authority: created.authority,
    license: plan.license,
    initiator: created.initiator,
    ...(created.parent === undefined ? {} : { parent: created.parent }),
    ...(created.rerunOf === undefined ? {} : { rerunOf: created.rerunOf }),
    ...(created.origin?.request === undefined || sealed.request === false ? {} : { request: created.origin.request }),
    status: run.status as ReceiptFacts["status"],
    ...(run.error === null ? {} : { error: { code: run.error.code } }),
    ...(run.cancel === null ? {} : { cancelledBy: run.cancel.by }),
    createdAt: run.createdAt,
    startedAt: run.startedAt,
    endedAt,
    tasks: program.tasks.map((task) => taskFacts(task, run.tasks[task.index]!)),
    decisions: decisionFacts(run),
    approvals: approvalFacts(program, run),
    budget: {
      ...(plan.budget === undefined ? {} : { limits: plan.budget }),
      used: {
        wallMs: run.startedAt === null ? 0 : endedAt - run.wallFrom,
        tasks: run.usedTasks,
        usdMicros: run.usedUsdMicros,
      },
    },
    events: { count: run.seq, head: sealed.head },
    ...(sealed.previous === undefined ? {} : { previousReceipt: sealed.previous }),
    builder: sealed.builder,
    dependencies: dependencies(program),
  };
}

export function useText(use: TaskUse): string {
  return use.kind === "type" ? `${use.name}@${use.version}` : `runbook:${use.namespace}/${use.name}@${use.version}`;
}

function taskFacts(task: ProgramTask, state: TaskState): ReceiptTask {
  const { steps } = state;
  const fanOut = task.items !== undefined;
  const only = steps[0];
  const output = fanOut
    ? steps.length > 0
      ? digestOf(steps.map((step) => step.output))
      : undefined
    : only?.status === "succeeded" || only?.status === "undone"
      ? digestOf(only.output)
      : undefined;
  const artifacts = steps.flatMap((step) =>
    (step.artifacts ?? []).map(({ name, digest, size }) =>
      fanOut ? { name, item: step.item, digest, size } : { name, digest, size },
    ),
  );
  const { isolation, runners } = state;
  const cachedFrom = distinct(steps.map((step) => step.cachedFrom ?? undefined));
  const children = steps.flatMap((step) =>
    step.child === null
      ? []
      : [
          {
            run: step.child,
            status: step.status === "succeeded" ? "succeeded" : "failed",
            ...(step.childReceipt === null ? {} : { receipt: step.childReceipt }),
          },
        ],
  );
  const undo = undoOf(steps);
  return {
    id: task.plan.id,
    uses: useText(task.plan.uses),
    status: state.status === "active" ? "cancelled" : state.status,
    attempts: steps.reduce((sum, step) => sum + step.attempt, 0),
    ...(fanOut && state.items !== null
      ? {
          items: {
            succeeded: state.succeeded,
            failed: state.failed,
            ...(state.cancelled > 0 ? { cancelled: state.cancelled } : {}),
          },
        }
      : {}),
    ...(output === undefined ? {} : { output }),
    ...(artifacts.length > 0 ? { artifacts } : {}),
    ...(isolation === null ? {} : { isolation }),
    ...(runners.length > 0 ? { runners } : {}),
    ...(cachedFrom.length > 0 ? { cachedFrom } : {}),
    ...(children.length > 0 ? { children } : {}),
    ...(undo === undefined ? {} : { undo }),
  };
}

function undoOf(steps: readonly Step[]): "succeeded" | "failed" | undefined {
  // A rollback that was cancelled may have left it half undone.
  if (steps.some(({ status }) => status === "undo_failed" || status === "undoing" || status === "undo_retrying"))
    return "failed";
  return steps.some((step) => step.status === "undone") ? "succeeded" : undefined;
}

/** Denials are worth a place first. */
function decisionFacts(run: Run): ReceiptFacts["decisions"] {
  const { decisions } = run;
  const denied = decisions.filter((note) => !note.decision.allow);
  const listed =
    decisions.length <= MAX_LISTED
      ? decisions
      : [...denied, ...decisions.filter((note) => note.decision.allow)].slice(0, MAX_LISTED);
  return {
    asked: decisions.length,
    denied: denied.length,
    policies: distinct(decisions.map((note) => note.decision.policyDigest)),
    list: listed.map(({ action, task, decision }) => ({
      id: decision.id,
      action,
      allow: decision.allow,
      ...(task === null ? {} : { task }),
    })),
  };
}

function approvalFacts(program: Program, run: Run): ReceiptFacts["approvals"] {
  const expired = run.tasks.flatMap((task) =>
    task.approval?.expired === true
      ? [
          {
            task: program.tasks[task.index]!.plan.id,
            approver: "",
            verdict: "expired" as const,
            planDigest: task.approval.request.planDigest,
          },
        ]
      : [],
  );
  return [
    ...run.approvals.map(({ task, by, verdict, planDigest }) => ({
      task,
      approver: `${by.type}:${by.id}`,
      verdict,
      planDigest,
    })),
    ...expired,
  ];
}

function dependencies(program: Program): ReceiptFacts["dependencies"] {
  const seen = new Map<string, Digest>();
  for (const { plan } of program.tasks) {
    for (const use of plan.undo === undefined ? [plan.uses] : [plan.uses, plan.undo.uses]) {
      seen.set(
        `${use.kind === "type" ? "task/" : ""}${useText(use)}`,
        use.kind === "type" ? use.digest : use.planDigest,
      );
    }
  }
  return [...seen].map(([name, digest]) => ({ name, digest }));
}

function distinct<T>(values: readonly (T | undefined)[]): T[] {
  return [...new Set(values.filter((value) => value !== undefined))];
}
