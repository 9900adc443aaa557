import type { AttemptResult, Origin, StepRef, StepResult } from "../core/event.ts";
import type { Digest } from "../core/digest.ts";
import { initiatorIn } from "../core/initiator.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { isStopped, isTerminal, stepOf } from "../core/run.ts";
import { contextFor } from "../core/trace-context.ts";
import type { Command } from "../core/turn.ts";
import type { RunRow } from "../store/store.ts";
import { admit } from "./admission.ts";
import type { Attempt } from "./attempts.ts";
import { cacheKeyOf, isUsable } from "./cache.ts";
import type { DurableEngine } from "./durable.ts";
import { FORCE_AFTER_MS } from "./limits.ts";
import type { LiveRun } from "./live.ts";
import { loadRun } from "./load.ts";
import { isOfStorage } from "./parts.ts";
import { StepRequest } from "./step-request.ts";

/** An attempt that has its slot and, once its start is durable, is executed. */
export interface Execution {
  readonly live: LiveRun;
  readonly attempt: Attempt;
  readonly command: Extract<Command, { kind: "execute" }>;
  /** It computes already: it did not have to wait for the commit. */
  begun: boolean;
}

/** Reasons why a child run cannot be started, however often it is tried. */
const CODES: Readonly<Record<string, string>> = {
  limit_exceeded: "LIMIT",
  invalid_input: "INPUT_INVALID",
  invalid_request: "INPUT_INVALID",
  payload_too_large: "INPUT_INVALID",
  expression_failed: "EXPRESSION",
};

/** What a durable turn does to the world. Every answer comes back through the mailbox. */
export class Effects {
  private readonly engine: DurableEngine;
  /** Attempts whose runner has not come back yet. */
  executing = 0;
  /** Lookups in the cache and starts of child runs that have not been answered yet. */
  asking = 0;
  /** Child runs on their way to the turn that records them. */
  private readonly starting = new Set<string>();
  private readonly postponed: (() => Promise<void>)[] = [];

  constructor(engine: DurableEngine) {
    this.engine = engine;
  }

  /** Executes those that only compute. Returns how many there were. */
  compute(executions: readonly Execution[]): number {
    let computing = 0;
    for (const execution of executions) {
      const { live, command } = execution;
      const { plan, slot, undo } = live.program.tasks[live.program.index.get(command.task)!]!;
      const pure = command.undo
        ? undo!.slot === "inline" && undo!.effects.length === 0
        : slot === "inline" && plan.effects.length === 0;
      if (!pure) continue;
      execution.begun = true;
      this.execute(execution);
      computing += 1;
    }
    return computing;
  }

  execute({ live, attempt, command }: Execution): void {
    const { engine } = this;
    const { plan } = live.program.tasks[live.program.index.get(command.task)!]!;
    const type = this.engine.programs.type(command.uses);
    if (type === undefined) {
      const { uses } = command;
      const name = uses.kind === "type" ? `${uses.name}@${uses.version}` : command.task;
      const message = `this installation has no task type ${name}; add the program that it had (\`maestro task add\`), then retry`;
      this.finished(attempt, { ok: false, error: { code: "UNAVAILABLE", message, final: true } });
      return;
    }
    if (engine.programs.isReplaced(command.uses)) {
      const message = `another program was added as ${type.description.name}@${type.description.version} since this run was planned; start a new run, whose plan names the new one. A published workflow keeps its plan: raise metadata.version and publish it again`;
      this.finished(attempt, { ok: false, error: { code: "PROGRAM_CHANGED", message, final: true } });
      return;
    }
    const secrets = Object.values(plan.secrets ?? {});
    if (secrets.length > 0) {
      const message = `it needs ${secrets.length === 1 ? "the secret" : "the secrets"} ${secrets.join(", ")}, and this installation has no secret store; nothing of it was run`;
      this.finished(attempt, { ok: false, error: { code: "SECRET", message, final: true } });
      return;
    }
    const request = new StepRequest(engine, { live, attempt, command }, type);
    this.executing += 1;
    const end = (result: AttemptResult): void => {
      this.executing -= 1;
      this.finished(attempt, result);
    };
    engine.parts
      .execute(request)
      .then(end, (error: unknown) => end({ ok: false, error: { code: "INTERNAL", message: messageOf(error) } }));
  }

  finished(attempt: Attempt, result: AttemptResult): void {
    if (this.engine.closed || attempt.settled) return;
    attempt.settled = true;
    this.engine.post({
      run: attempt.run,
      attempt,
      input: { kind: "attempt_finished", ...attempt.step, attempt: attempt.number, result },
    });
  }

