import type { Actor, Decision, Obligation } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { Caller } from "../identity/caller.ts";
import { actorIn, EVERY_NAMESPACE, namespacesOf, rolesIn, subjectIn } from "../identity/caller.ts";
import { adviceOf } from "../policy/advice.ts";
import type { Gate, GateRequest } from "../policy/gate.ts";
import { missingStepUp } from "../policy/obligations.ts";
import type { AuditKind } from "../store/audit.ts";
import type { RunRow, Store } from "../store/store.ts";
import { findRun } from "./find-run.ts";

/** What an operation does, by the name that policies know it by, and how the audit keeps it. */
export interface AccessRule {
  readonly action: string;
  readonly as: Extract<AuditKind, "change" | "evidence" | "read">;
}

/** What is to be done something with. */
export interface Target {
  readonly type: string;
  readonly id: string;
  /** `*`: the installation as a whole. */
  readonly namespace: string;
  readonly properties?: JsonObject;
  /** The run it is about: for the record, never for the decision. */
  readonly run?: string;
}

/** A question that was answered. */
export interface Asked {
  readonly target: Target;
  readonly action: string;
  readonly question: GateRequest;
  readonly decision: Decision;
}

/** What the engine did after asking for itself. */
export interface Done {
  readonly target: Target;
  readonly allow: boolean;
}

export interface AccessParts {
  readonly gate: Gate;
  readonly store: Store;
  readonly now: () => number;
  readonly environment: string;
  readonly caller: Caller;
  readonly rule: AccessRule;
  /** The correlation id. */
  readonly requestId: string;
  /** Why, and under which mandate, as the request's headers say; "" where they don't. */
  readonly purpose: string;
  readonly authority: string;
  /** Whether what its answers hold can be hidden member by member. */
  readonly redacts: boolean;
}

/**
 * One request's way past the gate: a handler says what it is about to touch, and goes on only where that is allowed. An
 * operation that answers without having asked is a fault of ours, and its answer is thrown away.
 */
