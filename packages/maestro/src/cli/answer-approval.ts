import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { ApprovalRow, RunRow } from "../store/store.ts";
import { printChanged } from "./changed.ts";
import { usage } from "./cli.ts";
import type { Cli, Input } from "./cli.ts";
import type { Client } from "./client.ts";
import { duration, shortDigest, shortId } from "./format.ts";
import { ask } from "./terminal/ask.ts";
import { paint } from "./terminal/style.ts";
import { safe } from "./terminal/text.ts";

/** `approve` and `deny`: shows what the answer does, asks where somebody can answer, and names the plan that was looked at. */
export async function answerApproval(cli: Cli, input: Input, verdict: "approve" | "deny"): Promise<number> {
  const given = { plan: input.text("plan"), reason: input.text("reason"), yes: input.flag("yes") === true };
  if (given.plan !== undefined && !/^sha256:[0-9a-f]{64}$/.test(given.plan))
    throw usage(`--plan takes a whole digest, sha256: and 64 hex digits, not ${JSON.stringify(given.plan)}.`);
  if (given.yes && given.plan === undefined)
    throw usage("--yes needs --plan: without it nobody has said which plan was looked at.");
  if (!cli.terminal.interactive && (given.plan === undefined || given.reason === undefined)) {
    throw usage(
      `Nobody is there to ask; ${verdict} needs --plan and --reason here.`,
      "Take the plan's digest from `maestro approvals`.",
    );
  }
  const client = await cli.connect("look");
  try {
    const approval = await findApproval(client, input.arg("approval"));
    if (given.plan !== undefined && given.plan !== approval.planDigest) {
      throw new MaestroError("plan_changed", `The approval is for plan ${approval.planDigest}, not ${given.plan}.`, {
        facts: { expected: given.plan, actual: approval.planDigest },
      });
    }
    const asks = cli.terminal.interactive && !given.yes;
    if (asks) await sayEffect(cli, client, approval);
    const reason = given.reason ?? (await ask("reason: "));
    if (reason.trim() === "")
      throw usage("An answer needs a reason; it is recorded and stands in the receipt.", "Pass --reason.");
    if (asks && !/^y(es)?$/i.test(await ask(`${verdict} this plan (${shortDigest(approval.planDigest)})? [y/N] `))) {
      cli.terminal.say("nothing was answered");
      return 1;
    }
    const { run } = await client.send<{ readonly run: RunRow }>("POST", `/v1/approvals/${approval.id}`, {
      verdict,
      plan: approval.planDigest,
      reason,
    });
    await printChanged(cli, client, run, `${approval.task} ${verdict === "approve" ? "approved" : "denied"}`);
    return 0;
  } finally {
    await client.close();
  }
}

/** By the approval's id, or by a run (`@last` too) that has exactly one open approval. */
async function findApproval(client: Client, given: string): Promise<ApprovalRow> {
  const reference = given.startsWith("@")
    ? (await client.get<{ readonly run: RunRow }>(`/v1/runs/${encodeURIComponent(given)}`)).run.id
    : given;
  const { approvals } = await client.get<{ readonly approvals: readonly ApprovalRow[] }>("/v1/approvals", {
    limit: 1000,
  });
  const exact = approvals.filter(({ id, run }) => id === reference || run === reference);
  const found = exact.length > 0 ? exact : approvals.filter((one) => reference.length >= 3 && matches(one, reference));
  const [first, second] = found;
  if (first === undefined)
    throw new MaestroError(
      "not_found",
      `No open approval or run with one is, begins or ends with ${reference}; it may be answered or expired.`,
      { fix: "List what waits: `maestro approvals`." },
    );
  if (second !== undefined)
    throw new MaestroError(
      "ambiguous_id",
      `${reference} stands for several approvals: ${found
        .slice(0, 5)
        .map(({ id, task }) => `${shortId(id)} (${task})`)
        .join(", ")}.`,
      { fix: "Give the approval's id." },
    );
  return first;
}

function matches({ id, run }: ApprovalRow, part: string): boolean {
  return [id, run].some((one) => one.startsWith(part) || one.endsWith(part));
}

async function sayEffect(cli: Cli, client: Client, approval: ApprovalRow): Promise<void> {
  const { terminal } = cli;
  const { plan } = await client.get<{ readonly plan: Plan }>(`/v1/runs/${approval.run}/plan`);
  const task = plan.tasks.find(({ id }) => id === approval.task);
  const after = plan.tasks.filter(({ needs }) => needs.includes(approval.task)).map(({ id }) => id);
  const fact = (name: string, value: string): void => terminal.say(`  ${name.padEnd(9)} ${safe(value)}`);
  terminal.say(
    `${paint(terminal.err, "bold", safe(approval.task))} of ${safe(approval.workflow)}, run ${shortId(approval.run)}`,
  );
  if (approval.message !== "") fact("message", approval.message);
  if (task !== undefined) {
    fact(
      "uses",
      task.uses.kind === "type"
        ? `${task.uses.name}@${task.uses.version}`
        : `runbook ${task.uses.namespace}/${task.uses.name}@${task.uses.version}`,
    );
    if (task.effects.length > 0) fact("effects", task.effects.join(", "));
    fact("with", JSON.stringify(task.with));
  }
  if (after.length > 0) fact("then", after.join(", "));
  fact("asked by", approval.requestedBy);
  fact(
    "needs",
    `${approval.count}${approval.roles.length === 0 ? "" : ` of ${approval.roles.join(", ")}`}${approval.notRequester ? ", not the requester" : ""}`,
  );
  fact("expires", `in ${duration(approval.expiresAt - Date.now())}; then the answer is no`);
  fact("plan", approval.planDigest);
}
