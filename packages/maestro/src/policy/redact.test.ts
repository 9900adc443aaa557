import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readPattern, redacted } from "./redact.ts";

const MARK = { $redacted: { rule: "hide" } };
const hide = (value: Parameters<typeof redacted>[0], ...paths: readonly string[]): unknown =>
  redacted(value, paths.map(readPattern), "hide");

describe("what a policy hides in an answer", () => {
  it("is named by a pointer, with * for one member and ** for any number of them", () => {
    const run = { run: { inputs: { ssn: "1", name: "a" }, tasks: [{ output: 1 }, { output: 2 }] } };
    assert.deepEqual(hide(run, "/run/inputs/ssn"), {
      run: { inputs: { ssn: MARK, name: "a" }, tasks: [{ output: 1 }, { output: 2 }] },
    });
    assert.deepEqual(hide(run, "/run/tasks/*/output"), {
      run: { inputs: { ssn: "1", name: "a" }, tasks: [{ output: MARK }, { output: MARK }] },
    });
    assert.deepEqual(hide(run, "/**/ssn", "/run/tasks"), { run: { inputs: { ssn: MARK, name: "a" }, tasks: MARK } });
    assert.deepEqual(hide({ ssn: 1, a: { ssn: { ssn: 2 } } }, "/**/ssn"), { ssn: MARK, a: { ssn: MARK } });
  });

  it("is found nowhere where nothing is, and nothing else is changed", () => {
    const value = { a: [1, null, "x"], b: {} };
    assert.deepEqual(hide(value, "/c", "/a/7", "/a/x", "/b/*"), value);
    assert.deepEqual(hide("text", "/a"), "text");
  });

  it("is not the whole answer, and no text that is no pointer", () => {
    for (const text of ["", "/**", "a", "/a~2"]) assert.throws(() => readPattern(text), SyntaxError, text);
    assert.throws(() => readPattern("/a".repeat(33)), /more than 32 parts/);
  });

  it("costs no more the deeper the stars meet", () => {
    let value: Parameters<typeof redacted>[0] = 1;
    for (let i = 0; i < 60; i++) value = { a: value };
    const pattern = "/**/a".repeat(15);
    assert.notDeepEqual(hide(value, pattern), value);
  });
});