  perform(live: LiveRun, command: Command, now: number): void {
    switch (command.kind) {
      case "execute":
      case "decide":
        return;
      case "stop": {
        const attempt = this.engine.attempts.get(live.run.id, command, command.attempt);
        if (attempt !== undefined)
          this.engine.attempts.stop(attempt, command.error, now, this.engine.parts.limits.graceMs + FORCE_AFTER_MS);
        return;
      }
      case "cancel_child":
        return this.engine.post({
          run: command.childRun,
          input: {
            kind: "cancel",
            by: { type: "run", id: live.run.id, roles: [] },
            reason: command.reason,
            force: command.force,
          },
        });
      case "lookup":
        return this.ask(this.lookup(live, command));
      case "start_child":
        return this.ask(this.startChild(live, command));
    }
  }

  private ask(question: Promise<void>): void {
    this.asking += 1;
    void question.finally(() => (this.asking -= 1));
  }

  private async lookup(live: LiveRun, command: Extract<Command, { kind: "lookup" }>): Promise<void> {
    const { task, item } = command;
    // What cannot be looked up is not kept either.
    let key: Digest | null = null;
    try {
      key = await cacheKeyOf(live.run, command);
      const row = await this.engine.parts.store.cacheGet(key, this.engine.parts.clock.now());
      const result = row?.namespace === live.run.created.namespace ? (row.result as unknown as StepResult) : undefined;
      const hit =
        row === undefined || result === undefined || !(await isUsable(result)) ? null : { fromRun: row.run, result };
      this.engine.post({ run: live.run.id, from: live, input: { kind: "cache_answered", task, item, key, hit } });
    } catch (error) {
      // A cache that cannot be read is a cache without the entry.
      this.engine.parts.log("warn", "an earlier result could not be looked for, and this one is not kept", {
        run: live.run.id,
        task,
        error: messageOf(error),
      });
      this.engine.post({ run: live.run.id, from: live, input: { kind: "cache_answered", task, item, key, hit: null } });
    }
  }

  private async startChild(live: LiveRun, command: Extract<Command, { kind: "start_child" }>): Promise<void> {
    const { task, item, childRun } = command;
    // The parent was loaded anew meanwhile: once is enough.
    if (this.starting.has(childRun)) return;
    this.starting.add(childRun);
    try {
      // Stored plans name one another by digest and cannot go in circles, but each can be wrapped in one more.
      const depth = (live.run.created.depth ?? 0) + 1;
      const { limits } = this.engine.parts;
      if (depth > limits.depth)
        throw new MaestroError(
          "limit_exceeded",
          `it would be ${depth} runs deep, and the limit is ${limits.depth} (limits.depth)`,
        );
      const plan = await this.engine.parts.store.planGet(command.planDigest);
      if (plan === undefined)
        throw new MaestroError("not_found", `the plan ${command.planDigest} of the child run is not stored here`);
      const { created } = live.run;
      const parent = { run: live.run.id, task, item };
      const base = created.base === undefined ? {} : { base: created.base };
      const request = {
        plan,
        inputs: command.input,
        purpose: created.purpose,
        authority: created.authority,
        initiator: initiatorIn(created.initiator, created.namespace, plan.namespace),
        labels: created.labels,
        priority: created.priority,
        ...base,
        ...this.originOfChild(live, command),
      };
      const { admission } = await admit(this.engine, request, { id: childRun, parent, depth });
      // A child has no idempotency key, so there is never an existing one.
      if (admission !== undefined) await this.engine.starts.submit(admission);
      this.stopWithParent(live, command, childRun);
    } catch (error) {
      const known = error instanceof MaestroError ? error.code : "internal";
      // The next engine finds that it is missing.
      if (known === "shutting_down") return;
      this.engine.parts.log("warn", "a child run could not be started", {
        run: live.run.id,
        task,
        error: messageOf(error),
      });
      if (known === "run_conflict" || isOfStorage(error))
        return this.later(error, async () => this.restartChild(live, command));
      const reason = {
        code: CODES[known] ?? "CHILD",
        message: `the child run could not be started: ${messageOf(error)}`,
        ...(CODES[known] === undefined ? {} : { final: true }),
      };
      this.engine.post({
        run: live.run.id,
        input: { kind: "child_finished", task, item, childRun, status: "failed", output: {}, error: reason },
      });
    } finally {
      this.starting.delete(childRun);
    }
  }

