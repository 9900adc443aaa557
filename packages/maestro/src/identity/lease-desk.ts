import type { Actor, Origin } from "../core/event.ts";
import type { Gate, GateRequest } from "../policy/gate.ts";
import type { AuditTrail } from "../provenance/audit.ts";
import { TaskFailure } from "../task/task.ts";

/** An attempt that is about to read a credential. */
export interface Lessee {
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
  readonly actor: Actor;
  readonly origin?: Origin | undefined;
  /** What the gate is asked. */
  readonly question: GateRequest;
}

export interface LeaseDeskParts {
  readonly gate: Gate;
  readonly audit: AuditTrail;
  readonly now: () => number;
}

/** Resolves when the credential may be read. Rejects with TaskFailure `DENIED`. */
export type Lease = (lessee: Lessee) => Promise<void>;

/** Where attempts get leave to read a credential: if the gate says yes, and not before the audit has it. */
export function leaseDesk({ gate, audit, now }: LeaseDeskParts): Lease {
  return async ({ run, namespace, task, item, attempt, actor, origin, question }) => {
    const decision = await gate.decide(question, { at: now(), run, task, ...origin });
    // Nobody here could fulfil what it depends on.
    const depends = (decision.obligations ?? []).length > 0;
    const allow = decision.allow && !depends;
    await audit.write({
      kind: allow ? "security" : "refused",
      actor,
      action: question.action.name,
      resource: { type: question.resource.type, id: question.resource.id },
      namespace,
      allow,
      run,
      ...(origin?.request === undefined ? {} : { request: origin.request }),
      ...(origin?.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
      ...(allow ? {} : { code: "denied" }),
      decision,
      question,
      detail: { task, item, attempt },
    });
    if (allow) return;
    const reasons = decision.allow
      ? ["the decision has obligations, and a credential has nobody to fulfil them"]
      : decision.reasons;
    throw new TaskFailure({
      code: "DENIED",
      message: `policy denies it the credential ${question.resource.id}: ${reasons.join("; ")}`,
      final: true,
      details: { decision: decision.id, rules: [...decision.rules] },
    });
  };
}
