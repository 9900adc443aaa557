import { formatPath } from "../core/diagnostic.ts";
import type { JsonObject } from "../core/json.ts";
import { type RuleId, RULES } from "../core/rules.ts";
import type { LocatedDiagnostic } from "./report.ts";

/** A SARIF 2.1.0 log with one run, for code scanning. `version` is Maestro's. */
export function toSarif(diagnostics: readonly LocatedDiagnostic[], version: string): JsonObject {
  const used = [...new Set(diagnostics.map((one) => one.rule))].toSorted();
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "maestro", semanticVersion: version, rules: used.map(ruleDescriptor) } },
        columnKind: "utf16CodeUnits",
        results: diagnostics.map((one) => result(one, used.indexOf(one.rule))),
      },
    ],
  };
}

function ruleDescriptor(id: RuleId): JsonObject {
  const rule = RULES[id];
  return {
    id,
    shortDescription: { text: rule.title },
    fullDescription: { text: rule.why },
    help: { text: `${rule.why}\n\nInstead of:\n${rule.example}\n\nwrite:\n${rule.instead}` },
    defaultConfiguration: { level: rule.severity },
  };
}

function result(one: LocatedDiagnostic, ruleIndex: number): JsonObject {
  return {
    ruleId: one.rule,
    ruleIndex,
    level: one.severity,
    message: { text: [one.message, one.fix, one.help].filter((part) => part !== undefined).join("\n") },
    locations: [
      {
        physicalLocation: {
          // SARIF 3.4.3: a relative reference with forward slashes, percent-encoded.
          artifactLocation: { uri: encodeURI(one.file.replaceAll("\\", "/")) },
          region: {
            startLine: one.line,
            startColumn: one.column,
            endLine: one.endLine,
            endColumn: one.endColumn,
            snippet: { text: one.snippet },
          },
        },
        logicalLocations: [{ fullyQualifiedName: formatPath(one.path) }],
      },
    ],
  };
}
