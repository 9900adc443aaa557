import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { Decision, ShadowVerdict } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import type { BreakGlass } from "./break-glass.ts";
import { mayAlwaysBegin } from "./break-glass.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import { isYes } from "./evaluator.ts";
import { NO_ANSWER } from "./gate.ts";
import type { Gate, GateRequest, Occasion } from "./gate.ts";
import type { Notices } from "./notices.ts";
import { examine } from "./obligations.ts";
import type { Notice } from "./obligations.ts";
import type { Shadows } from "./shadow.ts";

export interface GateParts {
  readonly evaluator: Evaluator;
  /** A new decision's id. */
  readonly newId: () => string;
  /** Where what a policy wants told goes; absent: nowhere, so that who depends on it is denied. */
  readonly notices?: Pick<Notices, "names" | "send">;
  readonly breakGlass?: Pick<BreakGlass, "covers" | "used">;
  readonly shadows?: Shadows;
  /** Told of every decision that is enforced. */
  readonly decided?: (decision: Decision, request: GateRequest, occasion: Occasion) => void;
}

/** Answers remembered, the oldest go first; and of questions up to so many characters, since others choose how long theirs are. */
const REMEMBERED = 10_000;
const REMEMBERED_CHARACTERS = 8_192;

interface Answer {
  readonly requestDigest: Digest;
  readonly policyDigest: Digest;
  /** The policy may be another one when the answer comes. */
  readonly engine: string;
  readonly verdict: Verdict;
}

/** A gate that can also be asked what it would say. */
export interface OpenGate extends Gate {
  /** What the policy says, with what it depends on: nothing is carried out, nobody is told, and no emergency counts. */
  consider(request: GateRequest, occasion: Occasion): Decision | Promise<Decision>;
}

/** The gate over an evaluator: every way in which no clean yes comes is a no. */
export function openGate(parts: GateParts): OpenGate {
  const { evaluator, shadows } = parts;
  const remembered = new Map<string, Answer>();
  const ask = (text: string, request: GateRequest, occasion: Occasion): Answer | Promise<Answer> => {
    const { policyDigest, engine, repeatable } = evaluator;
    const known = remembered.get(text);
    if (known?.policyDigest === policyDigest) return known;
    const requestDigest = digestOf(request);
    const failed = (error: unknown): Answer => ({ requestDigest, policyDigest, engine, verdict: failure(error) });
    const settle = (verdict: Verdict): Answer => {
      const answer = {
        requestDigest,
        policyDigest: verdict.policyDigest ?? policyDigest,
        engine,
        verdict: checked(verdict),
      };
      if (repeatable && text.length <= REMEMBERED_CHARACTERS) remember(remembered, text, answer);
      return answer;
    };
    try {
      const verdict = evaluator.evaluate(request, occasion);
      return verdict instanceof Promise ? verdict.then(settle).catch(failed) : settle(verdict);
    } catch (error) {
      return failed(error);
    }
  };
  const said = (answer: Answer): Decision => decisionOf(answer, parts);
  return {
    decide(request, occasion) {
      // Its members come in the order of whoever asks, always the same: sorting them would cost more than what is saved.
      const text = JSON.stringify(request);
      const trial = shadows?.begin(text, request, occasion);
      const enforce = (answer: Answer): Decision => {
        try {
          return enforced(parts, answer, trial?.collect(answer.verdict.allow), request, occasion);
        } catch (error) {
          // What was asked may not be a question at all.
          return decisionOf({ ...answer, verdict: failure(error) }, parts);
        }
      };
      const answer = ask(text, request, occasion);
      return answer instanceof Promise ? answer.then(enforce) : enforce(answer);
    },
    consider(request, occasion) {
      const answer = ask(JSON.stringify(request), request, occasion);
      return answer instanceof Promise ? answer.then(said) : said(answer);
    },
  };
}

