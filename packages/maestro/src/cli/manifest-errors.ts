import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { count } from "./format.ts";
import { isData } from "./output.ts";
import type { Cli } from "./cli.ts";
import type { Source } from "./manifest-source.ts";

/** The error for a manifest that does not compile; what is wrong is printed before it, for people, and is in it, for programs. */
export async function invalidManifest(
  cli: Cli,
  source: Source,
  diagnostics: readonly JsonObject[],
): Promise<MaestroError> {
  const name = "manifest" in source ? source.file : source.workflow;
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (!isData(cli)) for (const one of diagnostics) cli.terminal.say(JSON.stringify(one));
  return new MaestroError("invalid_manifest", `${name} has ${count(errors.length, "problem")}.`, {
    facts: { diagnostics },
  });
}
