import type { JsonObject } from "../../core/json.ts";
import type { Plan } from "../../core/plan.ts";
import type { Cli, Input } from "../cli.ts";
import { invalidManifest, sayDiagnostics } from "../manifest-errors.ts";
import { readSource, sourceFor } from "../manifest-source.ts";
import { printPlan } from "../plan-output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const source = await readSource(cli, input.arg("runbook"));
  const client = await cli.connect("look");
  try {
    const { plan, digest, diagnostics } = await client.send<{
      readonly plan: Plan | null;
      readonly digest: string | null;
      readonly diagnostics: readonly JsonObject[];
    }>("POST", "/v1/plan", sourceFor(client, source));
    if (plan === null || digest === null) throw invalidManifest(cli, source, diagnostics);
    sayDiagnostics(cli, diagnostics);
    await printPlan(cli, { plan, digest });
    return 0;
  } finally {
    await client.close();
  }
}
