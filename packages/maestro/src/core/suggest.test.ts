import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { suggest } from "./suggest.ts";

describe("suggest()", () => {
  const cases: readonly (readonly [string, readonly string[], string | undefined])[] = [
    ["tset", ["lint", "test", "build"], "test"],
    ["appprove", ["approve", "approvals"], "approve"],
    ["inven", ["inventory", "check"], "inventory"],
    ["RUN", ["run", "runs"], "run"],
    ["xyzzy", ["run", "runs"], undefined],
    ["a", ["b"], undefined],
    ["", ["a"], undefined],
    ["when", [], undefined],
  ];
  for (const [word, candidates, expected] of cases) {
    it(`${JSON.stringify(word)} in ${JSON.stringify(candidates)} means ${expected}`, () => {
      assert.equal(suggest(word, candidates), expected);
    });
  }

  it("finds a word with one swapped pair among others", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{5,20}$/), fc.nat(), (word, n) => {
        const i = n % (word.length - 1);
        const typo = word.slice(0, i) + (word[i + 1] ?? "") + (word[i] ?? "") + word.slice(i + 2);
        assert.equal(suggest(typo, ["0000000", word]), word);
      }),
    );
  });

  it("answers for long words without delay", () => {
    assert.equal(suggest("x".repeat(1_000_000), ["y".repeat(1_000_000)]), undefined);
  });
});
