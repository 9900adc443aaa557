// Writes spec/notification-v1.schema.json and the Python SDK's copy of it, for notifier plugins, from what notify@1 takes.
// A test keeps them equal.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NOTIFICATION_DOCUMENT, NOTIFICATION_SCHEMA } from "../packages/maestro/src/task/notification.ts";

export const notificationSchemaPath = fileURLToPath(new URL("../spec/notification-v1.schema.json", import.meta.url));
export const notificationPythonPath = fileURLToPath(
  new URL("../sdks/python/maestro_task/_notification.py", import.meta.url),
);

export function notificationSchema(): string {
  return `${JSON.stringify(NOTIFICATION_DOCUMENT, null, 2)}\n`;
}

export function notificationPython(): string {
  // JSON of texts, numbers and lists is Python, too; of the words only `false` occurs.
  const literal = JSON.stringify(NOTIFICATION_SCHEMA, null, 4).replace(/": false$|": false(?=,)/gm, '": False');
  return `"""What notifiers take as \`\`notification\`\`: spec/notification-v1.schema.json. Written by \`\`npm run docs\`\`."""

from typing import Any, Dict

NOTIFICATION_SCHEMA: Dict[str, Any] = ${literal}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(notificationSchemaPath, notificationSchema());
  writeFileSync(notificationPythonPath, notificationPython());
}
