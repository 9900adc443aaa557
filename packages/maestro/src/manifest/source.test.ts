import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Path } from "../core/diagnostic.ts";
import { type LocateOptions, readSource } from "./source.ts";

describe("readSource()", () => {
  it("reads YAML 1.2 without surprises", () => {
    const { value } = readSource(
      "on: yes\nversion: 1.10\nn: 0x1F\nempty:\nlist: [1, 2.5, null, true]\n1: one\n__proto__: {a: 1}\n",
    );
    assert.deepEqual(
      value,
      JSON.parse(
        '{"on":"yes","version":1.1,"n":31,"empty":null,"list":[1,2.5,null,true],"1":"one","__proto__":{"a":1}}',
      ),
    );
  });

  it("reads JSON, and the same value with a byte order mark", () => {
    const text = '{"a": {"b": ["\\ud83d\\ude00", 1e3]}}';
    assert.deepEqual(readSource(text).value, { a: { b: ["😀", 1000] } });
    assert.deepEqual(readSource(new TextEncoder().encode(`\uFEFF${text}`)).value, { a: { b: ["😀", 1000] } });
  });

  const refused: readonly (readonly [string, string | Uint8Array, string, RegExp, number])[] = [
    ["Latin-1", new Uint8Array([0x61, 0x3a, 0x20, 0xe4]), "WF001", /not UTF-8$/, 0],
    ["UTF-16", new Uint8Array([0xff, 0xfe, 0x61, 0x00]), "WF001", /looks like UTF-16/, 0],
    ["two megabytes", "x".repeat(2_000_000), "WF002", /has 2000000 bytes, and 1048576/, 0],
    ["a million commas", `[${"1,".repeat(400_000)}1]`, "WF002", /more than 250000 parts/, 250_000],
    ["a million quotes", '"'.repeat(1_000_000), "WF002", /more than 250000 parts/, 500_000],
    ["nothing", "", "WF003", /is empty/, 0],
    ["a comment only", "# nothing\n", "WF003", /is empty/, 0],
    ["an open bracket", "a: [b", "WF003", /flow sequence/, 4],
    ["a tab as indentation", "a:\n\tb: 1", "WF003", /tabs are not allowed/, 3],
    ["half a character", '"\\ud800"', "WF003", /lone surrogate/, 0],
    ["a key twice", "a: 1\nb: 2\na: 3\n", "WF004", /`a` is given twice/, 10],
    ["a key twice in JSON", '{"a":1,"a":2}', "WF004", /`a` is given twice/, 7],
    ["an anchor", "a: &x 1", "WF005", /anchors/, 3],
    ["an alias", "a: *x", "WF005", /aliases/, 3],
    ["a merge key", "<<: {a: 1}", "WF005", /merge keys/, 0],
    ["a tag", "a: !!binary aGk=", "WF005", /tags/, 3],
    ["a directive", "%YAML 1.2\n---\na: 1", "WF005", /directives/, 0],
    ["two documents", "a: 1\n---\nb: 2", "WF005", /second document/, 5],
    ["two documents, both marked", "---\na: 1\n---\nb: 2", "WF005", /second document/, 9],
    ["a list as key", "? [a]\n: b", "WF005", /keys must be strings/, 2],
    ["infinity", "a: .inf", "WF005", /no infinity/, 3],
    ["a number that would change", "a: 12345678901234567890", "WF005", /too large to be kept exactly/, 3],
    ["100,000 brackets", "[".repeat(100_000), "WF006", /deeper than 64/, 64],
    ["100,000 closed brackets", "[".repeat(100_000) + "]".repeat(100_000), "WF006", /deeper than 64/, 64],
    ["100,000 maps", "{a: ".repeat(100_000), "WF006", /deeper than 64/, 256],
    ["100,000 dashes", `${"- ".repeat(100_000)}a`, "WF006", /deeper than 64/, 128],
    ["100,000 question marks", "? ".repeat(100_000), "WF006", /deeper than 64/, 128],
    [
      "1,400 levels of indentation",
      Array.from({ length: 1400 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
      "WF006",
      /deeper than 64/,
      0,
    ],
    [
      "100 levels of indentation",
      Array.from({ length: 100 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
      "WF006",
      /deeper than 64/,
      0,
    ],
    [
      "an alias bomb",
      `a: &a [x, x]\n${["b", "c", "d", "e", "f"].map((name, i) => `${name}: &${name} [*${"abcde"[i] ?? ""}, *${"abcde"[i] ?? ""}]`).join("\n")}`,
      "WF005",
      /anchors/,
      3,
    ],
  ];
  for (const [name, text, rule, message, offset] of refused) {
    it(`refuses ${name}`, () => {
      const { problems, value } = readSource(text);
      assert.equal(value, undefined);
      assert.equal(problems[0]?.rule, rule);
      assert.match(problems[0]?.message ?? "", message);
      if (offset > 0) assert.equal(problems[0]?.offset, offset);
    });
  }

  it("takes 60,000 keys", () => {
    const text = Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join("\n");
    assert.equal(Object.keys(readSource(text).value ?? {}).length, 60_000);
  });

  it("never throws, and says why whenever it gives no value", () => {
    const piece = fc.constantFrom(
      "a",
      ": ",
      "\n",
      "  ",
      "- ",
      "[",
      "]",
      "{",
      "}",
      ",",
      '"',
      "'",
      "|\n",
      ">",
      "&x ",
      "*x",
      "!t ",
      "---\n",
      "# c",
      "? ",
      "\t",
      "\\",
      "<<",
      "%",
      "\u0000",
      "\uD800",
      "é",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { problems, value } = readSource(pieces.join(""));
        assert.equal(value === undefined, problems.length > 0);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const { problems, value } = readSource(bytes);
        assert.equal(value === undefined, problems.length > 0);
      }),
    );
  });

  it("reads what JSON.stringify writes as the same value", () => {
    const name = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => text !== "<<");
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: "grapheme" }),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(name, tie("value"), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), (given, indent) => {
        const text = JSON.stringify(given, null, indent);
        const source = readSource(text);
        assert.deepEqual(source.problems, []);
        assert.equal(JSON.stringify(source.value), JSON.stringify(JSON.parse(text)));
      }),
    );
  });
});

