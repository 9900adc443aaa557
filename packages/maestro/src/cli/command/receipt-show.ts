import { exitCodeOf, reportJson } from "../../provenance/verify-report.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";
import { verifyOf } from "../proof.ts";
import { verificationLines } from "../verification-lines.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const { verification } = await verifyOf(
      client,
      input.arg("run"),
      input.integer("ordinal", { min: 1, max: 1_000_000 }),
    );
    if (isData(cli)) await printObject(cli, reportJson(verification));
    else await printLines(cli, cli.output === "name" ? [verification.digest] : verificationLines(cli, verification));
    return exitCodeOf(verification);
  } finally {
    await client.close();
  }
}
