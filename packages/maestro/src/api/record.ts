import type { MaestroError } from "../core/problem.ts";
import type { AuditEntry, AuditTrail } from "../provenance/audit.ts";
import type { Access, AccessRule, Asked, Target } from "./access.ts";
import { targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";

/** What the audit is told of a request beside what was asked for it. */
export interface Occurrence {
  readonly operation: string;
  readonly rule: AccessRule;
  readonly request: ApiRequest;
  readonly requestId: string;
}

/**
 * Keeps that something was done or seen, before it is answered: a change or a look at evidence is durable when this
 * resolves, and what cannot be recorded is not answered. What is merely read is counted. Errors as of `AuditTrail.write`.
 */
export async function recordDone(audit: AuditTrail, access: Access, asked: Occurrence): Promise<void> {
  // The engine was to say what would be, and nothing became of it.
  const occurrence = access.wasPreview ? { ...asked, rule: { ...asked.rule, as: "read" as const } } : asked;
  const { rule } = occurrence;
  if (rule.as === "read") {
    // The owner's own commands on this machine: who can read the files needs no leave, and would leave no trace.
    if (access.caller.via !== "socket") for (const one of shown(access)) audit.note(entryOf(access, occurrence, one));
    return;
  }
  await Promise.all(shown(access).map(async (one) => audit.write(entryOf(access, occurrence, one))));
}

/** Keeps that somebody was refused, or that what they wanted failed. Never waits. */
export function recordFailed(
  audit: AuditTrail,
  access: Access,
  occurrence: Occurrence,
  { code }: Pick<MaestroError, "code">,
): void {
  const last = access.asked.at(-1);
  // Also where the gate let it pass, and the engine knew of a rule against it.
  if (REFUSALS.has(code))
    audit.note({ ...entryOf(access, occurrence, last ?? nowhere(occurrence)), kind: "refused", allow: false, code });
  else if (occurrence.rule.as !== "read")
    // Who asks for evidence that is not there, or not theirs to know of, asked for it all the same.
    audit.note({ ...entryOf(access, occurrence, last ?? nowhere(occurrence)), code, allow: last !== undefined });
}

const REFUSALS: ReadonlySet<string> = new Set(["denied", "step_up_required"]);

/** What a request was about: of all that was asked the last kind, which is what it was for, each namespace and thing once. */
function shown(access: Access): readonly Touched[] {
  if (access.done !== undefined) return [access.done];
  const allowed = access.asked.filter(({ decision }) => decision.allow);
  const purpose = allowed.at(-1)?.action;
  const byPlace = new Map(
    allowed
      .filter(({ action }) => action === purpose)
      .map((asked) => [`${asked.target.namespace} ${asked.target.run ?? asked.target.id}`, asked] as const),
  );
  return [...byPlace.values()];
}

/** A thing that was touched, with what the gate said of it where this process asked. */
type Touched = Pick<Asked, "target"> & Partial<Asked> & { readonly allow?: boolean };

function nowhere({ request }: Occurrence): Touched {
  return { target: { type: "request", id: targetOf(request).pathname, namespace: "*" } };
}

function entryOf(access: Access, occurrence: Occurrence, touched: Touched): AuditEntry {
  const { target, decision, question, action, allow = decision?.allow ?? true } = touched;
  const { caller } = access;
  const { rule, request, requestId, operation } = occurrence;
  const { namespace, run } = target;
  const traceparent = request.headers.get("traceparent");
  return {
    kind: rule.as,
    actor: access.actor(namespace),
    action: action ?? rule.action,
    resource: resourceOf(target, rule),
    namespace: namespace === "*" ? null : namespace,
    allow,
    request: requestId,
    // Reads of many runs are one row: it must not look as if it were about the first of them.
    ...(run === undefined || rule.as === "read" ? {} : { run }),
    ...(traceparent === null ? {} : { traceparent: traceparent }),
    ...(request.peer === undefined ? {} : { from: request.peer }),
    ...(decision === undefined ? {} : { decision }),
    ...(question === undefined ? {} : { question }),
    detail: {
      ...access.told,
      operation,
      via: caller.via,
      ...(caller.session === undefined ? {} : { session: caller.session }),
    },
  };
}

/** Runs of a workflow are one resource to a policy; what was done to one or seen of it is kept under its id. */
function resourceOf({ type, id, run }: Target, rule: AccessRule): AuditEntry["resource"] {
  return type === "run" && run !== undefined && rule.as !== "read" ? { type, id: run } : { type, id };
}
