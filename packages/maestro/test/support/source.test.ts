import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { codeOnly, importsOf, withoutComments, withoutTexts } from "./source.ts";

describe("importsOf()", () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["a value import", 'import { a } from "./a.ts";', ["value ./a.ts"]],
    ["a type import", 'import type { A } from "./a.ts";', ["type ./a.ts"]],
    ["an inline type, which stays an import", 'import { type A } from "./a.ts";', ["value ./a.ts"]],
    [
      "a namespace and a default",
      'import * as fs from "node:fs";\nimport x, { y } from "x";',
      ["value node:fs", "value x"],
    ],
    ["an import for its effects", 'import "./a.ts";', ["value ./a.ts"]],
    ["many lines", 'import {\n  a,\n  b as c,\n} from "./a.ts";', ["value ./a.ts"]],
    [
      "re-exports",
      'export { a } from "./a.ts";\nexport * from "./b.ts";\nexport type { C } from "./c.ts";',
      ["value ./a.ts", "value ./b.ts", "type ./c.ts"],
    ],
    ["a dynamic import", 'const a = await import("./a.ts");', ["dynamic ./a.ts"]],
    ["no import in a comment", '// import { a } from "./a.ts";\n/* import "./b.ts" */', []],
    ["no import in a template", 'const a = `\nimport { a } from "./a.ts";\n`;', []],
    ["an import after a template with a hole", 'const a = `${{ b: `}` }.b}`;\nimport "./a.ts";', ["value ./a.ts"]],
    [
      "an import after quotes in a regular expression",
      'const a = /["\'`]/.test(x) || y / z;\nimport "./a.ts";',
      ["value ./a.ts"],
    ],
    ["no exported constant", 'export const a = "./a.ts";', []],
    ["a URL in a string is no comment", 'const a = "http://x"; // y\nimport "./a.ts";', ["value ./a.ts"]],
  ];
  for (const [name, text, expected] of cases) {
    it(`reads ${name}`, () => {
      assert.deepEqual(
        importsOf(text).map(({ kind, from }) => `${kind} ${from}`),
        expected,
      );
    });
  }

  it("knows the line", () => {
    assert.deepEqual(importsOf('\n\nimport "./a.ts";'), [{ from: "./a.ts", kind: "value", line: 3 }]);
  });
});

describe("codeOnly()", () => {
  it("keeps places and drops what is not program", () => {
    const text = 'a("b") / 2 // c\n+ `d${e}f` + /g"/.x';
    assert.equal(
      codeOnly(text),
      text.replaceAll(/"b"|\/\/ c|`d\$\{|\}f`|\/g"\//g, (part) => " ".repeat(part.length)),
    );
  });
  it("keeps comments where only texts go", () => {
    assert.equal(withoutTexts('a("b") // c'), "a(   ) // c");
  });
  it("keeps strings where only comments go", () => {
    assert.equal(withoutComments('a("b") // c'), 'a("b")     ');
  });
});
