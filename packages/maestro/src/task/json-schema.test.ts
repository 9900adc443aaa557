import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { compileChecked, compileSchema } from "./json-schema.ts";

describe("compileSchema()", () => {
  it("tells every error with its place", () => {
    const check = compileSchema({
      type: "object",
      properties: { a: { type: "string" }, "b/c": { type: "array", items: { type: "integer" } }, d: {} },
      required: ["d"],
      additionalProperties: false,
    });
    assert.deepEqual(check({ a: 1, "b/c": [1, "x"], e: true }), [
      { path: "", message: 'lacks the property "d"', keyword: "required" },
      { path: "", message: 'has the unknown property "e" (known: a, b/c, d)', keyword: "additionalProperties" },
      { path: "/a", message: "must be string, is number", keyword: "type" },
      { path: "/b~1c/1", message: "must be integer, is string", keyword: "type" },
    ]);
    assert.deepEqual(check({ a: "", d: 1 }), []);
  });

  it("keeps two patterns of one schema apart", () => {
    const check = compileSchema({ type: "object", properties: { a: { pattern: "^a+$" }, b: { pattern: "^b+$" } } });
    assert.deepEqual(check({ a: "aa", b: "bb" }), []);
    assert.deepEqual(
      check({ a: "bb", b: "aa" }).map((error) => error.path),
      ["/a", "/b"],
    );
  });

  it("checks a pattern that stalls backtracking engines in linear time", () => {
    const check = compileSchema({ type: "string", pattern: "^(a+)+$" });
    assert.equal(check(`${"a".repeat(50_000)}!`).length, 1);
  });

  it("is not fooled by inherited properties", () => {
    const check = compileSchema({ type: "object", required: ["toString", "constructor"] });
    assert.equal(check({}).length, 2);
  });

  it("finds equal items among many in one pass, whatever the order of their members", () => {
    const check = compileSchema({ type: "array", uniqueItems: true });
    const items: JsonObject[] = Array.from({ length: 20_000 }, (_, i) => ({ i, text: "x" }));
    assert.deepEqual(check(items), []);
    assert.equal(check([...items, { text: "x", i: 7 }]).length, 1);
  });

  it("checks formats", () => {
    const check = compileSchema({ type: "string", format: "date-time" });
    assert.deepEqual(check("2026-11-21T08:00:00Z"), []);
    assert.match(check("yesterday")[0]?.message ?? "", /date-time.*"yesterday"/);
  });

  it("follows references within the schema, also recursive ones", () => {
    const check = compileSchema({
      $ref: "#/$defs/tree",
      $defs: { tree: { type: "object", properties: { left: { $ref: "#/$defs/tree" }, v: { type: "number" } } } },
    });
    assert.deepEqual(check({ left: { left: { v: 1 } } }), []);
    assert.deepEqual(
      check({ left: { left: { v: "1" } } }).map((error) => error.path),
      ["/left/left/v"],
    );
  });

  it("answers for a reference without end, and for values nested too deeply", () => {
    assert.match(compileSchema({ $ref: "#" })(1)[0]?.message ?? "", /nested too deeply/);
    const check = compileSchema({ type: "array", items: { $ref: "#" } });
    let deep: JsonValue = [];
    for (let i = 0; i < 100_000; i++) deep = [deep];
    assert.match(check(deep)[0]?.message ?? "", /nested too deeply/);
  });

  it("takes the same $id in two schemas", () => {
    assert.equal(compileSchema({ $id: "https://example.org/a", type: "string" })(1).length, 1);
    assert.equal(compileSchema({ $id: "https://example.org/a", type: "number" })(1).length, 0);
  });

  it("takes annotations that begin with x-", () => {
    assert.equal(
      compileSchema({ type: "object", properties: { when: { type: "string", "x-maestro-cel": true } } })({ when: 1 })
        .length,
      1,
    );
  });

  it("leaves names and values that look like keywords alone", () => {
    const check = compileSchema({
      type: "object",
      properties: { $ref: { type: "string" }, nullable: { type: "boolean" } },
      examples: [{ $ref: "http://x" }],
    });
    assert.equal(check({ $ref: "http://x", nullable: true }).length, 0);
  });

  it("stops after 100 errors", () => {
    assert.equal(
      compileSchema({ type: "array", items: { type: "string" } })(Array.from({ length: 500 }, () => 1)).length,
      100,
    );
  });

  it("is compiled once per object", () => {
    const schema: JsonObject = { type: "string" };
    assert.equal(compileSchema(schema), compileSchema(schema));
  });

  it("never throws on JSON", () => {
    const check = compileSchema({
      type: "object",
      patternProperties: { "^x": { type: "array", uniqueItems: true } },
      unevaluatedProperties: { type: "string" },
    });
    fc.assert(fc.property(fc.jsonValue(), (value) => Array.isArray(check(value))));
  });
});

