import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MaestroError } from "../core/problem.ts";
import {
  choice,
  flag,
  integer,
  json,
  jsonObject,
  list,
  objectSchema,
  optional,
  readObject,
  readQuery,
  text,
  textMap,
} from "./field.ts";

const shape = {
  name: text("Name.", { max: 5 }),
  digest: optional(text("Digest.", { max: 71, pattern: "^sha256:" })),
  verdict: optional(choice("Verdict.", ["approve", "deny"])),
  count: optional(integer("Count.", { min: 1, max: 9 })),
  force: optional(flag("Force.")),
  inputs: optional(jsonObject("Inputs.")),
  payload: optional(json("Payload.")),
  tags: optional(list("Tags.", text("", { max: 3 }), 2)),
  labels: optional(textMap("Labels.", { pattern: "^[a-z]+$" }, text("", { min: 0, max: 3 }), 2)),
};

function problemsOf(value: unknown): string {
  try {
    readObject(shape, value, "the body");
  } catch (error) {
    assert.ok(error instanceof MaestroError);
    assert.equal(error.code, "invalid_request");
    return error.message;
  }
  assert.fail("it was accepted");
}

describe("readObject()", () => {
  it("reads what is right", () => {
    const value = {
      name: "ada",
      digest: "sha256:1",
      verdict: "deny",
      count: 9,
      force: false,
      inputs: { a: 1 },
      payload: null,
      tags: ["a", "b"],
      labels: { env: "" },
    };
    assert.deepEqual(readObject(shape, value, "the body"), value);
  });

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /the body must be an object, not null/],
    [[], /must be an object, not a list/],
    ["x", /must be an object, not the text "x"/],
    [{}, /^the body: name is missing$/],
    [{ name: "" }, /name must not be empty/],
    [{ name: "abcdef" }, /name has 6 characters; at most 5/],
    [{ name: 1 }, /name must be a text, not 1/],
    [{ name: "a\ud800" }, /lone surrogate/],
    [{ name: "a", digest: "md5:1" }, /digest must match \^sha256:/],
    [{ name: "a", verdict: "aprove" }, /verdict must be one of approve, deny; did you mean approve\?/],
    [{ name: "a", verdict: 1 }, /verdict must be one of/],
    [{ name: "a", count: 1.5 }, /count must be a whole number, not 1.5/],
    [{ name: "a", count: 10 }, /count must be from 1 to 9, not 10/],
    [{ name: "a", count: "3" }, /count must be a whole number, not the text "3"/],
    [{ name: "a", force: "true" }, /force must be true or false/],
    [{ name: "a", inputs: [] }, /inputs must be an object, not a list/],
    [{ name: "a", tags: "a" }, /tags must be a list/],
    [{ name: "a", tags: ["a", "b", "c"] }, /tags has 3 entries; at most 2/],
    [{ name: "a", tags: ["a", 2] }, /tags\/1 must be a text/],
    [{ name: "a", labels: { A: "x" } }, /labels\/A the name must match/],
    [{ name: "a", labels: { a: 1 } }, /labels\/a must be a text/],
    [{ name: "a", inpts: {} }, /inpts is not known here; did you mean "inputs"\?/],
    [{ name: "a", constructor: 1 }, /constructor is not known here/],
  ];
  for (const [value, message] of wrong)
    it(`refuses ${JSON.stringify(value)}`, () => assert.match(problemsOf(value), message));

  it("says everything that is wrong at once", () => {
    assert.match(
      problemsOf({ nam: "a", count: 0, force: 1 }),
      /nam is not known.*name is missing.*count must be.*force must be/,
    );
  });

  it("answers any JSON with a value or with invalid_request, never with another fault", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...Object.keys(shape), "x"), fc.jsonValue())),
        (value) => {
          try {
            readObject(shape, value, "the body");
          } catch (error) {
            assert.ok(error instanceof MaestroError && error.code === "invalid_request");
          }
        },
      ),
    );
  });
});

describe("readQuery()", () => {
  const query = {
    limit: optional(integer("", { min: 1, max: 100 })),
    status: optional(list("", choice("", ["failed", "denied"]), 5)),
    all: optional(flag("")),
    text: optional(text("", { max: 10 })),
  };
  it("reads numbers, lists and flags from text", () => {
    assert.deepEqual(readQuery(query, new URLSearchParams("limit=5&status=failed,denied&status=failed&all&text=42")), {
      limit: 5,
      status: ["failed", "denied", "failed"],
      all: true,
      text: "42",
    });
  });
  for (const [text, message] of [
    ["limit=x", /limit must be a whole number/],
    ["limit=0", /limit must be from 1/],
    ["limit=1e2", /limit must be a whole number/],
    ["status=faild", /did you mean failed/],
    ["all=yes", /all must be true or false/],
    ["lmit=1", /did you mean "limit"/],
    ["__proto__=1", /__proto__ is not known/],
  ] as const) {
    it(`refuses ${text}`, () =>
      assert.throws(() => readQuery(query, new URLSearchParams(text)), { code: "invalid_request", message }));
  }
});

describe("objectSchema()", () => {
  it("describes the same closed object", () => {
    const schema = objectSchema(shape);
    assert.deepEqual(schema["required"], ["name"]);
    assert.equal(schema["additionalProperties"], false);
    assert.deepEqual(Object.keys(schema["properties"] ?? {}), Object.keys(shape));
  });
});
