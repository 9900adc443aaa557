import type { JsonObject, JsonValue } from "../core/json.ts";
import { objectSchema } from "./field.ts";
import type { Shape } from "./field.ts";
import type { Answer, Route } from "./route.ts";
import { API_VERSION } from "./respond.ts";
import { SCHEMAS } from "./schemas.ts";

/** OpenAPI 3.1 of these routes: everything in it is what the router, the readers and the guard themselves work by. */
export function openApi(routes: readonly Route[], version: string): JsonObject {
  const paths: Record<string, Record<string, JsonValue>> = {};
  for (const route of routes) {
    const path = (paths[route.path.replace("*}", "}")] ??= {});
    path[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Summit Maestro",
      summary: "The control plane of durable, governed runbooks.",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    // Paths are of the server that this document came from.
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths,
    components: {
      schemas: SCHEMAS,
      responses: Object.fromEntries(
        Object.entries(PROBLEM_ANSWERS).map(([status, text]) => [problemName(status), problemAnswer(text)]),
      ),
      parameters: {
        requestId: {
          name: "x-request-id",
          in: "header",
          required: false,
          description: "Correlation id of the caller; the answer has it too, or one that was made.",
          schema: { type: "string", maxLength: 100, pattern: "^[A-Za-z0-9][A-Za-z0-9._:-]*$" },
        },
      },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "What is in the file `token` of the data directory." },
      },
    },
    "x-api-version": API_VERSION,
  };
}

/** What any operation may answer besides its own. */
const PROBLEM_ANSWERS: Readonly<Record<string, string>> = {
  "400": "The request is not of the form that this operation takes; all problems at once in `facts.problems`.",
  "401": "The token is missing or not this server's.",
  "403": "Policy or the guard at the door says no.",
  "404": "There is nothing by that name.",
  "409": "It is not in a state that allows this, or the plan is another one.",
  "413": "The body or a value in it is larger than its limit.",
  "415": "The body is not JSON.",
  "422": "It failed, or what is stored does not verify.",
  "500": "A fault of Maestro's own.",
  "503": "Over a limit, shutting down or out of disk; `Retry-After` says when to come again.",
};

const EVERYWHERE = ["400", "401", "403", "503"];

function operation(route: Route): JsonObject {
  const parameters = [
    ...Array.from(route.path.matchAll(/\{(\w+)\*?\}/g), ([, name = ""]) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string", minLength: 1 },
    })),
    ...Object.entries(route.query).map(([name, field]) => ({
      name,
      in: "query",
      required: !("optional" in field),
      ...described(field.schema),
      ...(field.schema["type"] === "array" ? { style: "form", explode: true } : {}),
    })),
    ...route.headers.map(({ name, description }) => ({
      name,
      in: "header",
      required: false,
      description,
      schema: { type: "string" },
    })),
    { $ref: "#/components/parameters/requestId" },
  ];
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(route.access === null ? {} : { "x-action": route.access.action }),
    ...(route.access === null ? { security: [] } : {}),
    parameters,
    ...(route.body === null
      ? {}
      : {
          requestBody: {
            required: Object.values(route.body).some((field) => !("optional" in field)),
            description: `At most ${route.maxBody} bytes.`,
            content: { "application/json": { schema: bodySchema(route.body, route.lenient) } },
          },
        }),
    responses: responses(route),
  };
}

function bodySchema(body: Shape, lenient: boolean): JsonObject {
  const closed = objectSchema(body);
  return lenient ? { ...closed, additionalProperties: true } : closed;
}

/** The parameter's own words beside its schema, once. */
function described({ description, ...schema }: JsonObject): JsonObject {
  return { ...(typeof description === "string" ? { description } : {}), schema };
}

function responses(route: Route): JsonObject {
  const own: Record<string, { description: string; content: Record<string, JsonValue> }> = {};
  for (const answer of route.answers) {
    const at = (own[String(answer.status)] ??= { description: "", content: {} });
    at.description = [at.description, answer.description].filter((text) => text !== "").join(" ");
    at.content[answer.type] = { schema: merged(at.content[answer.type], schemaOf(answer)) };
  }
  const statuses = [
    ...EVERYWHERE.filter((status) => route.access !== null || (status !== "401" && status !== "403")),
    ...(route.path.includes("{") || route.body !== null ? ["404", "409", "422"] : []),
    ...(route.body === null ? [] : ["413", "415"]),
  ];
  const problems = Object.fromEntries(
    statuses
      .filter((status) => !(status in own))
      .map((status) => [status, { $ref: `#/components/responses/${problemName(status)}` }]),
  );
  return { ...own, ...problems, default: { $ref: "#/components/responses/Problem500" } };
}

/** Two answers of one status and type are either of the two. */
function merged(before: JsonValue | undefined, schema: JsonObject): JsonObject {
  const known = (before as { readonly schema?: JsonObject } | undefined)?.schema;
  return known === undefined ? schema : { anyOf: [known, schema] };
}

function schemaOf({ type, schema }: Answer): JsonObject {
  if (type === "application/problem+json") return { $ref: "#/components/schemas/Problem" };
  if (schema !== undefined) return { $ref: `#/components/schemas/${schema}` };
  return type.endsWith("json") ? {} : { type: "string" };
}

function problemName(status: string): string {
  return `Problem${status}`;
}

function problemAnswer(description: string): JsonObject {
  return {
    description,
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  };
}
