import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import { validate } from "./validate.ts";

const SCHEMA: JsonObject = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", pattern: "^[a-z]+$" } },
};

describe("validate@1", () => {
  it("lets through what fits, as a whole or by row", async () => {
    using bench = workbench();
    writeFileSync(join(bench.base, "a.jsonl"), '{"id":"a"}\n{"id":"b"}\n');
    writeFileSync(join(bench.base, "a.csv"), "id;n\na;1\nb;2\nc;3\n");
    writeFileSync(join(bench.base, "a.json"), '{"id":"a"}');
    writeFileSync(join(bench.base, "schema.json"), JSON.stringify(SCHEMA));
    assert.deepEqual(await bench.run(validate, { schema: SCHEMA, value: { id: "a" } }), { valid: true, checked: 1 });
    assert.deepEqual(await bench.run(validate, { schema: SCHEMA, value: [{ id: "a" }, { id: "b" }], rows: true }), {
      valid: true,
      checked: 2,
    });
    assert.deepEqual(await bench.run(validate, { schema: SCHEMA, path: "a.jsonl" }), { valid: true, checked: 2 });
    assert.deepEqual(await bench.run(validate, { schema: SCHEMA, path: "a.csv", delimiter: ";" }), {
      valid: true,
      checked: 3,
    });
    assert.deepEqual(await bench.run(validate, { schema: "schema.json", path: "a.json" }), { valid: true, checked: 1 });
    assert.deepEqual(await bench.run(validate, { schema: { type: "null" }, value: null }), { valid: true, checked: 1 });
  });

  it("fails with every error of a value", async () => {
    using bench = workbench();
    const { error, output } = await bench.fail(validate, {
      schema: { ...SCHEMA, additionalProperties: false },
      value: { id: "A", x: 1 },
    });
    assert.deepEqual(error, {
      code: "SCHEMA",
      message:
        'The data does not fit the schema (2 errors). First, the value has the unknown property "x" (known: id).',
      final: true,
    });
    assert.deepEqual(
      (output as { errors: readonly JsonObject[] }).errors.map(({ path, keyword }) => [path, keyword]),
      [
        ["", "additionalProperties"],
        ["/id", "pattern"],
      ],
    );
  });

  it("names the rows, and stops after maxErrors", async () => {
    using bench = workbench();
    const value = [{ id: "a" }, { id: 1 }, {}, { id: 2 }];
    const { error, output } = await bench.fail(validate, { schema: SCHEMA, value, rows: true, maxErrors: 2 });
    assert.equal(
      error.message,
      "The data does not fit the schema (at least 2 errors). First, row 2 /id must be string, is number.",
    );
    assert.deepEqual(output, {
      valid: false,
      checked: 3,
      errors: [
        { row: 2, path: "/id", message: "must be string, is number", keyword: "type" },
        { row: 3, path: "", message: 'lacks the property "id"', keyword: "required" },
      ],
    });
  });

  const bad: readonly (readonly [string, JsonObject, string, RegExp])[] = [
    [
      "a remote reference",
      { schema: { $ref: "https://example.com/s.json" }, value: 1 },
      "INPUT_INVALID",
      /^schema: .*points out of the schema/,
    ],
    ["a look-ahead", { schema: { pattern: "(?=a)" }, value: "a" }, "INPUT_INVALID", /RE2/],
    ["a schema file that is missing", { schema: "none.json", value: 1 }, "NOT_FOUND", /none\.json does not exist/],
    [
      "a schema file that is no object",
      { schema: "list.json", value: 1 },
      "INPUT_INVALID",
      /list\.json holds no JSON object/,
    ],
    ["data that is missing", { schema: {}, path: "none.csv" }, "NOT_FOUND", /none\.csv does not exist/],
    ["data that is broken", { schema: {}, path: "broken.jsonl" }, "ROW", /^Row 2: not JSON/],
  ];
  for (const [name, input, code, message] of bad) {
    it(`fails on ${name}`, async () => {
      using bench = workbench();
      writeFileSync(join(bench.base, "list.json"), "[]");
      writeFileSync(join(bench.base, "broken.jsonl"), "1\n{\n");
      const { error } = await bench.fail(validate, input);
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.final], [code, true]);
    });
  }

  it("stops when it is called off", async () => {
    using bench = workbench();
    bench.abort.abort(new Error("cancelled"));
    await assert.rejects(
      bench.run(validate, { schema: {}, value: Array.from({ length: 300 }, () => 1), rows: true }),
      /cancelled/,
    );
  });
});
