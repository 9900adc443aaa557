import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canonical } from "../core/canonical.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { exampleEnv, manifestOf } from "./example.ts";
import { type LoadResult, loadManifest } from "./load.ts";
import { formatGithub, formatHuman, toJson } from "./report.ts";
import { toSarif } from "./report-sarif.ts";
import { readSource } from "./source.ts";

const BROKEN = manifestOf(`
  tasks:
    test: { uses: run@1, with: { argv: [x] }, timeout: { run: 1m } }
    migrate:
      uses: run@1
      needs: [tset]
      with: { argv: [x] }
`);

function load(text: string | Uint8Array): Promise<LoadResult> {
  return loadManifest(text, "deploy.yaml", exampleEnv);
}

describe("loadManifest()", () => {
  it("tells everything at once, in the order of the file", async () => {
    const { diagnostics } = await load(BROKEN);
    assert.deepEqual(
      diagnostics.map((one) => [one.rule, one.line, one.column, one.endColumn]),
      [
        ["WF052", 8, 5, 12],
        ["WF012", 10, 15, 19],
      ],
    );
  });

  it("takes what it must from a good manifest", async () => {
    const text = manifestOf("  tasks: { a: { uses: pause@1 } }\n");
    const result = await load(text);
    assert.ok(result.ok);
    assert.deepEqual(result.diagnostics, []);
    assert.equal(result.canonicalManifest, canonical(readSource(text).value ?? null));
    assert.equal(result.manifestDigest, digestOf(readSource(text).value ?? null));
    assert.equal(result.plan.workflow.digest, result.manifestDigest);
    assert.equal(result.planDigest, digestOf(JSON.parse(JSON.stringify(result.plan)) as JsonValue));
  });

  it("asks for the runbooks that are named, once each", async () => {
    const child = await load(
      manifestOf(
        "  inputs: { path: { type: string } }\n  tasks: { a: { uses: make/list@1, with: { path: '${{ inputs.path }}' } } }\n  outputs: { n: '${{ size(tasks.a.output.packages) }}' }\n",
      ),
    );
    assert.ok(child.ok);
    const asked: unknown[] = [];
    const known = {
      digest: child.planDigest,
      namespace: "team",
      name: "list",
      version: "2.1.0",
      text: JSON.stringify(child.plan),
    };
    const env = { ...exampleEnv, runbook: async (ref: unknown) => (asked.push(ref), known) };
    const parent = await loadManifest(
      manifestOf(
        "  tasks:\n    a: { uses: 'runbook:team/list@2', with: { path: x } }\n    b: { uses: 'runbook:team/list@2', with: { path: y } }\n  outputs: { n: '${{ tasks.a.output.n }}' }\n",
      ),
      "p.yaml",
      env,
    );
    assert.ok(parent.ok, formatHuman(parent.diagnostics));
    assert.deepEqual(asked, [{ namespace: "team", name: "list", version: "2" }]);
    assert.deepEqual(parent.plan.tasks[0]?.uses, {
      kind: "runbook",
      namespace: "team",
      name: "list",
      version: "2.1.0",
      planDigest: child.planDigest,
    });
    const wrong = await loadManifest(
      manifestOf(
        "  tasks:\n    a: { uses: 'runbook:team/list@2', with: { pth: x } }\n  outputs: { n: '${{ tasks.a.output.m }}' }\n",
      ),
      "p.yaml",
      env,
    );
    assert.deepEqual(
      wrong.diagnostics.map((one) => one.rule),
      ["WF042", "WF010", "WF033"],
    );
  });

  it("gives one digest to one content, whatever the order of keys, the comments and the notation", async () => {
    const text = manifestOf(
      '  inputs: { n: { type: integer, default: 1 } }\n  tasks:\n    a: { uses: pause@1, when: "inputs.n > 0", with: { seconds: 1.50 } } # here\n',
    );
    const value = readSource(text).value as JsonObject;
    const first = await load(text);
    assert.ok(first.ok);
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.constantFrom(undefined, 1, 4), async (numbers, indent) => {
        const result = await load(JSON.stringify(shuffled(value, numbers), null, indent));
        assert.ok(result.ok, formatHuman(result.diagnostics));
        assert.equal(result.manifestDigest, first.manifestDigest);
      }),
      { numRuns: 30 },
    );
  });

  it("gives the same plan each time", async () => {
    const text = manifestOf(
      "  tasks:\n    b: { uses: pause@1, needs: [a] }\n    a: { uses: pause@1 }\n    c: { uses: pause@1, when: tasks.b.failed == 0 }\n",
    );
    const [one, two] = [await load(text), await load(text)];
    assert.ok(one.ok && two.ok);
    assert.equal(one.planDigest, two.planDigest);
    assert.deepEqual(one.plan, two.plan);
  });

  it("answers whatever it is given, with a place in the file for everything it says", async () => {
    const word = fc.constantFrom(
      "apiVersion: maestro/v1",
      "kind: Runbook",
      "metadata: { name: a }",
      "spec:",
      "  purposes: [a]",
      "  tasks:",
      "    a: { uses: pause@1 }",
      "    b: { uses: run@1, with: { argv: ['${{ inputs.x }}'] } }",
      "  inputs: { x: { type: string } }",
      "    c: { uses: pause@1, when: tasks.a.failed == 0 }",
      "    c: { uses: pause@1, forEach: { items: '[1]' }, needs: [b] }",
      "# maestro-ignore WF052: x",
      "    - a",
      "  outputs: { a: '${{ tasks.c.output.x }}' }",
      "x: 1",
      "",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 16 }), async (lines) => {
        const text = [
          "apiVersion: maestro/v1",
          "kind: Runbook",
          "metadata: { name: a }",
          "spec:",
          "  purposes: [a]",
          "  tasks:",
          "    a: { uses: pause@1 }",
          ...lines,
        ].join("\n");
        const result = await load(text);
        const rows = text.split("\n");
        if (!result.ok) assert.ok(result.diagnostics.some((one) => one.severity === "error"));
        for (const one of result.diagnostics) {
          assert.equal(one.snippet, rows[one.line - 1]);
          assert.ok(one.column >= 1 && one.column <= one.snippet.length + 1, JSON.stringify(one));
          assert.ok(one.endLine > one.line || one.endColumn >= one.column, JSON.stringify(one));
        }
      }),
      { numRuns: 120 },
    );
  });

  it("answers for any JSON in any field", async () => {
    const fields = [
      "uses",
      "needs",
      "with",
      "forEach",
      "when",
      "retry",
      "timeout",
      "until",
      "cache",
      "approvals",
      "secrets",
      "runner",
      "artifacts",
      "undo",
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 3 }), async (field, value) => {
        const manifest = {
          apiVersion: "maestro/v1",
          kind: "Runbook",
          metadata: { name: "a" },
          spec: { purposes: ["a"], tasks: { a: { uses: "run@1", with: { argv: ["x"] }, [field]: value } } },
        };
        const result = await load(JSON.stringify(manifest));
        assert.ok(result.ok || result.diagnostics.length > 0);
      }),
      { numRuns: 120 },
    );
  });
});

