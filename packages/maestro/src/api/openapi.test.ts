import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { openApiPath, openApiText } from "../../../../scripts/generate-openapi.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { openApi } from "./openapi.ts";
import { ROUTES } from "./routes.ts";

const document = openApi(ROUTES, "1.2.3");

// The published schema of OpenAPI 3.1 comes with no package that is installed here, so this one is kept by hand: the objects of
// the specification that the document uses, closed, so that a member in the wrong place is found.

const ref: JsonObject = {
  type: "object",
  properties: { $ref: { type: "string", pattern: "^#/components/" } },
  required: ["$ref"],
  additionalProperties: false,
};
const content: JsonObject = {
  type: "object",
  minProperties: 1,
  propertyNames: { pattern: "^[a-z]+/[a-z0-9.+-]+$" },
  additionalProperties: {
    type: "object",
    properties: { schema: { type: "object" } },
    required: ["schema"],
    additionalProperties: false,
  },
};
const response: JsonObject = {
  type: "object",
  properties: { description: { type: "string", minLength: 1 }, content },
  required: ["description"],
  additionalProperties: false,
};
const parameterIn = (place: JsonObject, required: readonly string[]): JsonObject => ({
  type: "object",
  properties: {
    name: { type: "string", minLength: 1 },
    in: place,
    required: { type: "boolean" },
    description: { type: "string" },
    style: { const: "form" },
    explode: { const: true },
    schema: { type: "object" },
  },
  required: ["name", "in", "schema", ...required],
  additionalProperties: false,
});
/** A path has no parameters that may be absent. */
const parameter: JsonObject = {
  anyOf: [parameterIn({ const: "path" }, ["required"]), parameterIn({ enum: ["query", "header"] }, [])],
};
const operation: JsonObject = {
  type: "object",
  properties: {
    operationId: { type: "string", pattern: "^[a-z][A-Za-z]+$" },
    summary: { type: "string", minLength: 1 },
    security: { type: "array" },
    parameters: { type: "array", items: { anyOf: [parameter, ref] } },
    requestBody: {
      type: "object",
      properties: { description: { type: "string" }, required: { type: "boolean" }, content },
      required: ["content"],
      additionalProperties: false,
    },
    responses: {
      type: "object",
      minProperties: 1,
      propertyNames: { pattern: "^([1-5][0-9][0-9]|default)$" },
      additionalProperties: { anyOf: [response, ref] },
    },
  },
  required: ["operationId", "responses"],
  patternProperties: { "^x-": {} },
  additionalProperties: false,
};
const OPENAPI: JsonObject = {
  type: "object",
  properties: {
    openapi: { type: "string", pattern: "^3\\.1\\.\\d+$" },
    info: {
      type: "object",
      properties: {
        title: { type: "string" },
        summary: { type: "string" },
        version: { type: "string" },
        license: {
          type: "object",
          properties: { name: { type: "string" }, identifier: { type: "string" } },
          required: ["name"],
          additionalProperties: false,
        },
      },
      required: ["title", "version"],
      additionalProperties: false,
    },
    servers: { type: "array", items: { type: "object", properties: { url: { type: "string" } }, required: ["url"] } },
    security: { type: "array", items: { type: "object", additionalProperties: { type: "array" } } },
    paths: {
      type: "object",
      propertyNames: { pattern: "^/" },
      additionalProperties: {
        type: "object",
        propertyNames: { enum: ["get", "post", "put", "patch", "delete"] },
        additionalProperties: operation,
      },
    },
    components: {
      type: "object",
      properties: {
        schemas: {
          type: "object",
          propertyNames: { pattern: "^[A-Za-z0-9._-]+$" },
          additionalProperties: { type: "object" },
        },
        responses: { type: "object", additionalProperties: response },
        parameters: { type: "object", additionalProperties: parameter },
        securitySchemes: {
          type: "object",
          additionalProperties: {
            type: "object",
            properties: { type: { const: "http" }, scheme: { const: "bearer" }, description: { type: "string" } },
            required: ["type", "scheme"],
            additionalProperties: false,
          },
        },
      },
      additionalProperties: false,
    },
  },
  required: ["openapi", "info", "paths"],
  patternProperties: { "^x-": {} },
  additionalProperties: false,
};

/** OpenAPI has no word for a parameter that takes all that follows. */
const documented = (path: string): string => path.replace("*}", "}");

describe("the OpenAPI document", () => {
  it("is the file in spec/: npm run docs", () => assert.equal(readFileSync(openApiPath, "utf8"), openApiText()));

  it("has the structure of OpenAPI 3.1", () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    const check = ajv.compile(OPENAPI);
    assert.ok(check(document), JSON.stringify(check.errors?.slice(0, 5), null, 1));
    assert.equal(check({ ...document, pathes: {} }), false, "an unknown member is found");
  });

  it("describes every route once, by its own name, with its parameters", () => {
    const paths = document["paths"] as Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;
    const found = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, one]) => `${JSON.stringify(one["operationId"])} ${method.toUpperCase()} ${path}`,
      ),
    );
    assert.deepEqual(
      found.toSorted(),
      ROUTES.map(({ operation: name, method, path }) => `"${name}" ${method} ${documented(path)}`).toSorted(),
    );
    for (const { method, path, query } of ROUTES) {
      const parameters = paths[documented(path)]?.[method.toLowerCase()]?.["parameters"] as readonly JsonObject[];
      const names = (place: string): readonly JsonValue[] =>
        parameters.filter((one) => one["in"] === place).map((one) => one["name"] ?? "");
      assert.deepEqual(names("query"), Object.keys(query), path);
      assert.deepEqual(
        names("path"),
        Array.from(path.matchAll(/\{(\w+)\*?\}/g), ([, name]) => name),
        path,
      );
    }
  });

  it("refers only to what it has, and every schema in it compiles", () => {
    const refs = refsOf(document);
    assert.ok(refs.size > 20, `only ${refs.size} references`);
    for (const one of refs) {
      const found = one
        .slice(2)
        .split("/")
        .reduce<JsonValue | undefined>((value, key) => (isJsonObject(value) ? value[key] : undefined), document);
      assert.ok(found !== undefined, one);
    }
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: "api", ...document });
    for (const name of Object.keys((document["components"] as JsonObject)["schemas"] as JsonObject))
      ajv.compile({ $ref: `api#/components/schemas/${name}` });
  });

  it("gives every JSON answer a schema", () => {
    for (const { operation: name, answers } of ROUTES)
      for (const { type, schema } of answers)
        if (type === "application/json") assert.ok(schema !== undefined, `${name}: name its schema in api/schemas.ts`);
  });
});

function refsOf(value: JsonValue, found = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(value)) for (const one of value as readonly JsonValue[]) refsOf(one, found);
  else if (isJsonObject(value)) {
    for (const [key, one] of Object.entries(value)) {
      if (key === "$ref" && typeof one === "string") found.add(one);
      else refsOf(one, found);
    }
  }
  return found;
}
