import type { Actor } from "../core/event.ts";
import type { Program } from "../core/program.ts";
import { useText } from "../core/receipt-facts.ts";
import type { Run, Step } from "../core/run.ts";
import type { GateRequest } from "../policy/gate.ts";

/** Where a runbook says nothing: as strict as the machine can, and the receipt says what it was. */
export const DEFAULT_SANDBOX = "preferred";

/** Of a run, what the gate is told. */
interface Mandate {
  readonly purpose: string;
  readonly authority: string;
  readonly initiator: Actor;
}

/** What the gate is asked before a run starts. */
export function startQuestion(
  program: Pick<Program, "plan" | "digest">,
  run: Mandate,
  environment: string,
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
    context: contextOf(program, run, environment),
  };
}

/** What the gate is asked before a step whose type declares effects. */
export function stepQuestion(program: Program, run: Run, step: Step, environment: string): GateRequest {
  return {
    subject: subjectOf(run.created.initiator),
    action: { name: "task.execute" },
    resource: taskResource(program, run, step.task),
    context: contextOf(program, run.created, environment),
  };
}

/** What the gate is asked before an attempt gets a token: the task as it was asked about, and for whom the token is. */
export function tokenQuestion(
  program: Program,
  run: Run,
  task: number,
  { environment, audience }: { readonly environment: string; readonly audience: string },
): GateRequest {
  return {
    subject: subjectOf(run.created.initiator),
    action: { name: "identity.token" },
    resource: taskResource(program, run, task),
    context: { ...contextOf(program, run.created, environment), audience },
  };
}

function taskResource(program: Program, run: Run, task: number): GateRequest["resource"] {
  const { plan, undo } = program.tasks[task]!;
  const undoing = run.phase === "undo";
  return {
    type: "task",
    id: `${run.created.namespace}/${program.plan.workflow.name}/${plan.id}`,
    properties: {
      namespace: run.created.namespace,
      license: program.plan.license,
      effects: undoing ? undo!.effects : plan.effects,
      sensitive: plan.sensitive === true,
      uses: useText(undoing ? undo!.uses : plan.uses),
      undo: undoing,
      sandbox: plan.runner?.sandbox ?? DEFAULT_SANDBOX,
    },
  };
}

/** What the gate is asked before an attempt reads a credential: `env:NAME` or `file:PATH`, never its value. */
export function leaseQuestion(program: Program, run: Run, secret: string, environment: string): GateRequest {
  const { namespace } = run.created;
  return {
    subject: subjectOf(run.created.initiator),
    action: { name: "secret.lease" },
    resource: { type: "secret", id: secret, properties: { namespace } },
    context: contextOf(program, run.created, environment),
  };
}

function contextOf(
  program: Pick<Program, "plan" | "digest">,
  { purpose, authority }: Mandate,
  environment: string,
): GateRequest["context"] {
  const { digest, plan } = program;
  // Blanks are no mandate; a policy need not know how to see that.
  return { purpose, authority: authority.trim(), environment, planDigest: digest, budget: { ...plan.budget } };
}

function subjectOf({ type, id, roles, properties }: Actor): GateRequest["subject"] {
  return { type, id, properties: { ...properties, roles } };
}
