import { openApi } from "./openapi.ts";
import { route } from "./route.ts";
import type { Route } from "./route.ts";
import { WholeResponse } from "./whole.ts";

/** The route that describes all routes, itself among them. */
export function describeApi(routes: () => readonly Route[]): Route {
  let text: string | undefined;
  return route({
    method: "GET",
    path: "/v1/openapi.json",
    operation: "describeApi",
    access: { action: "system.read", as: "read" },
    summary: "This API as an OpenAPI 3.1 document.",
    answers: [{ status: 200, type: "application/json", schema: "OpenApi", description: "The document." }],
    async handle({ version }, { access }) {
      await access.onInstallation();
      // Neither the table nor the version changes while a process lives.
      text ??= JSON.stringify(openApi(routes(), version));
      return new WholeResponse(text, { headers: { "content-type": "application/json", "cache-control": "no-store" } });
    },
  });
}
