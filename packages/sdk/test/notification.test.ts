import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { NOTIFICATION_SCHEMA } from "@summit/maestro-sdk";
import { notificationPython, notificationPythonPath } from "../../../scripts/generate-notification-schema.ts";

it("has the notification schema that is published", () => {
  const published = JSON.parse(
    readFileSync(new URL("../../../spec/notification-v1.schema.json", import.meta.url), "utf8"),
  ) as Record<string, unknown>;
  const { $schema: _draft, title: _title, description: _about, ...schema } = published;
  assert.deepEqual(NOTIFICATION_SCHEMA, schema);
});

it("has a copy for Python: npm run docs", () => {
  assert.equal(readFileSync(notificationPythonPath, "utf8"), notificationPython());
});
