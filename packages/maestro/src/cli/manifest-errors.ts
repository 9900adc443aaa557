import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { formatHuman } from "../manifest/report.ts";
import type { LocatedDiagnostic } from "../manifest/report.ts";
import type { Cli } from "./cli.ts";
import { count } from "./format.ts";
import type { Source } from "./manifest-source.ts";
import { isData } from "./output.ts";

/** The error for a manifest that does not compile. What is wrong is printed before it, for people, and is in it, for programs. */
export function invalidManifest(cli: Cli, source: Source, diagnostics: readonly JsonObject[]): MaestroError {
  const name = "manifest" in source ? source.file : source.workflow;
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  sayDiagnostics(cli, diagnostics);
  return new MaestroError("invalid_manifest", `${name} has ${count(errors.length, "problem")}.`, {
    facts: { diagnostics },
    fix: `Mend what is listed; \`maestro lint ${name}\` lists it again.`,
  });
}

/** Diagnostics as the API gives them, with their lines and carets, to stderr. */
export function sayDiagnostics(cli: Cli, diagnostics: readonly JsonObject[]): void {
  if (isData(cli) || diagnostics.length === 0) return;
  // The API writes the path as a text, which this form does not print.
  const located = diagnostics.map((one) => ({ ...one, path: [] }) as unknown as LocatedDiagnostic);
  cli.terminal.say(formatHuman(located).trimEnd());
}
