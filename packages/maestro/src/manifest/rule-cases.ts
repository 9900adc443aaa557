import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type RuleId, RULES } from "../core/rules.ts";
import { exampleEnv, manifestOf } from "./example.ts";
import { loadManifest } from "./load.ts";

/** A manifest that breaks a rule, and what is said about it. */
export interface Case {
  readonly name?: string;
  readonly text: string | Uint8Array;
  /** What stands under the caret. */
  readonly at?: string;
  readonly message: RegExp;
  readonly fix?: RegExp;
}

/** A case whose text is a manifest with these lines in its `spec`. */
export const spec = (lines: string, rest: Omit<Case, "text">): Case => ({ text: manifestOf(lines), ...rest });

/** Each case must lead to a diagnostic of its rule, with that text under the caret. */
export function testRules(all: Readonly<Partial<Record<RuleId, readonly Case[]>>>): void {
  for (const [rule, cases] of Object.entries(all)) {
    const { title, severity } = RULES[rule as keyof typeof RULES];
    describe(`${rule}: ${title}`, () => {
      for (const one of cases) {
        it(one.name ?? "is found", async () => {
          const result = await loadManifest(one.text, "test.yaml", exampleEnv);
          const found = result.diagnostics.filter((diagnostic) => diagnostic.rule === rule);
          assert.ok(
            found.length > 0,
            `found only ${result.diagnostics.map((other) => `${other.rule} ${other.message}`).join("\n")}`,
          );
          const match = found.find((diagnostic) => one.message.test(diagnostic.message));
          assert.ok(match !== undefined, `found only ${found.map((other) => other.message).join("\n")}`);
          assert.equal(match.severity, severity);
          assert.equal(result.ok, !result.diagnostics.some((diagnostic) => diagnostic.severity === "error"));
          if (one.fix !== undefined) assert.match(match.fix ?? "", one.fix);
          if (one.at !== undefined) assert.equal(match.snippet.slice(match.column - 1, match.endColumn - 1), one.at);
        });
      }
    });
  }
}