describe("Source.locate()", () => {
  const text = `a:
  b: [one, "two \\u0041 x"]
  c: {d: 'it''s e'}
  e:
  f: |
    first
    second third second
list:
- x: 1
`;
  const table: readonly (readonly [string, Path, LocateOptions | undefined, string])[] = [
    ["a value", ["a", "b", 0], undefined, "one"],
    ["a member's name", ["a", "c", "d"], { key: true }, "d"],
    ["a block by its name", ["a"], undefined, "a"],
    ["a list on one line", ["a", "b"], undefined, '[one, "two \\u0041 x"]'],
    ["a part of a plain text", ["a", "b", 0], { span: { offset: 1, length: 2 } }, "ne"],
    ["a part of a quoted text behind an escape", ["a", "b", 1], { span: { offset: 6, length: 1 } }, "x"],
    ["a part that quoting changes", ["a", "c", "d"], { span: { offset: 5, length: 1 } }, "e"],
    ["the second of two in a block", ["a", "f"], { span: { offset: 19, length: 6 } }, "second"],
    ["the nearest part that exists", ["a", "c", "nothing", "here"], undefined, "c"],
    ["inside a list of maps", ["list", 0, "x"], undefined, "1"],
  ];
  for (const [name, path, options, expected] of table) {
    it(`finds ${name}`, () => {
      const { offset, length } = readSource(text).locate(path, options);
      assert.equal(text.slice(offset, offset + length), expected);
      if (name.startsWith("the second")) assert.equal(offset, text.lastIndexOf("second"));
    });
  }
});
