import type { JsonObject } from "../../core/json.ts";
import type { Plan } from "../../core/plan.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { count } from "../format.ts";
import { invalidManifest } from "../manifest-errors.ts";
import { readSource } from "../manifest-source.ts";
import { isData, printLines, printObject } from "../output.ts";
import { planDifference } from "../plan-difference.ts";
import { safe } from "../terminal/text.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const from = await planOf(cli, client, input.arg("from"));
    const to = await planOf(cli, client, input.arg("to"));
    const changes = planDifference(from.plan, to.plan);
    if (isData(cli)) {
      await printObject(cli, {
        apiVersion: "maestro/v1",
        kind: "PlanDifference",
        from: from.digest,
        to: to.digest,
        changes,
      });
    } else {
      await printLines(
        cli,
        changes.map(({ text }) => safe(text)),
      );
      if (changes.length === 0) cli.terminal.say("They do the same.");
      else cli.terminal.say(count(changes.length, "difference"));
    }
    return changes.length === 0 ? 0 : 1;
  } finally {
    await client.close();
  }
}

async function planOf(
  cli: Cli,
  client: Client,
  reference: string,
): Promise<{ readonly plan: Plan; readonly digest: string }> {
  const source = await readSource(cli, reference);
  const { plan, digest, diagnostics } = await client.send<{
    readonly plan: Plan | null;
    readonly digest: string | null;
    readonly diagnostics: readonly JsonObject[];
  }>("POST", "/v1/plan", source);
  if (plan === null || digest === null) throw invalidManifest(cli, source, diagnostics);
  return { plan, digest };
}