describe("ignore comments", () => {
  const task = "a: { uses: run@1, with: { argv: [x] } }";
  const table: readonly (readonly [string, string])[] = [
    ["on the line before", `    # maestro-ignore WF052: short\n    ${task}\n`],
    ["on the same line", `    ${task} # maestro-ignore WF052: short\n`],
    ["above another comment", `    # maestro-ignore WF052: short\n\n    # about a\n    ${task}\n`],
    [
      "for several rules",
      `    # maestro-ignore WF052, WF053: short\n    a: { uses: run@1, sensitive: true, approvals: {}, with: { argv: [x] } }\n`,
    ],
  ];
  for (const [name, lines] of table)
    it(`work ${name}`, async () => assert.deepEqual((await load(manifestOf(`  tasks:\n${lines}`))).diagnostics, []));

  it("do not work inside a text", async () => {
    const { diagnostics } = await load(
      manifestOf(`  tasks:\n    a: { uses: run@1, with: { argv: ["# maestro-ignore WF052: x"] } }\n`),
    );
    assert.deepEqual(
      diagnostics.map((one) => one.rule),
      ["WF052"],
    );
  });
});

describe("reports", () => {
  it("for people", async () => {
    const { diagnostics } = await load(BROKEN);
    assert.equal(
      formatHuman(diagnostics),
      `deploy.yaml:8:5: warning[WF052] task "migrate" runs a command without a time limit
   |
 8 |     migrate:
   |     ^~~~~~~
   = Add \`timeout: { run: 10m }\`, or \`budget: { wall: 1h }\` for the whole run.

deploy.yaml:10:15: error[WF012] task "migrate" needs "tset", which does not exist
   |
10 |       needs: [tset]
   |               ^~~~ did you mean "test"?
`,
    );
  });

  it("do not let a manifest write to the terminal", async () => {
    const { diagnostics } = await load(
      manifestOf('  tasks: { a: { uses: "pause@1", needs: ["\\e[31m", "\u202Ex"] } }\n'),
    );
    // oxlint-disable-next-line no-control-regex -- that there are none is the point.
    assert.doesNotMatch(formatHuman(diagnostics), /[\u0000-\u0009\u000b-\u001f\u202a-\u202e]/);
  });

  it("cut long lines around the caret", async () => {
    const { diagnostics } = await load(`{"a": "${"x".repeat(5000)}", "b": 1}`);
    for (const line of formatHuman(diagnostics).split("\n")) assert.ok(line.length < 250, line);
    assert.match(formatHuman(diagnostics), /…x*", "b": 1\}/);
  });

  it("as JSON", async () => {
    const [, one] = (await load(BROKEN)).diagnostics;
    assert.ok(one !== undefined);
    assert.deepEqual(toJson(one), {
      file: "deploy.yaml",
      line: 10,
      column: 15,
      endLine: 10,
      endColumn: 19,
      rule: "WF012",
      severity: "error",
      message: 'task "migrate" needs "tset", which does not exist',
      path: "spec.tasks.migrate.needs[0]",
      snippet: "      needs: [tset]",
      fix: 'did you mean "test"?',
    });
  });

  it("as GitHub annotations, escaped", async () => {
    const { diagnostics } = await loadManifest(BROKEN, "a,b:100%.yaml", exampleEnv);
    const lines = formatGithub(diagnostics).split("\n");
    assert.equal(lines.length, 2);
    assert.equal(
      lines[1],
      '::error file=a%2Cb%3A100%25.yaml,line=10,endLine=10,col=15,endColumn=19,title=WF012::task "migrate" needs "tset", which does not exist%0Adid you mean "test"?',
    );
  });

  it("as SARIF 2.1.0", async () => {
    const log = toSarif((await load(BROKEN)).diagnostics, "1.2.3");
    const [run] = log["runs"] as readonly JsonObject[];
    assert.ok(run !== undefined);
    const results = run["results"] as readonly JsonObject[];
    const driver = (run["tool"] as JsonObject)["driver"] as JsonObject;
    assert.equal(log["version"], "2.1.0");
    assert.equal(driver["semanticVersion"], "1.2.3");
    for (const result of results)
      assert.equal((driver["rules"] as readonly JsonObject[])[result["ruleIndex"] as number]?.["id"], result["ruleId"]);
    const [, second] = results;
    assert.ok(second !== undefined);
    const [location] = second["locations"] as readonly JsonObject[];
    assert.ok(location !== undefined);
    assert.deepEqual(((location["physicalLocation"] as JsonObject)["region"] as JsonObject)["startColumn"], 15);
    assert.deepEqual(
      results.map((result) => result["level"]),
      ["warning", "error"],
    );
  });
});

function shuffled(value: JsonValue, numbers: Iterator<number>): JsonValue {
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(
    ([key, member]) => [key, shuffled(member, numbers), numbers.next().value as number] as const,
  );
  return Object.fromEntries(members.toSorted((a, b) => a[2] - b[2]).map(([key, member]) => [key, member]));
}
