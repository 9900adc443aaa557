import type { Actor, Origin } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import type { WorkflowRef } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { Gate, GateRequest } from "../policy/gate.ts";
import type { AuditEntry, AuditTrail } from "../provenance/audit.ts";
import type { IssuedToken, Issuer } from "./issuer.ts";
import { noIssuer } from "./issuer.ts";
import { subjectOf } from "./token.ts";
import type { TokenFacts } from "./token.ts";
import { serveTokens, TOKEN_LIMITS } from "./token-socket.ts";
import type { TokenSocket } from "./token-socket.ts";

/** For whom a task's attempts may get tokens, and what these say of the run. */
export interface Workload {
  readonly audiences: readonly string[];
  readonly workflow: WorkflowRef;
  readonly planDigest: string;
  readonly environment: string;
  readonly purpose: string;
  readonly actor: Actor;
  readonly origin?: Origin | undefined;
  /** What the gate is asked before a token for that audience. */
  question(audience: string): GateRequest;
}

/** An attempt that may ask for tokens while it is at work. */
export interface Holder {
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
  readonly workload: Workload;
  /** Aborted: it was called off, and gets no more. */
  readonly signal: AbortSignal;
  runner(): Promise<TokenFacts["runner"]>;
  /** It is about to be given this token, which is not to be seen in what it writes. */
  given(token: string): void;
}

export interface TokenDeskParts {
  readonly issuer: Issuer;
  readonly gate: Gate;
  readonly audit: AuditTrail;
  /** A private folder with a short path; sockets lie in folders of their own below it. */
  readonly folder: string;
  now(): number;
  /** A new token's id. */
  newId(): string;
  fault(error: unknown): void;
}

/** Gives an attempt its socket. */
export type OpenTokens = (holder: Holder) => Promise<TokenSocket>;

const MINUTE_MS = 60_000;

/** What a yes may depend on here: the gate has seen to it when it says yes. */
const BY_THE_GATE: ReadonlySet<string> = new Set(["notify", "step-up"]);

/**
 * Where attempts get their tokens: for an audience that the runbook names, if the gate says yes as well, and not before the
 * audit has it. What is refused is kept there, too.
 */
export function tokenDesk(parts: TokenDeskParts): OpenTokens {
  return async (holder) => {
    let over = false;
    let minute = { from: 0, asked: 0 };
    const socket = await serveTokens({
      parent: parts.folder,
      fault: (error) => parts.fault(error),
      async answer(audience) {
        const now = parts.now();
        if (now >= minute.from + MINUTE_MS || now < minute.from) minute = { from: now, asked: 0 };
        minute.asked += 1;
        if (minute.asked > TOKEN_LIMITS.perMinute)
          throw new MaestroError(
            "overloaded",
            `An attempt may ask for ${TOKEN_LIMITS.perMinute} tokens a minute. Each is good for five minutes.`,
          );
        const given = await give(parts, holder, audience);
        // It may have ended while the audit was written.
        if (over || holder.signal.aborted) throw ended();
        return given;
      },
    });
    return {
      ...socket,
      close() {
        over = true;
        socket.close();
      },
    };
  };
}

async function give(parts: TokenDeskParts, holder: Holder, audience: string | null): Promise<JsonObject> {
  const { issuer, gate, audit } = parts;
  const { workload } = holder;
  const { audiences, origin } = workload;
  if (holder.signal.aborted) throw ended();
  if (issuer.url === undefined) throw noIssuer();
  if (audience === null || audience === "")
    throw new MaestroError("invalid_request", "For whom the token is, was not said.", {
      fix: `Add \`?audience=\` and one of ${audiences.join(", ")}.`,
    });
  const about = entryOf(holder, audience);
  if (!audiences.includes(audience)) {
    audit.note({ ...about, kind: "refused", allow: false, code: "denied", detail: { audiences } });
    throw new MaestroError("denied", `Task ${holder.task} may have no token for ${quoted(audience)}.`, {
      fix: `Its runbook names ${audiences.join(", ")}; add others to \`identity.audiences\` of the task.`,
      facts: { audiences },
    });
  }
  const question = workload.question(audience);
  const at = parts.now();
  const decision = await gate.decide(question, { at, run: holder.run, task: holder.task, ...origin });
  const undone = (decision.obligations ?? []).filter(({ type }) => !BY_THE_GATE.has(type));
  const allow = decision.allow && undone.length === 0;
  if (!allow) {
    await audit.write({ ...about, kind: "refused", allow: false, code: "denied", decision, question });
    const reasons = decision.allow
      ? [`it depends on ${undone.map(({ type }) => type).join(", ")}, which nobody can do for a token`]
      : decision.reasons;
    throw new MaestroError("denied", `Policy denies a token for ${quoted(audience)}: ${reasons.join("; ")}.`, {
      facts: { decision: decision.id },
    });
  }
  const id = parts.newId();
  const { run, namespace, task, item, attempt } = holder;
  const { workflow, planDigest, environment, purpose, actor } = workload;
  const facts = { run, namespace, task, item, attempt, workflow, planDigest, environment, purpose, actor };
  const runner = await holder.runner();
  let issued: IssuedToken;
  try {
    issued = issuer.issue({ ...facts, audience, id, issuedAt: at, runner });
  } catch (error) {
    const code = error instanceof MaestroError ? error.code : "internal";
    await audit.write({ ...about, kind: "refused", allow: false, code, decision, question });
    throw error;
  }
  const { token, expiresAt, kid } = issued;
  const detail = { audience, subject: subjectOf(facts), token: id, kid, expiresAt, attempt, item };
  await audit.write({ ...about, kind: "security", allow: true, decision, question, detail });
  holder.given(token);
  return { token, expiresAt };
}

function entryOf(
  { run, namespace, task, workload }: Holder,
  audience: string,
): Omit<AuditEntry, "kind" | "allow"> & { readonly detail: JsonObject } {
  const { actor, workflow, origin } = workload;
  return {
    actor,
    action: "identity.token",
    resource: { type: "task", id: `${namespace}/${workflow.name}/${task}` },
    namespace,
    run,
    ...(origin?.request === undefined ? {} : { request: origin.request }),
    ...(origin?.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
    detail: { audience: audience.slice(0, MAX_SHOWN).toWellFormed() },
  };
}

function ended(): MaestroError {
  return new MaestroError("conflict", "The attempt is over, and its tokens with it.", {
    fix: "Ask while the task runs.",
  });
}

const MAX_SHOWN = 255;

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN).toWellFormed());
}