function decisionOf({ verdict, policyDigest, requestDigest, engine }: Answer, { newId }: GateParts): Decision {
  return {
    id: newId(),
    allow: verdict.allow,
    reasons: verdict.reasons,
    rules: verdict.rules,
    policyDigest,
    requestDigest,
    engine,
    ...(verdict.obligations === undefined || verdict.obligations.length === 0
      ? {}
      : { obligations: verdict.obligations }),
  };
}

/** What is done by: what the policy says, if all that it depends on can be had; and past it in an emergency. */
function enforced(
  parts: GateParts,
  answer: Answer,
  shadow: readonly ShadowVerdict[] | undefined,
  request: GateRequest,
  occasion: Occasion,
): Decision {
  const said = decisionOf(answer, parts);
  if (said.allow && said.obligations === undefined && shadow === undefined) {
    parts.decided?.(said, request, occasion);
    return said;
  }
  const { notices, breakGlass } = parts;
  const wants = examine(said.obligations ?? NONE, request, {
    channels: notices?.names ?? NO_CHANNELS,
    redacts: occasion.redacts === true,
  });
  let decision: Decision = wants.unmet.length === 0 ? said : denied(said, wants.unmet);
  if (!decision.allow && mayAlwaysBegin(request, decision.rules))
    decision = { ...decision, allow: true, reasons: [OWNER_BEGINS, ...decision.reasons] };
  const glass = decision.allow ? undefined : breakGlass?.covers(request);
  if (glass !== undefined) {
    const { obligations: _, ...rest } = decision;
    const told = (said.obligations ?? NONE).filter(
      ({ id, type }) => type === "notify" && wants.notices.some(({ rule }) => rule === id),
    );
    decision = {
      ...rest,
      allow: true,
      mode: "break-glass",
      reasons: [`break-glass ${glass.id}, opened by ${glass.subject}: ${glass.reason}`, ...decision.reasons],
      ...(told.length === 0 ? {} : { obligations: told }),
    };
  }
  if (shadow !== undefined && shadow.length > 0) decision = { ...decision, shadow };
  if (glass !== undefined) breakGlass?.used(glass, request, decision);
  for (const notice of wants.notices) tell(parts, notice, decision, request, occasion);
  parts.decided?.(decision, request, occasion);
  return decision;
}

const NONE: readonly never[] = [];
const NO_CHANNELS: ReadonlySet<string> = new Set();
const OWNER_BEGINS = "the owner may go past a policy that has no rule against it, since the owner could replace it";

function denied(said: Decision, unmet: readonly string[]): Decision {
  return { ...said, allow: false, reasons: [...unmet, ...said.reasons] };
}

function tell(
  { notices }: GateParts,
  { to, body, rule }: Notice,
  { id, allow, mode, reasons }: Decision,
  { subject, action, resource }: GateRequest,
  { at, run, task, request }: Occasion,
): void {
  notices?.send(to, "policy.notice", {
    rule,
    body,
    decision: id,
    allow,
    ...(mode === undefined ? {} : { mode }),
    reasons,
    subject: { type: subject.type, id: subject.id },
    action: action.name,
    resource: { type: resource.type, id: resource.id, namespace: resource.properties.namespace },
    at,
    ...(run === undefined ? {} : { run }),
    ...(task === undefined ? {} : { task }),
    ...(request === undefined ? {} : { request }),
  });
}

function remember(remembered: Map<string, Answer>, text: string, answer: Answer): void {
  remembered.delete(text);
  remembered.set(text, answer);
  if (remembered.size <= REMEMBERED) return;
  for (const [oldest] of remembered) {
    remembered.delete(oldest);
    break;
  }
}

function checked(verdict: Verdict): Verdict {
  return isYes(verdict.allow) ? verdict : { ...verdict, allow: false };
}

function failure(error: unknown): Verdict {
  return { allow: false, rules: [], reasons: [`${NO_ANSWER}: ${messageOf(error)}`] };
}