  /** A child belongs to the request of its parent, and to its trace. */
  private originOfChild({ run, program }: LiveRun, ref: StepRef): { readonly origin?: Origin } {
    const { created } = run;
    const request = created.origin?.request;
    const attempt = stepOf(program, run, ref)?.attempt ?? 1;
    const context = contextFor(
      created,
      { kind: "attempt", task: ref.task, item: ref.item, attempt },
      this.engine.parts.traces?.(created),
    );
    if (request === undefined && context === undefined) return {};
    return { origin: { ...(request === undefined ? {} : { request }), ...context } };
  }

  /** It may have been recorded after all, by another turn. */
  private async restartChild(live: LiveRun, command: Extract<Command, { kind: "start_child" }>): Promise<void> {
    const row = await this.engine.parts.store.runGet(command.childRun);
    if (row === undefined) await this.startChild(live, command);
    else if (isTerminal(row.status)) await this.childEnded(live, command, row);
  }

  /** Does it when the engine takes its next turn, which is not before the store has had time to recover. */
  private later(error: unknown, work: () => Promise<void>): void {
    if (isOfStorage(error)) this.engine.pressure.stall(error);
    this.postponed.push(work);
    this.engine.onWork();
  }

  get waiting(): number {
    return this.postponed.length;
  }

  tryAgain(): void {
    for (const work of this.postponed.splice(0)) work().catch((error: unknown) => this.later(error, work));
  }

  /** After a restart: the child may not have been started yet, may be running, or may have ended unheard. */
  async resumeChild(live: LiveRun, ref: StepRef, childRun: string): Promise<void> {
    const { uses } = live.program.tasks[live.program.index.get(ref.task)!]!.plan;
    const input = live.childInputs.get(childRun);
    if (uses.kind !== "runbook" || input === undefined) return;
    try {
      await this.restartChild(live, { kind: "start_child", ...ref, childRun, input, planDigest: uses.planDigest });
    } catch (error) {
      if (isOfStorage(error)) return this.later(error, async () => this.resumeChild(live, ref, childRun));
      this.engine.parts.log("error", "the end of a child run cannot be read, and its parent waits for it", {
        run: live.run.id,
        child: childRun,
        error: messageOf(error),
      });
    }
    this.stopWithParent(live, ref, childRun);
  }

  /** For a stop that came before the child was there to hear it. */
  private stopWithParent(live: LiveRun, { task }: StepRef, childRun: string): void {
    const { phase } = live.program.tasks[live.program.index.get(task)!]!.plan;
    if (!isStopped(live.run, phase)) return;
    const by = { type: "run", id: live.run.id, roles: [] } as const;
    this.engine.post({
      run: childRun,
      input: {
        kind: "cancel",
        by,
        reason: live.run.cancel?.reason ?? "its parent was stopped",
        force: live.run.cancel?.force === true,
      },
    });
  }

  private async childEnded(live: LiveRun, { task, item }: StepRef, row: RunRow): Promise<void> {
    const child = await loadRun(this.engine, row.id);
    const receipt = child.lastReceipt?.digest;
    this.engine.post({
      run: live.run.id,
      input: {
        kind: "child_finished",
        task,
        item,
        childRun: row.id,
        status: row.status,
        output: child.run.outputs ?? {},
        ...(receipt === undefined ? {} : { receipt }),
      },
    });
  }

  /** Tells whoever waits for this run's end: its parent, and the next in line for its concurrency key. */
  ended(live: LiveRun): void {
    const { created, id, outputs, status } = live.run;
    if (created.parent !== undefined) {
      const { run, task, item } = created.parent;
      const receipt = live.lastReceipt?.digest;
      this.engine.post({
        run,
        input: {
          kind: "child_finished",
          task,
          item,
          childRun: id,
          status,
          output: outputs ?? {},
          ...(receipt === undefined ? {} : { receipt }),
        },
      });
    }
    if (created.concurrencyKey !== undefined) void this.passOn(live, created.concurrencyKey);
  }

  private async passOn(live: LiveRun, key: string): Promise<void> {
    try {
      await this.engine.keys.load(key);
      const next = this.engine.keys.leave(key, live.program.plan.concurrency?.max ?? 1, live.run.id);
      if (next !== undefined) this.engine.post({ run: next, input: { kind: "admitted" } });
    } catch (error) {
      this.engine.parts.log("error", "a concurrency key could not be passed on", { key, error: messageOf(error) });
    }
  }
}
