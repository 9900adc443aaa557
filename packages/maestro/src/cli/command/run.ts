import type { Decision } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Plan } from "../../core/plan.ts";
import { EXIT_CODES, MaestroError } from "../../core/problem.ts";
import type { RunView } from "../../engine/engine.ts";
import type { RunRow } from "../../store/store.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { followOptions } from "../follow-options.ts";
import type { FollowOptions } from "../follow-options.ts";
import { count, shortDigest, shortId } from "../format.ts";
import { readInputs } from "../inputs.ts";
import { invalidManifest } from "../manifest-errors.ts";
import { readSource, sourceFor } from "../manifest-source.ts";
import type { Source } from "../manifest-source.ts";
import { exitCodeOf, finish, printOutcome, printRef } from "../outcome.ts";
import { printPlan } from "../plan-output.ts";
import { safe } from "../terminal/text.ts";
import { watchRun } from "../watch-run.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const follow = followOptions(input);
  checkCombination(input);
  const client = await cli.connect(input.flag("dry-run") === true ? "look" : "work");
  try {
    const from = input.text("from-run");
    const row = from === undefined ? await startNew(cli, client, input) : await runAgain(cli, client, input, from);
    return typeof row === "number" ? row : await stayWith(cli, client, row, follow);
  } finally {
    await client.close();
  }
}

/** Watches a run that this command has started or woken, as its flags say. */
export async function stayWith(cli: Cli, client: Client, row: RunRow, follow: FollowOptions): Promise<number> {
  if (row.status === "denied") {
    const view = await client.get<RunView>(`/v1/runs/${row.id}`);
    await printOutcome(cli, client, view);
    return exitCodeOf(view);
  }
  if (follow.detach) {
    if (client.isEngine)
      cli.terminal.say(`no engine stays behind: ${shortId(row.id)} goes on with \`maestro watch ${shortId(row.id)}\``);
    await printRef(
      cli,
      row.id,
      cli.output === "table" || cli.output === "name" ? undefined : await client.get<RunView>(`/v1/runs/${row.id}`),
    );
    return 0;
  }
  return finish(cli, client, row.id, await watchRun(cli, client, row.id, follow));
}

function checkCombination(input: Input): void {
  const runbook = input.optionalArg("runbook");
  const fromRun = input.text("from-run");
  if ((runbook === undefined) === (fromRun === undefined))
    throw usage(
      "Give a runbook (a file, - or a stored workflow's name), or --from-run RUN to run one again.",
      "See `maestro help run`.",
    );
  if (fromRun === undefined && input.text("from") !== undefined)
    throw usage("--from TASK needs --from-run RUN: it says where that run begins again.");
  const odd = ["purpose", "authority", "priority", "name", "plan", "key"].filter(
    (name) => input.text(name) !== undefined,
  );
  if (fromRun !== undefined && (odd.length > 0 || input.texts("label").length > 0))
    throw usage(
      `--from-run keeps the run's own plan, purpose, authority and labels; leave out ${odd.map((name) => `--${name}`).join(", ") || "--label"}.`,
    );
  if (fromRun !== undefined && input.flag("dry-run") === true)
    throw usage("--dry-run is for a runbook; the plan of an earlier run is `maestro show RUN --plan`.");
  if (runbook === "-" && input.text("inputs") === "-")
    throw usage("Only one of the manifest and the inputs can come from stdin.");
}

interface PlanAnswer {
  readonly plan: Plan | null;
  readonly digest: string | null;
  readonly diagnostics: readonly JsonObject[];
}

/** The run's row, or the exit code of a dry run. */
async function startNew(cli: Cli, client: Client, input: Input): Promise<RunRow | number> {
  const source = sourceFor(client, await readSource(cli, input.arg("runbook")));
  const expected = input.text("plan");
  if (expected !== undefined && !/^sha256:[0-9a-f]{64}$/.test(expected))
    throw usage(`--plan takes a whole digest, sha256: and 64 hex digits, not ${JSON.stringify(expected)}.`);
  const answer = await client.send<PlanAnswer>("POST", "/v1/plan", source);
  if (answer.plan === null || answer.digest === null) throw invalidManifest(cli, source, answer.diagnostics);
  if (answer.diagnostics.length > 0) {
    cli.terminal.say(
      `${count(answer.diagnostics.length, "warning")} about the manifest: maestro lint ${input.arg("runbook")}`,
    );
  }
  if (expected !== undefined && expected !== answer.digest) {
    throw new MaestroError("plan_changed", `The plan is ${answer.digest} now, not ${expected}.`, {
      facts: { expected, actual: answer.digest },
      fix: `Look at it with \`maestro plan ${input.arg("runbook")}\`, then pass its digest.`,
    });
  }
  const inputs = await readInputs(cli, { file: input.text("inputs"), pairs: input.texts("input") }, answer.plan.inputs);
  if (input.flag("dry-run") === true) {
    await printPlan(cli, { plan: answer.plan, digest: answer.digest });
    return sayDecision(cli, client, {
      ...startBody(cli, client, input, source),
      plan: answer.digest,
      inputs,
      dryRun: true,
    });
  }
  cli.terminal.say(
    `plan ${shortDigest(answer.digest)}  ${answer.plan.workflow.namespace}/${answer.plan.workflow.name}@${answer.plan.workflow.version}`,
  );
  const { run: row } = await client.send<{ readonly run: RunRow }>("POST", "/v1/runs", {
    ...startBody(cli, client, input, source),
    plan: answer.digest,
    inputs,
  });
  return row;
}

/** What the gate would say. Denied is exit code 3, as for the run itself. */
async function sayDecision(cli: Cli, client: Client, body: object): Promise<number> {
  const { decision } = await client.send<{ readonly decision: Decision }>("POST", "/v1/runs", body);
  cli.terminal.say(`gate ${decision.allow ? "allows" : "denies"} it: ${safe(decision.reasons.join("; "))}`);
  return decision.allow ? 0 : EXIT_CODES.denied;
}

function startBody(cli: Cli, client: Client, input: Input, source: Source): object {
  const { purpose, authority, name, key } = {
    purpose: input.text("purpose"),
    authority: input.text("authority"),
    name: input.text("name"),
    key: input.text("key"),
  };
  const priority = input.integer("priority", { min: -100, max: 100 });
  const labels = input.texts("label").map((pair): readonly [string, string] => {
    const at = pair.indexOf("=");
    if (at <= 0) throw usage(`--label takes key=value, not ${JSON.stringify(pair)}.`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return {
    ...source,
    purpose,
    authority,
    name,
    key,
    priority,
    // A folder here is no folder there.
    ...(client.isRemote ? {} : { base: cli.cwd }),
    ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
  };
}

async function runAgain(cli: Cli, client: Client, input: Input, reference: string): Promise<RunRow> {
  const old = await client.get<RunView>(`/v1/runs/${encodeURIComponent(reference)}`);
  const from = input.text("from");
  const edits = { file: input.text("inputs"), pairs: input.texts("input") };
  let inputs: JsonObject | undefined;
  if (edits.file !== undefined || edits.pairs.length > 0) {
    const { plan } = await client.get<{ readonly plan: Plan }>(`/v1/runs/${old.run.id}/plan`);
    inputs = { ...old.inputs, ...(await readInputs(cli, edits, plan.inputs)) };
  }
  const { run: row } = await client.send<{ readonly run: RunRow }>("POST", `/v1/runs/${old.run.id}/rerun`, {
    from,
    inputs,
  });
  return row;
}