describe("compileSchema() refuses", () => {
  const deep = (levels: number): JsonObject => (levels === 0 ? {} : { items: deep(levels - 1) });
  const table: readonly (readonly [string, JsonObject, RegExp])[] = [
    [
      "a remote reference",
      { $ref: "https://example.org/s.json" },
      /at \/\$ref: "https:\/\/example.org\/s.json" points out of the schema.*\$defs/,
    ],
    ["a relative reference", { properties: { "a/b": { $ref: "other.json#/x" } } }, /at \/properties\/a~1b\/\$ref/],
    ["a reference to nothing", { $ref: "#/$defs/nothing" }, /can't resolve reference #\/\$defs\/nothing/],
    ["$dynamicRef", { items: { $dynamicRef: "#x" } }, /at \/items\/\$dynamicRef.*use \$ref/],
    ["nullable", { type: "string", nullable: true }, /\["string", "null"\]/],
    ["another draft", { $schema: "http://json-schema.org/draft-07/schema#" }, /is another draft/],
    ["a misspelt keyword", { type: "object", requierd: ["a"] }, /requierd/],
    ["a wrong type", { type: "strnig" }, /not valid JSON Schema 2020-12: schema\/type/],
    ["an unknown format", { type: "string", format: "e-mail" }, /e-mail/],
    ["look-ahead", { type: "string", pattern: "^(?=a)b" }, /pattern .* is not a regular expression of RE2|not valid/],
    ["a broken pattern", { patternProperties: { "(": {} } }, /RE2|not valid/],
    ["depth", deep(65), /deeper than 64/],
    ["size", { description: "x".repeat(300_000) }, /at most 262144/],
    [
      "breadth",
      { properties: Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`p${i}`, {}])) },
      /more than 5000 subschemas/,
    ],
  ];
  for (const [name, schema, message] of table) {
    it(name, () =>
      assert.throws(
        () => compileSchema(schema),
        (thrown) => thrown instanceof MaestroError && thrown.code === "invalid_schema" && message.test(thrown.message),
      ),
    );
  }
});

describe("compileChecked()", () => {
  it("is the same function of a valid schema", () => {
    const schema: JsonObject = { type: "object", required: ["a"], properties: { a: { type: "integer", minimum: 2 } } };
    for (const value of [{ a: 2 }, { a: 1 }, {}, [], null, { a: "x", b: 1 }])
      assert.deepEqual(compileChecked(schema)(value), compileSchema(structuredClone(schema))(value));
  });

  it("takes nothing for checked that compileSchema() is asked for later", () => {
    // Which part of it the validator makes use of is its own affair.
    const schema: JsonObject = { type: "object", title: 5 };
    assert.deepEqual(compileChecked(schema)({}), []);
    assert.throws(() => compileSchema(schema), { code: "invalid_schema" });
  });

  it("answers for any JSON with a check or with invalid_schema", () => {
    const keyword = fc.constantFrom(
      "type",
      "properties",
      "required",
      "items",
      "pattern",
      "minimum",
      "enum",
      "$ref",
      "allOf",
    );
    fc.assert(
      fc.property(fc.dictionary(keyword, fc.jsonValue({ maxDepth: 2 })), fc.jsonValue(), (schema, value) => {
        try {
          assert.ok(Array.isArray(compileChecked(schema as JsonObject)(value)));
        } catch (error) {
          assert.equal((error as MaestroError).code, "invalid_schema", String(error));
        }
      }),
    );
  });
});
