import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseStrict } from "./strict-json.ts";

describe("parseStrict()", () => {
  const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ["a duplicate name", '{"a":1,"a":2}', /line 1, column 8: the name "a" occurs twice/],
    ["a duplicate after an escape", '{"a":1,"\\u0061":2}', /the name "a" occurs twice/],
    ["a duplicate deep inside, with white space", '[1,\n {"x": {"k": [], "k": 1}}]', /line 2, column 18: the name "k"/],
    ["a duplicate after a nested object", '{"a":{"b":1},"c":[{}],"a":0}', /"a" occurs twice/],
    ["a duplicate __proto__", '{"__proto__":1,"__proto__":2}', /"__proto__" occurs twice/],
    ["a lone surrogate", '["\\ud800"]', /lone surrogate/],
    ["an integer that would change", "[9007199254740993]", /9007199254740993 would become 9007199254740992/],
    ["a number beyond doubles", "[1e999]", /1e999 is beyond/],
    ["a trailing comma", "[1,]", /JSON/],
    ["an unterminated string", '["abc', /JSON/],
    ["a byte order mark", "\ufeff{}", /JSON/],
    ["two documents", "{} {}", /JSON/],
    ["nothing", "", /JSON/],
  ];
  for (const [what, text, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseStrict(text),
        (error: unknown) => error instanceof SyntaxError && message.test(error.message),
      );
    });
  }

  it("holds its limits", () => {
    assert.throws(() => parseStrict('"abcdef"', { length: 5 }), /8 characters, more than the 5 allowed/);
    assert.throws(() => parseStrict("[[[[1]]]]", { depth: 3 }), /line 1, column 4: nested deeper than 3/);
    assert.throws(() => parseStrict("[".repeat(5_000_000)), /nested deeper than 64/);
    assert.deepEqual(parseStrict("[[[1]]]", { depth: 3 }), [[[1]]]);
    assert.equal(parseStrict('"[[[[["', { depth: 1 }), "[[[[[");
  });

  it("accepts the same name in different objects, and equal strings as values", () => {
    const text = '{"a": {"a": "a"}, "b": ["a", "a", {"a": 1}, {"a": -0}], "c": 1.0e2}';
    assert.deepEqual(parseStrict(text), JSON.parse(text));
  });

  it("equals JSON.parse on every document without duplicates, compact or spread out", () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: "medium" }), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        assert.deepEqual(parseStrict(text), JSON.parse(text));
      }),
    );
  });

  it("refuses every document into which a member was put twice", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue(), { minKeys: 1 }),
        fc.nat(),
        fc.constantFrom("", " ", "\n"),
        (object, pick, space) => {
          const names = Object.keys(object);
          const twice = JSON.stringify(names[pick % names.length]);
          const text = `[${JSON.stringify(object).slice(0, -1)},${space}${twice}:${space}null}]`;
          assert.throws(() => parseStrict(text), /occurs twice/);
        },
      ),
    );
  });
});
