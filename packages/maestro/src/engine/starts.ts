import type { Digest } from "../core/digest.ts";
import type { Origin } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { Run } from "../core/run.ts";
import { contextFor } from "../core/trace-context.ts";
import type { RunRow, StoredPlan } from "../store/store.ts";
import type { Admission } from "./admission.ts";
import { admit } from "./admission.ts";
import type { DurableEngine } from "./durable.ts";
import type { Engine, Preview, StartRequest } from "./engine.ts";
import { loadRun } from "./load.ts";
import { sameStart } from "./same-start.ts";
import { reusable } from "../core/reuse.ts";

/** Requests for new runs on their way to the turn that records them. */
export class Starts {
  private readonly engine: DurableEngine;
  private admissions: Admission[] = [];
  private readonly kept = new Map<Digest, Promise<void>>();
  private readonly starting = new Map<string, Promise<RunRow>>();

  constructor(engine: DurableEngine) {
    this.engine = engine;
  }

  get waiting(): number {
    return this.admissions.length;
  }

  /** The next ones, taken out. */
  take(count: number): Admission[] {
    return this.admissions.splice(0, count);
  }

  async start(request: StartRequest): Promise<RunRow> {
    const { idempotencyKey } = request;
    if (idempotencyKey === undefined) return this.startNew(request);
    // Two at once with one key are one start.
    const key = `${request.plan.namespace}/${idempotencyKey}`;
    for (let known = this.starting.get(key); known !== undefined; known = this.starting.get(key)) {
      // What was wrong with the other request, its sender is told.
      const [other] = await Promise.allSettled([known]);
      // One that was denied has not taken the key.
      if (other.status === "fulfilled" && other.value.status !== "denied")
        return sameStart(this.engine, other.value, request);
    }
    const starting = this.startNew(request).finally(() => this.starting.delete(key));
    this.starting.set(key, starting);
    return starting;
  }

  async preview(request: StartRequest): Promise<Preview> {
    const { idempotencyKey: _, ...rest } = request;
    const { admission } = await admit(this.engine, rest);
    if (admission === undefined) throw new TypeError("only an idempotency key leads to an earlier run");
    return { inputs: admission.created.inputs, decision: admission.decision };
  }

  private async startNew(request: StartRequest): Promise<RunRow> {
    const admission = await admit(this.engine, request);
    if (admission.existing !== undefined) return admission.existing;
    return this.submit(admission.admission);
  }

  /** Hands a ready admission to the next turn. */
  async submit(admission: Omit<Admission, "done">): Promise<RunRow> {
    if (admission.created.parent === undefined) this.engine.pressure.refuseStart();
    else this.engine.pressure.refuseWhenClosing();
    return new Promise((resolve, reject) => {
      this.admissions.push({ ...admission, done: { resolve, reject } });
      this.engine.onWork();
    });
  }

  async rerun(id: string, request: Parameters<Engine["rerun"]>[1]): Promise<RunRow> {
    const { run, program, row } = await loadRun(this.engine, id);
    if (row === null) throw new MaestroError("not_found", `there is no run ${id}`);
    const reuse = request.from === undefined ? [] : reusable(program, run, request.from);
    const plan = await this.engine.parts.store.planGet(program.digest);
    if (plan === undefined)
      throw new MaestroError("store_corrupt", `the plan ${program.digest} of run ${id} is missing`);
    const { created } = run;
    const admission = await admit(this.engine, {
      plan,
      inputs: { ...created.inputs, ...request.inputs },
      purpose: created.purpose,
      authority: created.authority,
      initiator: request.initiator,
      name: created.name,
      labels: created.labels,
      priority: created.priority,
      ...(created.base === undefined ? {} : { base: created.base }),
      ...(request.idempotencyKey === undefined ? {} : { idempotencyKey: request.idempotencyKey }),
      ...this.originOfRepeat(run, request.origin),
    });
    if (admission.existing !== undefined) return admission.existing;
    return this.submit({
      ...admission.admission,
      reuse,
      rerunOf: { run: id, ...(request.from === undefined ? {} : { from: request.from }) },
    });
  }

  /** A repetition is a trace of its own, which names the one that it repeats. */
  private originOfRepeat({ created, reopened }: Run, origin: Origin | undefined): { readonly origin?: Origin } {
    const sampled = this.engine.parts.traces?.(created);
    if (sampled === undefined) return origin === undefined ? {} : { origin };
    const context = contextFor(created, { kind: "run", opened: reopened }, sampled);
    return { origin: { ...origin, ...(context === undefined ? {} : { repeats: context.traceparent }) } };
  }

  /** Stores a plan before the first run that uses it, once however many ask. */
  async keepPlan(plan: StoredPlan): Promise<void> {
    let keeping = this.kept.get(plan.digest);
    if (keeping === undefined) {
      keeping = this.engine.parts.store.planPut(plan);
      this.kept.set(plan.digest, keeping);
      keeping.catch(() => this.kept.delete(plan.digest));
    }
    await keeping;
  }
}
