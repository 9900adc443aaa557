import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { FUNCTIONS, testDocs, WORLD } from "../../../../scripts/generate-test-docs.ts";
import type { LocatedDiagnostic } from "../manifest/report.ts";
import { compileSchema } from "../task/json-schema.ts";
import { WORKFLOW_TEST_SCHEMA } from "./case-schema.ts";
import { DEPLOY, folderWith } from "./example.ts";
import type { Folder } from "./example.ts";
import { readTests } from "./read-tests.ts";
import { problemsOf } from "./run-file.ts";
import * as harness from "./testing.ts";
import type { Runbook } from "./runbook.ts";

const HEAD = "apiVersion: maestro/v1\nkind: WorkflowTest\n";

describe("a test file", () => {
  let folder: Folder;
  let runbook: Runbook;
  before(async () => {
    folder = await folderWith({ "deploy.maestro.yaml": DEPLOY });
    runbook = await folder.load("deploy.maestro.yaml");
  });
  after(() => folder[Symbol.asyncDispose]());

  /** Everything that is said about it, its form first and what its names mean after. */
  const problems = (text: string): readonly LocatedDiagnostic[] => {
    const read = readTests(text, "deploy.maestro.test.yaml");
    if ("file" in read) return problemsOf(read.file, runbook);
    return [...read.diagnostics, ...(read.rest === undefined ? [] : problemsOf(read.rest, runbook))];
  };
  /** What is said of this one case, with what stands under the caret. */
  const said = (fields: string): readonly string[] =>
    problems(`${HEAD}cases:\n  - name: x\n${fields.replaceAll(/^/gm, "    ")}\n`).map(
      ({ rule, message, fix, snippet, column, endColumn }) =>
        `${rule} [${snippet.slice(column - 1, endColumn - 1)}] ${message}${fix === undefined ? "" : `; ${fix}`}`,
    );

  it("has a published schema and a reference page that are made from the code: npm run docs", () => {
    for (const [path, text] of testDocs()) assert.equal(readFileSync(path, "utf8"), text, path);
  });

  it("has a reference of everything that TypeScript tests can call", () => {
    const named = (table: object): readonly string[] => Object.keys(table).map((name) => name.replace(/\(.*/, ""));
    assert.deepEqual(
      named(FUNCTIONS).toSorted(),
      Object.keys(harness)
        .filter((name) => name !== "TestWorld")
        .toSorted(),
    );
    assert.deepEqual(
      named(WORLD).toSorted(),
      Object.getOwnPropertyNames(harness.TestWorld.prototype)
        .filter((name) => name !== "constructor" && name !== "run")
        .toSorted(),
    );
  });

  it("inherits: cases from defaults, rows from cases, entry by entry", () => {
    const read = readTests(
      `${HEAD}defaults: { inputs: { a: 1, b: 1 }, deny: [x], expect: { status: succeeded, tasks: { t: failed } } }
cases:
  - name: one
    inputs: { b: 2 }
    rows:
      - { inputs: { c: 3 }, deny: [], expect: { tasks: { u: succeeded } } }
      - { name: named, purpose: p }
`,
      "folder/one.maestro.test.yaml",
    );
    assert.ok("file" in read);
    const { manifest, cases } = read.file;
    assert.equal(manifest, "folder/one.maestro.yaml");
    assert.deepEqual(
      cases.map(({ name, test, expect, line, column }) => ({ name, test, expect, at: [line, column] })),
      [
        {
          name: "one (1)",
          test: { inputs: { a: 1, b: 2, c: 3 }, deny: [] },
          expect: { status: "succeeded", tasks: { t: "failed", u: "succeeded" } },
          at: [8, 11],
        },
        {
          name: "one (named)",
          test: { inputs: { a: 1, b: 2 }, deny: ["x"], purpose: "p" },
          expect: { status: "succeeded", tasks: { t: "failed" } },
          at: [9, 11],
        },
      ],
    );
  });

  it("tells what is wrong in its form, also inside of what may have several forms", () => {
    assert.deepEqual(said("fakes: { build: { outptu: 1 } }"), [
      "WF010 [outptu] `outptu` is no field here; there are output, fail, fault, takes, artifacts, usage, log, real, times; did you mean `output`?",
    ]);
    assert.match(
      said("fakes: { build: [{ fault: timout }] }")[0] ?? "",
      /^WF011 \[timout\] `fault` must be .*; did you mean `timeout`\?/,
    );
    assert.match(
      said("approvals: { gate: aprove }")[0] ?? "",
      /^WF011 \[aprove\] `gate` must be "approve", "deny", "expire"; .*did you mean `approve`/,
    );
    assert.match(said("approvals: { gate: [{ by: { name: x } }] }")[0] ?? "", /^WF013 .*lacks `id`/);
    assert.match(said("expect: { tasks: { build: done } }")[0] ?? "", /^WF011 \[done\]/);
    assert.match(
      said("fakes: { build: { takes: 5m1h } }")[0] ?? "",
      /^WF011 \[5m1h\] `takes` is not of the right form/,
    );
    assert.deepEqual(said("fakes: { build: { takes: 99999w } }"), ["WF011 [99999w] `takes` is longer than 100 years"]);
    assert.match(said("fakes: { build: { fail: { cod: X } } }").join("; "), /\[cod\] .*did you mean `code`\?/);
    assert.match(said("fakes: { build: { fail: [] } }")[0] ?? "", /`fail` must be text, is a list/);
    assert.match(said("expect: { took: { atleast: 5m } }")[0] ?? "", /\[atleast\] .*did you mean `atLeast`\?/);
    assert.match(said("expect: { took: soon }")[0] ?? "", /\[soon\] `took` is not of the right form/);
    for (const at of ["yesterday", "2026-02-30T00:00:00Z", "1969-12-31T00:00:00Z"])
      assert.match(said(`at: "${at}"`)[0] ?? "", /^WF011 .* `at` must be a time since 1970 with its offset/);
    assert.deepEqual(said("environment: { at: home }\ninputs: { at: x }"), [
      "WF012 [at] `at` is no input; there are hosts",
    ]);
    assert.match(said("limits: { attempts: 0 }")[0] ?? "", /^WF011 \[0\] `attempts` must be at least 1/);
    assert.match(
      problems("kind: WorkflowTests\ncases: []\n")
        .map(({ rule }) => rule)
        .join(" "),
      /WF014/,
    );
    assert.match(problems(`${HEAD}cases: []\n`)[0]?.message ?? "", /`cases` must have at least 1 element/);
    assert.match(problems("")[0]?.message ?? "", /^the test file is empty$/);
    assert.match(problems("a: &x 1\n")[0]?.rule ?? "", /WF005/);
  });

  it("knows the tasks, types, inputs and outputs of its runbook", () => {
    assert.deepEqual(said("fakes: { biuld: {} }"), [
      "WF012 [biuld] `biuld` is no task; there are build, exec@1, build.undo, gate, approval@1, deploy, deploy.undo, check, http@1, tell, noop@1; did you mean `build`?",
    ]);
    assert.match(
      said('fakes: { "exec@2": {} }')[0] ?? "",
      /`exec@2` is a task type that this runbook does not use; it uses .*did you mean `exec@1`/,
    );
    assert.match(said("fakes: { gate: {} }")[0] ?? "", /gate is carried out by the engine itself/);
    assert.match(
      said("approvals: { build: approve }")[0] ?? "",
      /^WF012 \[build\] `build` asks no people; there are gate/,
    );
    assert.match(said("inputs: { host: [] }")[0] ?? "", /`host` is no input; there are hosts; did you mean `hosts`/);
    assert.match(said("expect: { outputs: { code: 1 } }")[0] ?? "", /`code` is no output; there are told/);
    assert.match(said("deny: [deplay]")[0] ?? "", /^WF012 \[deplay\] .*did you mean `deploy`/);
    assert.match(said("cancel: { during: chekc }")[0] ?? "", /^WF012 \[chekc\] .*did you mean `check`/);
    assert.match(
      said("expect: { that: [status == 1, outputz.x] }")[0] ?? "",
      /^WF012 \[outputz.x\] `outputz` is nothing of a run/,
    );
    assert.match(said("expect: { that: ['1 +'] }")[0] ?? "", /^WF011 .*not valid CEL/);
    assert.deepEqual(said('fakes: { "deploy[1]": {}, "deploy.undo": {}, "http@1": { output: { status: 200 } } }'), []);
  });

  it("knows what can happen, so that nothing passes because it cannot", () => {
    assert.match(
      said("expect: { never: [attempt_startd build] }")[0] ?? "",
      /`attempt_startd` is no kind of event; there are run_created, .* more; did you mean `attempt_started`\?/,
    );
    assert.match(said("expect: { events: [attempt_started biuld] }")[0] ?? "", /did you mean `build`\?/);
    assert.match(said("expect: { never: [policy_decided deplay deny] }")[0] ?? "", /did you mean `deploy`\?/);
    assert.match(said("expect: { undone: [biuld] }")[0] ?? "", /^WF012 \[biuld\] .*did you mean `build`\?/);
    assert.match(said("expect: { decisions: [{ task: biuld }] }")[0] ?? "", /^WF012 \[biuld\]/);
    assert.deepEqual(
      said(
        "expect: { events: ['attempt_started deploy[1]', policy_decided allow, policy_decided build deny, run_ended failed], undone: ['deploy[0]'] }",
      ),
      [],
    );
    assert.match(
      said('fakes: { "build[0]": {} }')[0] ?? "",
      /names an item, and build has none.*did you mean `build`\?/,
    );
    assert.deepEqual(said('fakes: { "deploy.undo[0]": {} }'), []);
    assert.match(said("signals: [{ name: go }]")[0] ?? "", /`go` is no signal that a task waits for; there are none/);
    assert.match(
      problems(`${HEAD}cases:\n  - name: x\n  - name: y\n  - name: x\n`)[0]?.message ?? "",
      /^`x` is the name of the case in line 4 already$/,
    );
  });

  it("tells what is wrong in its form and what its names mean at once", () => {
    const text = `${HEAD}cases:
  - name: one
    seed: -1
    fakes: { biuld: {}, check: [{ outptu: 1 }] }
  - 5
  - fakes: { chekc: {} }
    expect: { never: [3, no_such_event], undone: [biuld] }
`;
    assert.deepEqual(
      problems(text)
        .toSorted((a, b) => a.line - b.line || a.column - b.column)
        .map(({ rule, line, column }) => `${rule} ${line}:${column}`),
      ["WF011 5:11", "WF012 6:14", "WF010 6:35", "WF011 7:5", "WF013 8:5", "WF012 8:14", "WF011 9:23", "WF012 9:51"],
    );
  });

  it("refuses outputs that a task type cannot give", () => {
    assert.deepEqual(said("fakes: { check: { output: { status: ok } } }"), [
      'WF011 [ok] `output.status` must be a whole number, is "ok", and that is nothing http@1 can give',
    ]);
    assert.deepEqual(said("fakes: { check: { output: { status: '${{ input.status }}' } } }"), []);
    assert.match(said("fakes: { check: { output: '${{ 1 + }}' } }")[0] ?? "", /^WF011 .*not valid CEL/);
    assert.match(
      said("fakes: { check: { real: true, output: {} } }")[0] ?? "",
      /a real attempt does what its type does/,
    );
  });

  it("takes the examples of its own schema", () => {
    const check = compileSchema(WORKFLOW_TEST_SCHEMA);
    const catalogue = new URL(
      "../../../../catalog/release-evidence/release-evidence.maestro.test.yaml",
      import.meta.url,
    );
    const text = readFileSync(catalogue, "utf8");
    assert.deepEqual(check(parse(text)), []);
    assert.ok("file" in readTests(text, "x.maestro.test.yaml"));
    assert.notDeepEqual(
      check({ apiVersion: "maestro/v1", kind: "WorkflowTest", cases: [{ name: "x", fakes: { a: { fault: "x" } } }] }),
      [],
    );
  });
});
