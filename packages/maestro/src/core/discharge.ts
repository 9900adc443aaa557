import { tally } from "./approval.ts";
import type { ApprovalRequested, TaskError } from "./event.ts";
import type { Owed } from "./obligation.ts";
import type { Step } from "./run.ts";
import type { Turn } from "./turn.ts";
import { emit, refOf } from "./turn.ts";

/** True once nothing is owed for this step (any more). One approval serves all items of a fan-out: they are one task to the policy. */
export function discharge(turn: Turn, step: Step): boolean {
  const { owed } = step;
  if (owed === null) return true;
  const task = turn.run.tasks[step.task]!;
  if (owed === "unclear")
    return fail(
      turn,
      step,
      "DENIED",
      "policy allows it only with an approval that cannot be asked for: its obligation names neither count nor roles that fit",
    );
  if (task.approval === null) {
    // What is being undone is not asked for again: whoever let it happen let it be taken back.
    if (turn.run.phase === "undo")
      return fail(
        turn,
        step,
        "DENIED",
        `policy (${owed.rule}) wants it approved, and nobody was asked when it was done`,
      );
    ask(turn, step, owed);
    return false;
  }
  const { request, votes, expired } = task.approval;
  if (!covers(request, owed)) return fail(turn, step, "DENIED", short(request, owed));
  switch (tally(request, votes)) {
    case "approved":
      return true;
    case "denied": {
      const denial = votes.find(({ verdict }) => verdict === "deny")!;
      return fail(turn, step, "APPROVAL_DENIED", `${denial.by.id} denied it: ${denial.reason}`);
    }
    case "open":
      if (!expired) return false;
      return fail(
        turn,
        step,
        "APPROVAL_EXPIRED",
        `${votes.length} of ${request.count} approvals came in time; no answer is a no`,
      );
  }
}

function ask(turn: Turn, step: Step, { count, roles, notRequester, expiresMs, message }: Owed): void {
  emit(turn, {
    kind: "approval_requested",
    task: turn.program.tasks[step.task]!.plan.id,
    approval: turn.facts.id("a"),
    count,
    roles,
    notRequester,
    expiresAt: turn.facts.now + expiresMs,
    message,
    planDigest: turn.program.digest,
  });
}

/** The runbook may have asked already, for what the policy wants or for less. */
function covers(request: ApprovalRequested, owed: Owed): boolean {
  const fits =
    owed.roles.length === 0 || (request.roles.length > 0 && request.roles.every((role) => owed.roles.includes(role)));
  return fits && request.count >= owed.count && (request.notRequester || !owed.notRequester);
}

function short({ count, roles }: ApprovalRequested, owed: Owed): string {
  const by = (names: readonly string[]): string => (names.length === 0 ? "anybody" : names.join(", "));
  return `policy (${owed.rule}) wants ${owed.count} approvals by ${by(owed.roles)}, and the runbook asks for ${count} by ${by(roles)}; let its \`approvals\` ask for as many`;
}

function fail(turn: Turn, step: Step, code: TaskError["code"], message: string): false {
  emit(turn, { kind: "step_failed", ...refOf(turn.program, step), error: { code, message, final: true } });
  return false;
}
