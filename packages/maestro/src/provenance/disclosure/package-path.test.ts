import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PackagePaths } from "./package-path.ts";

function add(...paths: readonly string[]): void {
  const taken = new PackagePaths();
  for (const path of paths) taken.add(path);
}

describe("the paths of a package", () => {
  it("are taken where every system takes them", () => {
    add(
      "manifest.json",
      "checkpoint",
      "trust_root.json",
      "receipts/r_1.1.sigstore.json",
      `evidence/r_1/artifacts/${"0a".repeat(32)}`,
      "evidence/r_1/logs/1.con.log",
      "evidence/r_1/run.json",
    );
  });

  for (const [path, says] of [
    ["../manifest.json", /leads out of the package/],
    ["evidence/../../etc/passwd", /leads out of the package/],
    ["evidence/..", /leads out of the package/],
    ["/etc/passwd", /is absolute/],
    ["//server/share", /is absolute/],
    ["C:/windows", /is absolute/],
    ["c:evil", /is absolute/],
    ["..\\evil", /not one that every system takes/],
    ["a\\b", /not one that every system takes/],
    ["./manifest.json", /not one that every system takes/],
    ["a//b", /not one that every system takes/],
    ["a/", /not one that every system takes/],
    ["", /not one that every system takes/],
    [".hidden", /not one that every system takes/],
    ["-rf", /not one that every system takes/],
    ["a b", /not one that every system takes/],
    ["ab:stream", /not one that every system takes/],
    ["name.", /not one that every system takes/],
    ["folder./a", /not one that every system takes/],
    ["con", /not one that every system takes/],
    ["evidence/NUL.json", /not one that every system takes/],
    ["aux.tar", /not one that every system takes/],
    ["lpt1", /not one that every system takes/],
    ["a\0b", /not one that every system takes/],
    ["a\nb", /not one that every system takes/],
    ["\u202egnp.exe", /not one that every system takes/],
    ["caf\u00e9", /not one that every system takes/],
    ["a".repeat(256), /longer than 255 characters/],
  ] as const)
    it(`are refused: ${JSON.stringify(path.slice(0, 40))}`, () => {
      assert.throws(() => add(path), { name: "SyntaxError", message: says });
    });

  for (const [paths, says] of [
    [["a/b", "a/b"], /"a\/b" occurs twice/],
    [["a/b", "a/B"], /the paths "a\/b" and "a\/B" differ only in case/],
    [["a/b", "A/c"], /the folders "a" and "A" differ only in case/],
    [["a", "a/b"], /"a" is a file and a folder/],
    [["a/b", "a"], /"a" is a file and a folder/],
    [["a/b", "A"], /"A" is a file and a folder/],
  ] as const)
    it(`are refused together: ${paths.join(" and ")}`, () => {
      assert.throws(() => add(...paths), { name: "SyntaxError", message: says });
    });
});
