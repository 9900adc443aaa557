import { createRun } from "../core/apply.ts";
import type { Decision, EventBody, RunCreated, RunEvent } from "../core/event.ts";
import { ExpressionError, prepare } from "../core/expression.ts";
import { MaestroError } from "../core/problem.ts";
import type { RunRow } from "../store/store.ts";
import type { DurableEngine } from "./durable.ts";
import type { StartRequest } from "./engine.ts";
import type { LiveRun } from "./live.ts";
import { newLive } from "./live.ts";
import type { Prepared } from "./programs.ts";
import { failedDecision } from "./ask.ts";
import { checkRequest } from "./door.ts";
import { startQuestion } from "./questions.ts";
import { sameStart } from "./same-start.ts";

/** A run that has been checked and decided on and waits for the turn that records it. */
export interface Admission {
  readonly prepared: Prepared;
  readonly created: RunCreated;
  readonly decision: Decision;
  readonly idempotencyKey: string | null;
  readonly reuse?: readonly Extract<EventBody, { kind: "task_reused" }>[];
  readonly rerunOf?: NonNullable<RunCreated["rerunOf"]>;
  readonly done: { resolve(row: RunRow): void; reject(error: unknown): void };
}

type Admitted =
  | { readonly existing: RunRow; readonly admission?: never }
  | { readonly existing?: undefined; readonly admission: Omit<Admission, "done"> };

/** Checks a request, fills in its defaults and asks the gate. Nothing is recorded yet. */
export async function admit(
  engine: DurableEngine,
  request: StartRequest,
  given: { readonly id?: string; readonly parent?: NonNullable<RunCreated["parent"]>; readonly depth?: number } = {},
): Promise<Admitted> {
  // A child run belongs to work that was let in already.
  if (given.parent === undefined) engine.pressure.refuseStart();
  checkRequest(request, engine.parts.limits);
  const { store, gate } = engine.parts;
  const prepared = engine.programs.get(request.plan);
  const { workflow } = prepared.program.plan;
  if (request.idempotencyKey !== undefined) {
    const existing = await store.runByKey(workflow.namespace, request.idempotencyKey);
    if (existing !== undefined) return { existing: await sameStart(engine, existing, request) };
  }
  await engine.starts.keepPlan(request.plan);
  const inputs = prepared.inputs(request.inputs);
  const id = given.id ?? engine.newId("r");
  const concurrencyKey = keyOf(prepared, inputs);
  if (concurrencyKey !== undefined) await engine.keys.load(concurrencyKey);
  const created: RunCreated = {
    kind: "run_created",
    run: id,
    name: request.name ?? workflow.name,
    namespace: workflow.namespace,
    planDigest: prepared.program.digest,
    inputs,
    purpose: request.purpose,
    authority: request.authority,
    initiator: request.initiator,
    labels: request.labels ?? {},
    priority: request.priority ?? 0,
    ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
    ...(request.base === undefined ? {} : { base: request.base }),
    ...(given.parent === undefined ? {} : { parent: given.parent }),
    ...(given.depth === undefined ? {} : { depth: given.depth }),
    ...(request.origin === undefined ? {} : { origin: request.origin }),
  };
  let decision: Decision;
  try {
    const question = startQuestion(prepared.program, created, engine.parts.environment);
    decision = await gate.decide(question, { at: engine.parts.clock.now(), run: id, ...created.origin });
    engine.asked.note(decision, question);
  } catch (error) {
    decision = failedDecision(engine.newId("d"), error);
  }
  // A run that did not start has no claim to a key: whoever may start nothing could use up the keys of those who may.
  const idempotencyKey = decision.allow ? (request.idempotencyKey ?? null) : null;
  return { admission: { prepared, created, decision, idempotencyKey } };
}

/** Unique per workflow: two runbooks that use the same word do not block one another. */
function keyOf({ concurrencyKey, program }: Prepared, inputs: RunCreated["inputs"]): string | undefined {
  if (concurrencyKey === null) return undefined;
  const { namespace, name } = program.plan.workflow;
  try {
    const value = concurrencyKey.evaluate({ inputs: prepare(inputs) });
    return `${namespace}/${name}:${typeof value === "string" ? value : JSON.stringify(value)}`;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new MaestroError("expression_failed", `concurrency.key: ${error.message}`, { cause: error });
  }
}

/** The run that an admission begins, not yet durable. */
export function openRun({ prepared, created, rerunOf, idempotencyKey }: Admission, now: number): LiveRun {
  const first: RunEvent & RunCreated = { seq: 1, at: now, ...created, ...(rerunOf === undefined ? {} : { rerunOf }) };
  const live = newLive(createRun(prepared.program, first), prepared.program, {
    row: null,
    head: "",
    receipts: 0,
    idempotencyKey,
  });
  live.pending.push(first);
  return live;
}
