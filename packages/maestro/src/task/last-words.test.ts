import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { it } from "node:test";
import { lastWords } from "./last-words.ts";

it("last words are the end of what was said, and nothing that a terminal obeys", () => {
  assert.equal(lastWords("\u001b[31mred\u001b[0m\u0007\n"), "red");
  assert.equal(lastWords(Array.from({ length: 30 }, (_, n) => `line ${n}`).join("\n")).split("\n")[0], "line 20");
  assert.equal(lastWords("x".repeat(9000)).length, 2000);
  assert.equal(lastWords("one\n\n  two\n\n"), "one\n  two");
  assert.equal(lastWords(""), "");
});

it("last words of Node are the error and where it was, not all of its stack", () => {
  const { stderr } = spawnSync(process.execPath, ["-e", "function deep() { null.x }\ndeep()"], { encoding: "utf8" });
  assert.match(
    lastWords(stderr),
    /\nTypeError: Cannot read properties of null .*\n {4}at deep \(\[eval\].*\)\nNode\.js v/,
  );
  assert.ok(!lastWords(stderr).includes("node:internal"));
  const missing = spawnSync(process.execPath, ["--input-type=module", "-e", 'import "no-such-package"'], {
    encoding: "utf8",
  });
  assert.match(lastWords(missing.stderr), /Error \[ERR_MODULE_NOT_FOUND\]: Cannot find package 'no-such-package'/);
});

it("last words of Python keep its traceback, whose last line says it", () => {
  const trace =
    'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: at last (it is wrong)\n';
  assert.equal(lastWords(trace), trace.trimEnd());
});
