import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readSettingsText } from "./settings.ts";

const read = async (text: string, maxBytes = 1_000): Promise<unknown> =>
  readSettingsText(text, maxBytes, (faults) => new Error(faults.join("; ")));

describe("a settings file", () => {
  it("is data: YAML, JSON, or nothing", async () => {
    assert.deepEqual(await read("a: { b: [1, two] }"), { a: { b: [1, "two"] } });
    assert.deepEqual(await read('{"a": null}'), { a: null });
    assert.equal(await read(""), null);
    assert.equal(await read("# nothing\n"), null);
  });

  const refused: readonly (readonly [text: string, why: RegExp])[] = [
    ["a: &x [1]\nb: [*x, *x]", /^it has aliases/],
    ["a: 1\na: 2", /Map keys must be unique/],
    ["a: [1", /end with a \]/],
    ["? [a]\n: b", /string/i],
    ["x".repeat(1_001), /^it has more than 1000 bytes$/],
  ];
  for (const [text, why] of refused)
    it(`is refused where it is ${JSON.stringify(text.slice(0, 40))}`, async () => {
      await assert.rejects(read(text), { message: why });
    });
});