export class Access {
  readonly caller: Caller;
  readonly #parts: AccessParts;
  readonly #asked: Asked[] = [];
  #isByEngine = false;
  #done: Done | undefined;
  #told: JsonObject = {};

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.caller = parts.caller;
  }

  get asked(): readonly Asked[] {
    return this.#asked;
  }

  /** The correlation id. */
  get requestId(): string {
    return this.#parts.requestId;
  }

  get wasAsked(): boolean {
    return this.#asked.length > 0 || this.#isByEngine;
  }

  /** What the decisions that allowed it depend on, for whoever sends the answer. */
  get obligations(): readonly Obligation[] {
    return this.#asked.flatMap(({ decision }) => (decision.allow ? (decision.obligations ?? []) : []));
  }

  /** As histories and receipts name the caller. */
  actor(namespace: string): Actor {
    return actorIn(this.caller, namespace);
  }

  /** For records that are no run's: `user:anna`. */
  get by(): string {
    return `${this.caller.type}:${this.caller.id}`;
  }

  /** `context`: what the gate is to know beside; its purpose and authority stand for those of the headers. Errors: `denied` with the reasons. */
  async on(target: Target, action = this.#parts.rule.action, context: JsonObject = {}): Promise<Decision> {
    const decision = await this.#decide(target, action, context);
    if (!decision.allow) throw refusal(this.#asked.at(-1)!);
    return decision;
  }

  async onInstallation(): Promise<Decision> {
    return this.on({ type: "installation", id: EVERY_NAMESPACE, namespace: EVERY_NAMESPACE });
  }

  /** The run that is meant. Runs that may not be touched are not there for whoever has no part in their namespace. Errors: as `findRun`, `denied`. */
  async onRun(reference: string, action = this.#parts.rule.action): Promise<RunRow> {
    const row = await findRun(this.#parts.store, reference, this.scope);
    await this.on(runTarget(row), action);
    return row;
  }

  /** The namespaces that a list may speak of, of those `wanted`; undefined: of all of them. Errors: `denied` where there is none. */
  async inNamespaces(wanted?: string, action = this.#parts.rule.action): Promise<readonly string[] | undefined> {
    if (wanted !== undefined) {
      await this.on({ type: "namespace", id: wanted, namespace: wanted }, action);
      return this.scope === undefined ? undefined : [wanted];
    }
    const everywhere: Target = { type: "namespace", id: EVERY_NAMESPACE, namespace: EVERY_NAMESPACE };
    // What every member may know of the installation is not the same as what lies in every namespace.
    if (this.scope === undefined && (await this.#decide(everywhere, action)).allow) return undefined;
    const allowed: string[] = [];
    for (const namespace of this.scope ?? namespacesOf(this.caller))
      if ((await this.#decide({ type: "namespace", id: namespace, namespace }, action)).allow) allowed.push(namespace);
    if (allowed.length > 0) return allowed;
    // What was said of a place of theirs tells them more than what is said of all places.
    const last = this.#asked.at(-1);
    if (last?.decision.allow === false && last.target.namespace !== EVERY_NAMESPACE) throw refusal(last);
    await this.on(everywhere, action);
    return [];
  }

  /** The engine asks, and records the answer in the run's own history. What became of it `did` is told. */
  leftToEngine(): void {
    this.#isByEngine = true;
  }

  /** What the audit is to have beside: whatever tells this time from others. No secret. */
  tell(detail: JsonObject): void {
    this.#told = detail;
  }

  get told(): JsonObject {
    return this.#told;
  }

  did(run: RunRow): void {
    this.#done = { target: runTarget(run), allow: run.status !== "denied" };
  }

  get done(): Done | undefined {
    return this.#done;
  }

  get wasPreview(): boolean {
    return this.#isByEngine && this.#done === undefined;
  }

  /** The namespaces that the caller has any part in; undefined: all. What lies elsewhere is not there for them. */
  get scope(): readonly string[] | undefined {
    const { grants } = this.caller;
    if (grants.some(({ namespace, roles }) => namespace === EVERY_NAMESPACE && roles.length > 0)) return undefined;
    return namespacesOf(this.caller).filter((namespace) => rolesIn(this.caller, namespace).length > 0);
  }

  sees(namespace: string): boolean {
    return this.scope?.includes(namespace) ?? true;
  }

  async #decide(target: Target, action: string, context: JsonObject = {}): Promise<Decision> {
    const { gate, now, environment, purpose, authority, requestId, redacts } = this.#parts;
    const request: GateRequest = {
      subject: subjectIn(this.caller, target.namespace),
      action: { name: action },
      resource: { type: target.type, id: target.id, properties: { namespace: target.namespace, ...target.properties } },
      context: { purpose, authority, environment, ...context },
    };
    const decision = await gate.decide(request, {
      at: now(),
      request: requestId,
      redacts,
      ...(target.run === undefined ? {} : { run: target.run }),
    });
    this.#asked.push({ target, action, question: request, decision });
    return decision;
  }
}

/** Runs of one workflow are one resource to a policy, so that one answer serves them all. */
export function runTarget(run: RunRow): Target {
  return {
    type: "run",
    id: `${run.namespace}/${run.workflow}`,
    namespace: run.namespace,
    properties: { workflow: run.workflow, initiator: run.initiator },
    run: run.id,
  };
}

function refusal({ action, target, question, decision }: Asked): MaestroError {
  const { id, reasons, rules, obligations } = decision;
  const stepUp = missingStepUp(obligations ?? [], question);
  const wanted = stepUp === undefined ? {} : { acr_values: stepUp.acr, amr_values: stepUp.amr };
  return new MaestroError(
    stepUp === undefined ? "denied" : "step_up_required",
    `${action} on ${target.type} ${target.id} is denied: ${reasons.join("; ")}.`,
    { facts: { action, decision: id, rules, reasons, ...wanted }, fix: adviceOf(decision, question) },
  );
}
