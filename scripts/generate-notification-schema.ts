// Writes spec/notification-v1.schema.json, for notifier plugins, from what notify@1 takes. A test keeps the two equal.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NOTIFICATION_DOCUMENT } from "../packages/maestro/src/task/notification.ts";

export const notificationSchemaPath = fileURLToPath(new URL("../spec/notification-v1.schema.json", import.meta.url));

export function notificationSchema(): string {
  return `${JSON.stringify(NOTIFICATION_DOCUMENT, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(notificationSchemaPath, notificationSchema());
