// Writes spec/openapi-v1.json from the table of routes in api/routes.ts. A test keeps the two equal.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openApi } from "../packages/maestro/src/api/openapi.ts";
import { ROUTES } from "../packages/maestro/src/api/routes.ts";
import { VERSION } from "../packages/maestro/src/version.ts";

export const openApiPath = fileURLToPath(new URL("../spec/openapi-v1.json", import.meta.url));

export function openApiText(): string {
  return `${JSON.stringify(openApi(ROUTES, VERSION), null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(openApiPath, openApiText());
