#!/usr/bin/env node
// A notifier of one's own: it takes what notify@1 takes, and appends a line to a file.
import { appendFile } from "node:fs/promises";
import { resolve } from "node:path";
import { defineTask, NOTIFICATION_SCHEMA, serve } from "@summit/maestro-sdk";

const task = defineTask({
  name: "notify-file",
  version: 1,
  summary: "Appends a notification to a file",
  effects: ["write"],
  input: {
    type: "object",
    properties: {
      file: { type: "string", minLength: 1, description: "The file; made if it is missing." },
      notification: NOTIFICATION_SCHEMA,
    },
    required: ["file", "notification"],
    additionalProperties: false,
  },
  output: { type: "object", properties: { bytes: { type: "integer" } }, required: ["bytes"] },
  example: { file: "/dev/null", notification: { title: "shop 1.4.0 is live", severity: "success" } },
  async execute({ input, base }) {
    const { title, severity = "info", fields = [] } = input.notification;
    const facts = fields.map(({ name, value }) => ` ${name}=${String(value)}`).join("");
    const line = `${severity.toUpperCase()} ${title}${facts}\n`;
    await appendFile(resolve(base, input.file), line);
    return { bytes: Buffer.byteLength(line) };
  },
});

export default task;

if (import.meta.main) await serve(task);
