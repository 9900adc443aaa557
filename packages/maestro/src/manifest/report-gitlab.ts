import { sha256 } from "../core/digest.ts";
import { formatPath } from "../core/diagnostic.ts";
import type { JsonObject } from "../core/json.ts";
import type { LocatedDiagnostic } from "./report.ts";

/** GitLab's Code Quality report: problems in the widget and in the changes of a merge request. */
export function toGitlab(diagnostics: readonly LocatedDiagnostic[]): readonly JsonObject[] {
  const seen = new Map<string, number>();
  return diagnostics.map((one) => {
    // The line is left out: what only moved is no new problem. The same at the same place is told apart by its number.
    const text = JSON.stringify([one.file, one.rule, formatPath(one.path), one.message]);
    const count = (seen.get(text) ?? 0) + 1;
    seen.set(text, count);
    return {
      check_name: one.rule,
      description: [one.message, one.fix].filter((part) => part !== undefined).join("; "),
      fingerprint: sha256(`${text}${count}`).slice("sha256:".length),
      severity: one.severity === "error" ? "major" : "minor",
      location: { path: one.file.replace(/^\.\//, ""), lines: { begin: one.line, end: one.endLine } },
    };
  });
}
