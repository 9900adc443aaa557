import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { errorsPage, errorsPath } from "../../../scripts/generate-errors.ts";
import { limitsPage, limitsPath } from "../../../scripts/generate-limits.ts";
import { metricsPage, metricsPath } from "../../../scripts/generate-metrics-docs.ts";
import { PROBLEMS } from "../src/core/problem.ts";

it("has a reference page of errors that is the catalogue: npm run docs", () => {
  const page = readFileSync(errorsPath, "utf8");
  assert.equal(page, errorsPage());
  for (const code of Object.keys(PROBLEMS))
    assert.ok(page.includes(`### ${code}\n`), `${code} is not in ${errorsPath}`);
});

it("has a reference page of limits that are those of the code: npm run docs", () => {
  assert.equal(readFileSync(limitsPath, "utf8"), limitsPage());
});

it("has a reference page of metrics that is their table: npm run docs", () => {
  assert.equal(readFileSync(metricsPath, "utf8"), metricsPage());
});
