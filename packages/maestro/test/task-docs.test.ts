import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { notificationSchema, notificationSchemaPath } from "../../../scripts/generate-notification-schema.ts";
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

it("publishes the schema of notifications that notify@1 takes: npm run docs", () => {
  assert.equal(readFileSync(notificationSchemaPath, "utf8"), notificationSchema());
});
