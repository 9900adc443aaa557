import { openApi } from "./openapi.ts";
import { route } from "./route.ts";
import type { Route } from "./route.ts";
import { wholeResponse } from "./whole.ts";

/** The route that describes all routes, itself among them. */
export function describeApi(routes: () => readonly Route[]): Route {
  let text: string | undefined;
  return route({
    method: "GET",
    path: "/v1/openapi.json",
    operation: "describeApi",
    summary: "This API as an OpenAPI 3.1 document.",
    answers: [{ status: 200, type: "application/json", schema: "OpenApi", description: "The document." }],
    handle({ version }) {
      // Neither the table nor the version changes while a process lives.
      text ??= JSON.stringify(openApi(routes(), version));
      return Promise.resolve(
        wholeResponse(text, { headers: { "content-type": "application/json", "cache-control": "no-store" } }),
      );
    },
  });
}
