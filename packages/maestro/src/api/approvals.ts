import { MaestroError } from "../core/problem.ts";
import type { ApprovalRow, Store } from "../store/store.ts";
import { choice, integer, optional, text } from "./field.ts";
import type { Access, Target } from "./access.ts";
import { DIGEST_PATTERN } from "./plans.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

export const listApprovals = route({
  method: "GET",
  path: "/v1/approvals",
  operation: "listApprovals",
  access: { action: "approval.list", as: "read" },
  summary: "What waits for a person, oldest first.",
  query: {
    run: optional(text("Only this run's.", { max: 64 })),
    limit: optional(integer("Default 100.", { min: 1, max: 1000 })),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "ApprovalList",
      description: "`approvals`, each with the plan's digest that an answer must name.",
    },
  ],
  async handle({ store }, { query, access }) {
    const limit = query.limit ?? 100;
    if (query.run !== undefined) {
      const { id } = await access.onRun(query.run);
      return object("ApprovalList", { approvals: await store.approvalList({ run: id, limit }) });
    }
    const namespaces = await access.inNamespaces();
    return object("ApprovalList", {
      approvals: await store.approvalList({ ...(namespaces === undefined ? {} : { namespaces }), limit }),
    });
  },
});

export const answerApproval = route({
  method: "POST",
  path: "/v1/approvals/{approval}",
  operation: "answerApproval",
  access: { action: "approval.give", as: "change" },
  summary:
    "Approves or denies. The answer names the plan it was given for; another plan is refused with `plan_changed`.",
  body: {
    verdict: choice("The answer.", ["approve", "deny"]),
    plan: text("Digest of the plan that was looked at.", { max: 71, pattern: DIGEST_PATTERN }),
    reason: text("Why; recorded and in the receipt.", { max: 1000 }),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Answered",
      description: "`run`: its row when the answer is durable.",
    },
  ],
  async handle({ store, engine }, { params, body, access }) {
    const approval = await findApproval(store, params.approval, access);
    await access.on(approvalTarget(approval));
    if (approval.planDigest !== body.plan) {
      throw new MaestroError(
        "plan_changed",
        `Approval ${approval.id} is for plan ${approval.planDigest}, not ${body.plan}.`,
        { facts: { expected: body.plan, actual: approval.planDigest } },
      );
    }
    const run = await engine.send(approval.run, {
      kind: "approve",
      approval: approval.id,
      verdict: body.verdict,
      by: access.actor(approval.namespace),
      planDigest: approval.planDigest,
      reason: body.reason,
    });
    return object("Run", { run, approval: approval.id, verdict: body.verdict });
  },
});

function approvalTarget({ id, namespace, workflow, task, run, requestedBy, roles }: ApprovalRow): Target {
  return {
    type: "approval",
    id,
    namespace,
    properties: { workflow, task, requester: requestedBy, approverRoles: roles },
    run,
  };
}

/** Open approvals of one's own that a part of an id is looked for among: each one is a person's task. */
const MAX_OPEN = 10_000;

async function findApproval(store: Store, reference: string, { scope }: Access): Promise<ApprovalRow> {
  if (reference.length < 3)
    throw new MaestroError("invalid_request", `${JSON.stringify(reference)} is too short for an approval's id.`);
  const exact = await store.approvalGet(reference);
  if (exact !== undefined && (scope?.includes(exact.namespace) ?? true)) return exact;
  const open = isWhole(reference)
    ? []
    : await store.approvalList({ limit: MAX_OPEN, ...(scope === undefined ? {} : { namespaces: scope }) });
  const [found, other] = open.filter(({ id }) => id.startsWith(reference) || id.endsWith(reference));
  if (found === undefined) {
    throw new MaestroError(
      "not_found",
      `No open approval's id is, begins or ends with ${reference.slice(0, 80)}; it may be answered or expired.`,
      { fix: "List what waits: `maestro approvals`." },
    );
  }
  if (other !== undefined)
    throw new MaestroError("ambiguous_id", `${reference} stands for several approvals: ${found.id}, ${other.id}.`, {
      facts: { candidates: [found.id, other.id] },
    });
  return found;
}

function isWhole(reference: string): boolean {
  return /^a_[0-9a-z]{19}$/.test(reference);
}
