import { canonical } from "../core/canonical.ts";
import { MaestroError } from "../core/problem.ts";
import type { Program } from "../core/program.ts";
import type { RunRow } from "../store/store.ts";
import { decodeEvent } from "./codec.ts";
import type { DurableEngine } from "./durable.ts";
import type { StartRequest } from "./engine.ts";
import { startQuestion } from "./questions.ts";

/**
 * The run that an idempotency key led to, if it was asked for in the same words: a key that was used for something else is a
 * mistake of the caller, who would take another's run for his own. Where the workflow was changed since, its inputs may mean
 * something else, and a sender that repeats itself across a deployment must not start a second run. Errors: `conflict`, `denied`.
 */
export async function sameStart(
  engine: Pick<DurableEngine, "parts" | "programs" | "asked">,
  run: RunRow,
  request: StartRequest,
): Promise<RunRow> {
  const { parts, programs } = engine;
  const refuse = (what: string): MaestroError =>
    new MaestroError(
      "conflict",
      `The idempotency key ${request.idempotencyKey} belongs to run ${run.id}, which was started ${what}.`,
      {
        fix: "Use a key of its own for each start, and the same one only to repeat a request.",
        facts: { run: run.id, idempotencyKey: request.idempotencyKey ?? null },
      },
    );
  const prepared = programs.get(request.plan);
  const { program } = prepared;
  // A key is no leave: whoever else knows it learns of the run, and counts as who started it, only if they could have.
  if (run.initiator !== request.initiator.id) await mayStart(engine, program, request);
  if (run.workflow !== program.plan.workflow.name) throw refuse(`from the workflow ${run.workflow}`);
  if (run.planDigest !== program.digest) return run;
  const [first] = await parts.store.runEvents(run.id, { afterSeq: 0, limit: 1 });
  // Retention may have taken the history.
  if (first === undefined) return run;
  const created = await decodeEvent(first.text, parts.blobs);
  if (created.kind !== "run_created") return run;
  if (canonical(created.inputs) !== canonical(prepared.inputs(request.inputs))) throw refuse("with other inputs");
  if (created.purpose !== request.purpose) throw refuse(`for the purpose ${created.purpose}`);
  if (created.authority !== request.authority) throw refuse("under another authority");
  return run;
}

async function mayStart(
  { parts, asked }: Pick<DurableEngine, "parts" | "asked">,
  program: Program,
  request: StartRequest,
): Promise<void> {
  const question = startQuestion(program, request, parts.environment);
  const decision = await parts.gate.decide(question, { at: parts.clock.now(), ...request.origin });
  asked.note(decision, question);
  if (decision.allow) return;
  const { id, rules, reasons } = decision;
  const what = `${question.action.name} on ${question.resource.id}`;
  throw new MaestroError("denied", `${what} is denied: ${reasons.join("; ")}.`, {
    facts: { decision: id, rules, reasons },
  });
}
