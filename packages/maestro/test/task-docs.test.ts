import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { taskTypesPage, taskTypesPath } from "../../../scripts/generate-task-docs.ts";
import { builtInTypes } from "../src/task/catalogue.ts";

it("has a reference page of task types that is the catalogue: npm run docs", () => {
  const page = readFileSync(taskTypesPath, "utf8");
  assert.equal(page, taskTypesPage());
  for (const { description } of builtInTypes) {
    assert.ok(page.includes(`\n## ${description.name}@${description.version}\n`));
    for (const name of Object.keys(description.input["properties"] ?? {})) assert.ok(page.includes(`| \`${name}\` |`));
  }
});
