import type { Digest } from "../core/digest.ts";
import type { Decision, StepRef } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import { receive } from "../core/receive.ts";
import { stepOf } from "../core/run.ts";
import type { Turn } from "../core/turn.ts";
import { NO_ANSWER } from "../policy/gate.ts";
import type { DurableEngine } from "./durable.ts";
import type { LiveRun } from "./live.ts";
import { stepQuestion } from "./questions.ts";

/** Asks the gate about a step. True when it has answered and core should go on; else the answer comes as a message. */
export function askGate(engine: DurableEngine, live: LiveRun, turn: Turn, command: StepRef): boolean {
  const target = stepOf(live.program, live.run, command);
  if (target === undefined) return false;
  const { task, item } = command;
  const question = stepQuestion(live.program, live.run, target, engine.parts.environment);
  const answer = engine.parts.gate.decide(question, {
    at: turn.facts.now,
    run: live.run.id,
    task: item === -1 ? task : `${task}[${item}]`,
    ...live.run.created.origin,
  });
  if (!(answer instanceof Promise)) {
    engine.asked.note(answer, question);
    receive(turn, { kind: "decided", task, item, decision: answer });
    return true;
  }
  live.inFlight += 1;
  const post = (decision: Decision): void => {
    engine.asked.note(decision, question);
    engine.post({ run: live.run.id, from: live, input: { kind: "decided", task, item, decision } });
  };
  answer.then(post, (error: unknown) => post(failedDecision(engine.newId("d"), error)));
  return false;
}

/** A gate must not throw; should one, the answer is no. */
export function failedDecision(id: string, error: unknown): Decision {
  const none: Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  return {
    id,
    allow: false,
    reasons: [`${NO_ANSWER}: ${messageOf(error)}`],
    rules: [],
    policyDigest: none,
    requestDigest: none,
    engine: "none",
  };
}
