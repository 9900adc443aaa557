import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { explainJsonError } from "./json-position.ts";

describe("explainJsonError()", () => {
  const table: readonly (readonly [text: string, message: string])[] = [
    ["hello\n", 'it cannot be read from "hello" on (line 1 column 1)'],
    ['{\n  "a": 1,\n}', 'it cannot be read from "}" on (line 3 column 1)'],
    ['{"a": [', "it ends too early (line 1 column 8)"],
    ['{"a"', "it ends too early (line 1 column 5)"],
    ['{"a" 1}', 'it cannot be read from "1}" on (line 1 column 6)'],
    ["[1 2]", 'it cannot be read from "2]" on (line 1 column 4)'],
    ["[1,]", 'it cannot be read from "]" on (line 1 column 4)'],
    ["[1}", 'it cannot be read from "}" on (line 1 column 3)'],
    ["{'a': 1}", "it cannot be read from \"'a': 1}\" on (line 1 column 2)"],
    ["01", 'it cannot be read from "01" on (line 1 column 1)'],
    ["[1.]", 'it cannot be read from "1.]" on (line 1 column 2)'],
    ["NaN", 'it cannot be read from "NaN" on (line 1 column 1)'],
    ["nulll", 'it cannot be read from "nulll" on (line 1 column 1)'],
    ["{} {}", 'it cannot be read from "{}" on (line 1 column 4)'],
    ['"a\nb"', 'it cannot be read from "" on (line 1 column 3)'],
    ['"a\\x"', 'it cannot be read from "\\\\x\\"" on (line 1 column 3)'],
    ['"abc', "it ends too early (line 1 column 5)"],
    ["[true,\n fals]", 'it cannot be read from "fals]" on (line 2 column 2)'],
  ];
  for (const [text, message] of table)
    it(`places the mistake in ${JSON.stringify(text)}`, () => assert.equal(explainJsonError(text), message));

  it("finds no mistake in good JSON, only behind it", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.equal(
          explainJsonError(`${text}\u0001`),
          `it cannot be read from "\\u0001" on (line 1 column ${text.length + 1})`,
        );
        assert.equal(explainJsonError(`[${text}`), `it ends too early (line 1 column ${text.length + 2})`);
      }),
    );
  });

  it("is fast and flat on long and deep texts", () => {
    assert.equal(explainJsonError("[".repeat(1_000_000)), "it ends too early (line 1 column 1000001)");
    assert.equal(explainJsonError(`"${"x".repeat(1_000_000)}`), "it ends too early (line 1 column 1000002)");
  });
});
