import { formatPath } from "../core/diagnostic.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { Expect, TestCase } from "./case.ts";
import { checkTests } from "./check-tests.ts";
import { formProblems } from "./read-tests.ts";
import type { Runbook } from "./runbook.ts";
import { withoutWrong } from "./without-wrong.ts";

/**
 * Checks what a TypeScript test says as a table is checked: node runs it without its types, and no type knows the names of
 * tasks. Throws `invalid_test` with everything that is wrong.
 */
export function checkCase(runbook: Runbook, test: TestCase, expect?: Expect): void {
  const value: JsonObject = {
    apiVersion: "maestro/v1",
    kind: "WorkflowTest",
    cases: [{ name: "a case", ...plain(test), ...(expect === undefined ? {} : { expect: plain(expect) }) }],
  };
  const form = formProblems(value);
  const rest = withoutWrong(value, form);
  const problems = [...form, ...(rest === undefined ? [] : checkTests({ value: rest, cases: [] }, runbook))];
  if (problems.length === 0) return;
  const lines = problems.map(({ path, message, fix, help }) =>
    [`${formatPath(path.slice(2))}: ${message}`, fix, help].filter((text) => text !== undefined).join("; "),
  );
  throw new MaestroError("invalid_test", lines.join("\n"));
}

/** As JSON, with functions as behaviours of which nothing can be told before they are called. */
function plain(value: object): JsonObject {
  const text = JSON.stringify(value, (_, member: unknown) => (typeof member === "function" ? { fail: "?" } : member));
  return JSON.parse(text) as JsonObject;
}
