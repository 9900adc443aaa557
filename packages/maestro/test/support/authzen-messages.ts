import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv/dist/2020.js";
import { openApi } from "../../src/api/openapi.ts";
import { ROUTES } from "../../src/api/routes.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";

// Messages of the OpenID AuthZEN Authorization API 1.0, by schemas that are written after its text and by this API's own
// document. Requests are open, since what is not known in them is left alone; answers are closed.

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "api", ...openApi(ROUTES, "0.0.0") });

const string: JsonObject = { type: "string" };
const name: JsonObject = { type: "string", minLength: 1 };
const object: JsonObject = { type: "object" };
const url: JsonObject = { type: "string", pattern: "^https?://[^/?#]+" };
const open = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  type: "object",
  properties,
  required,
});
const closed = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  ...open(properties, required),
  additionalProperties: false,
});

const entity = open({ type: name, id: name, properties: object }, ["type", "id"]);
const searched = open({ type: name, id: string, properties: object }, ["type"]);
const action = open({ name, properties: object }, ["name"]);
const question: JsonObject = { subject: entity, action, resource: entity, context: object };
const page = open({ token: string, limit: { type: "integer", minimum: 0 } }, []);
const evaluation = open(question, ["subject", "action", "resource"]);
const SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"];

const decision = closed({ decision: { type: "boolean" }, context: object }, ["decision"]);
const pageAfter = closed(
  {
    next_token: string,
    count: { type: "integer", minimum: 0 },
    total: { type: "integer", minimum: 0 },
    properties: object,
  },
  ["next_token"],
);
const found = (one: JsonObject): JsonObject =>
  closed({ results: { type: "array", items: one }, page: pageAfter, context: object }, ["results"]);
const foundEntity = found(closed({ type: name, id: name, properties: object }, ["type", "id"]));

const MESSAGES: Readonly<Record<string, { readonly request: JsonObject; readonly answer: JsonObject }>> = {
  evaluation: { request: evaluation, answer: decision },
  evaluations: {
    request: open(
      {
        ...question,
        // What one lacks is at the top, and what is none is a no of its own.
        evaluations: { type: "array" },
        options: open({ evaluations_semantic: { enum: SEMANTICS } }, []),
      },
      [],
    ),
    answer: {
      anyOf: [closed({ evaluations: { type: "array", items: decision, minItems: 1 } }, ["evaluations"]), decision],
    },
  },
  "search/subject": {
    request: open({ ...question, subject: searched, page }, ["subject", "action", "resource"]),
    answer: foundEntity,
  },
  "search/resource": {
    request: open({ ...question, resource: searched, page }, ["subject", "action", "resource"]),
    answer: foundEntity,
  },
  "search/action": {
    request: open({ ...question, page }, ["subject", "resource"]),
    answer: found(closed({ name, properties: object }, ["name"])),
  },
};

const CONFIGURATION = closed(
  {
    policy_decision_point: url,
    access_evaluation_endpoint: url,
    access_evaluations_endpoint: url,
    search_subject_endpoint: url,
    search_resource_endpoint: url,
    search_action_endpoint: url,
    supported_obligations: { type: "array", items: name },
    capabilities: { type: "array", items: name },
    signed_metadata: name,
  },
  ["policy_decision_point", "access_evaluation_endpoint"],
);

/** A question as somebody sends it. */
export function isQuestion(path: string, body: JsonValue): void {
  holds(ajv.compile(MESSAGES[path]?.request ?? assert.fail(path)), body, `what ${path} is asked`);
}

/** What was asked and what came. Where a question was answered, it was one. */
export function isExchange(path: string, body: JsonValue, status: number, answer: JsonValue): void {
  const operation = `api#/paths/~1access~1v1~1${path.replaceAll("/", "~1")}/post`;
  if (status !== 200) {
    holds(ajv.compile({ $ref: "api#/components/schemas/Problem" }), answer, `the problem of ${path}`);
    return;
  }
  isQuestion(path, body);
  holds(
    ajv.compile({ $ref: `${operation}/requestBody/content/application~1json/schema` }),
    body,
    `the body of ${path}`,
  );
  holds(ajv.compile(MESSAGES[path]?.answer ?? assert.fail(path)), answer, `the answer of ${path}`);
  holds(
    ajv.compile({ $ref: `${operation}/responses/200/content/application~1json/schema` }),
    answer,
    `the answer of ${path}, by the document`,
  );
}

/** The answer of `/.well-known/authzen-configuration`. */
export function isConfiguration(answer: JsonValue): void {
  holds(ajv.compile(CONFIGURATION), answer, "the configuration");
  holds(
    ajv.compile({ $ref: "api#/components/schemas/AuthzenConfiguration" }),
    answer,
    "the configuration, by the document",
  );
}

function holds(check: ValidateFunction, value: JsonValue, what: string): void {
  assert.ok(check(value), `${what}: ${ajv.errorsText(check.errors)}: ${JSON.stringify(value)}`);
}
