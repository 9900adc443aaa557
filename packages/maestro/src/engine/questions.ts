import type { Actor } from "../core/event.ts";
import type { Program } from "../core/program.ts";
import { useText } from "../core/receipt-facts.ts";
import type { Run, Step } from "../core/run.ts";
import type { GateRequest } from "../policy/gate.ts";

/** What the gate is asked before a run starts. */
export function startQuestion(
  program: Program,
  run: { readonly id: string; readonly purpose: string; readonly authority: string; readonly initiator: Actor },
): GateRequest {
  const { plan } = program;
  return {
    subject: subjectOf(run.initiator),
    action: { name: "run.start" },
    resource: {
      type: "runbook",
      id: `${plan.workflow.namespace}/${plan.workflow.name}@${plan.workflow.version}`,
      properties: {
        namespace: plan.workflow.namespace,
        license: plan.license,
        effects: [...new Set(plan.tasks.flatMap((task) => task.effects))].sort(),
        sensitive: plan.tasks.some((task) => task.sensitive === true),
        purposes: plan.purposes,
        authorityRequired: plan.authority.required,
      },
    },
    context: { purpose: run.purpose, authority: run.authority, run: run.id, planDigest: program.digest },
  };
}

/** What the gate is asked before a step whose type declares effects. */
export function stepQuestion(program: Program, run: Run, step: Step): GateRequest {
  const { plan, undo } = program.tasks[step.task]!;
  const undoing = run.phase === "undo";
  return {
    subject: subjectOf(run.created.initiator),
    action: { name: "task.execute" },
    resource: {
      type: "task",
      id: `${plan.id}${step.item === -1 ? "" : `[${step.item}]`}`,
      properties: {
        namespace: run.created.namespace,
        license: program.plan.license,
        effects: undoing ? undo!.effects : plan.effects,
        sensitive: plan.sensitive === true,
        uses: useText(undoing ? undo!.uses : plan.uses),
        undo: undoing,
      },
    },
    context: {
      purpose: run.created.purpose,
      authority: run.created.authority,
      run: run.id,
      planDigest: program.digest,
    },
  };
}

function subjectOf(actor: Actor): GateRequest["subject"] {
  return { type: actor.type, id: actor.id, properties: { roles: actor.roles } };
}
