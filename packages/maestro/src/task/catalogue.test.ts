import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../core/digest.ts";
import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { parseApproval } from "../core/approval-input.ts";
import { parseWait } from "../core/wait.ts";
import { workbench } from "../../test/support/run-task.ts";
import { builtInTypes, taskTypes } from "./catalogue.ts";
import { compileSchema } from "./json-schema.ts";
import { noop } from "./noop.ts";
import type { TaskContext, TaskDescription } from "./task.ts";

/** The pointers of all properties of a schema that say nothing about themselves. */
function undescribed(schema: JsonValue | undefined, path = ""): readonly string[] {
  if (!isJsonObject(schema)) return [];
  const properties = isJsonObject(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  return [
    ...properties.flatMap(([name, property]) => [
      ...(isJsonObject(property) && typeof property["description"] === "string" ? [] : [`${path}/${name}`]),
      ...undescribed(property, `${path}/${name}`),
    ]),
    ...["items", "additionalProperties"].flatMap((keyword) => undescribed(schema[keyword], `${path}/${keyword}`)),
    ...["oneOf", "anyOf", "allOf", "prefixItems"].flatMap((keyword) =>
      Array.isArray(schema[keyword])
        ? schema[keyword].flatMap((entry: JsonValue, i) => undescribed(entry, `${path}/${keyword}/${i}`))
        : [],
    ),
  ];
}

function defaults(schema: JsonValue | undefined): readonly (readonly [JsonObject, JsonValue])[] {
  if (!isJsonObject(schema) || !isJsonObject(schema["properties"])) return [];
  return Object.values(schema["properties"]).flatMap((property) => [
    ...(isJsonObject(property) && property["default"] !== undefined ? [[property, property["default"]] as const] : []),
    ...defaults(property),
  ]);
}

/** What plans pin. */
function digest(description: TaskDescription): string {
  return digestOf(description as unknown as JsonObject);
}

describe("the catalogue", () => {
  it("is in order and names each type once", () => {
    const names = builtInTypes.map((type) => type.description.name);
    assert.deepEqual(names, [...new Set(names)].sort());
    assert.equal(taskTypes().size, builtInTypes.length);
    assert.equal(taskTypes().get("noop@1"), noop);
  });

  it("gives every type another digest, and the same one every time", () => {
    assert.equal(new Set(builtInTypes.map((type) => digest(type.description))).size, builtInTypes.length);
    assert.match(digest(noop.description), /^sha256:[0-9a-f]{64}$/);
    assert.equal(digest(noop.description), digest(structuredClone(noop.description)));
    assert.notEqual(digest(noop.description), digest({ ...noop.description, title: "another" }));
  });

  for (const { description } of builtInTypes) {
    describe(`${description.name}@${description.version}`, () => {
      it("has an input schema of type object without room for misspelt names, and an example that fits it", () => {
        assert.equal(description.input["type"], "object");
        assert.equal(description.input["additionalProperties"], false);
        assert.deepEqual(compileSchema(description.input)(description.example), []);
        assert.equal(compileSchema(description.input)({ ...description.example, mispelt: 1 }).length, 1);
      });

      it("describes every property, and its defaults fit", () => {
        compileSchema(description.output);
        assert.deepEqual(undescribed(description.input), []);
        assert.deepEqual(undescribed(description.output), []);
        for (const [schema, value] of defaults(description.input)) assert.deepEqual(compileSchema(schema)(value), []);
      });

      it("has a title of one line and docs", () => {
        assert.match(description.title, /^[A-Z].{5,80}[^.]$/);
        assert.ok(description.docs.length > 100);
        assert.deepEqual([...description.effects].sort(), description.effects);
      });
    });
  }
});

describe("types that the engine carries out", () => {
  for (const type of builtInTypes.filter(({ description }) => description.runs === "engine")) {
    it(`${type.description.name}@1 says so when it is dispatched`, () =>
      assert.throws(
        () => type.init({} as TaskContext),
        (thrown) => thrown instanceof MaestroError && thrown.message.includes("the engine carries it out itself"),
      ));
  }

  const wait = compileSchema(taskTypes().get("wait@1")!.description.input);
  const approval = compileSchema(taskTypes().get("approval@1")!.description.input);
  const agrees = (
    schema: (input: JsonObject) => readonly unknown[],
    parse: (input: JsonObject) => unknown,
    input: JsonObject,
  ): void => {
    let parsed = true;
    try {
      parse(input);
    } catch (thrown) {
      assert.ok(thrown instanceof MaestroError);
      parsed = false;
    }
    assert.equal(parsed, schema(input).length === 0, JSON.stringify(schema(input)));
  };
  const waits: readonly JsonObject[] = [
    {},
    { duration: "1s" },
    { duration: "" },
    { duration: "soon" },
    { until: "2026-11-21T08:00:00Z" },
    { until: "2026-02-30T08:00:00Z" },
    { until: "x" },
    { signal: "a", timeout: "1s" },
    { event: "a" },
    { signal: "a", event: "a" },
    { duration: "1s", timeout: "1s" },
    { signal: "" },
  ];
  for (const input of waits)
    it(`wait@1: schema and parser agree on ${JSON.stringify(input)}`, () =>
      agrees(wait, (value) => parseWait(value, 0), input));
  const approvals: readonly JsonObject[] = [
    {},
    { count: 0 },
    { count: 21 },
    { count: 2.5 },
    { roles: ["a"] },
    { roles: [1] },
    { expires: "x" },
    { expires: "1d" },
    { message: 1 },
    { notRequester: 1 },
  ];
  for (const input of approvals)
    it(`approval@1: schema and parser agree on ${JSON.stringify(input)}`, () => agrees(approval, parseApproval, input));
});

describe("noop@1", () => {
  it("hands on its value", async () => {
    using bench = workbench();
    assert.deepEqual(await bench.run(noop, { value: { a: [1] } }), { a: [1] });
    assert.equal(await bench.run(noop, {}), null);
    assert.deepEqual(bench.events, []);
  });
});
