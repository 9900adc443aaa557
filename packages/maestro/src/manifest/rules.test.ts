import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RULES } from "../core/rules.ts";
import { exampleEnv, manifestOf } from "./example.ts";
import { loadManifest } from "./load.ts";

interface Case {
  readonly name?: string;
  readonly text: string | Uint8Array;
  /** What stands under the caret. */
  readonly at?: string;
  readonly message: RegExp;
  readonly fix?: RegExp;
}

const spec = (lines: string, rest: Omit<Case, "text">): Case => ({ text: manifestOf(lines), ...rest });

/** Every rule, with manifests that break it. */
const CASES: Readonly<Record<keyof typeof RULES, readonly Case[]>> = {
  WF001: [{ text: new Uint8Array([0x61, 0xff]), message: /not UTF-8/ }],
  WF002: [{ text: "#".repeat(1_048_577), message: /has 1048577 bytes, and 1048576/ }],
  WF003: [{ text: manifestOf("  tasks: [a\n"), message: /flow sequence/ }],
  WF004: [spec("  tasks: {}\n  tasks: {}\n", { at: "tasks", message: /`tasks` is given twice/ })],
  WF005: [spec("  tasks: &all {}\n", { at: "&all", message: /anchors have no form in JSON/ })],
  WF006: [{ text: "[".repeat(100), message: /deeper than 64/ }],
  WF010: [
    spec("  tasks:\n    a: { uses: pause@1, timout: { run: 5m } }\n", {
      at: "timout",
      message: /`timout` is no field here; there are description, uses/,
      fix: /did you mean `timeout`\?/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x], evn: {} } }\n", {
      name: "in `with`",
      at: "evn",
      message: /`run@1` takes no `evn`; there are argv/,
      fix: /did you mean `env`\?/,
    }),
  ],
  WF011: [
    spec("  tasks:\n    a: { uses: pause@1, retry: { attempts: three } }\n", {
      at: "three",
      message: /`attempts` must be a whole number, is "three"/,
    }),
    spec("  onFailure: rolback\n  tasks: { a: { uses: pause@1 } }\n", {
      name: "choices",
      at: "rolback",
      message: /must be "stop", "rollback"; is "rolback"/,
      fix: /did you mean `rollback`\?/,
    }),
    spec("  tasks: { a-b: { uses: pause@1 } }\n", {
      name: "names",
      at: "a-b",
      message: /`a-b` cannot be a name here: .*write `a_b`/,
    }),
    spec("  budget: { wall: 99999999w }\n  tasks: { a: { uses: pause@1 } }\n", {
      name: "durations",
      at: "99999999w",
      message: /is no duration such as 30s or 1h30m, or is longer than 100 years/,
    }),
    spec("  budget: { wall: 5m1h }\n  tasks: { a: { uses: pause@1 } }\n", {
      name: "the form of durations",
      at: "5m1h",
      message: /not of the right form, such as "30m"; is "5m1h"/,
    }),
    spec("  tasks: {}\n", { name: "emptiness", at: "{}", message: /`tasks` must not be empty/ }),
    spec("  tasks: { a: { uses: pause@1, needs: [b, b] }, b: { uses: pause@1 } }\n", {
      name: "repetitions",
      at: "b",
      message: /element 1 of `needs` repeats element 0/,
    }),
    spec("  tasks: { a: { uses: pause@1 } }\n  triggers: [{ schedule: { cron: 0 3 * * * }, purpose: tset }]\n", {
      name: "purposes of triggers",
      at: "tset",
      message: /`purpose` must be one of test; is "tset"/,
    }),
  ],
  WF012: [
    spec("  tasks:\n    test: { uses: pause@1 }\n    ship: { uses: pause@1, needs: [tset] }\n", {
      at: "tset",
      message: /task "ship" needs "tset", which does not exist/,
      fix: /did you mean "test"\?/,
    }),
    spec("  tasks:\n    test: { uses: pause@1 }\n    ship: { uses: pause@1, when: tasks.tset.failed == 0 }\n", {
      name: "in expressions",
      at: "tset",
      message: /there is no task `tset`; there are test, ship/,
      fix: /did you mean `test`\?/,
    }),
  ],
  WF013: [
    {
      text: "apiVersion: maestro/v1\nkind: Runbook\nmetadata: { version: 1.0.0 }\nspec: { purposes: [a], tasks: { a: { uses: pause@1 } } }\n",
      at: "{ version: 1.0.0 }",
      message: /`metadata` lacks `name`/,
      fix: /add `name`/,
    },
  ],
  WF014: [
    {
      text: manifestOf("  tasks: { a: { uses: pause@1 } }\n").replace("maestro/v1", "maestro/v9"),
      at: "maestro/v9",
      message: /`apiVersion` must be "maestro\/v1", is "maestro\/v9"/,
    },
    {
      name: "kind",
      text: manifestOf("  tasks: { a: { uses: pause@1 } }\n").replace("Runbook", "Workflow"),
      at: "Workflow",
      message: /`kind` must be "Runbook"/,
    },
  ],
  WF020: [
    spec(
      "  tasks:\n    a: { uses: pause@1, needs: [b] }\n    b: { uses: pause@1, needs: [c] }\n    c: { uses: pause@1, needs: [a] }\n    d: { uses: pause@1, needs: [a] }\n",
      { at: "b", message: /^tasks wait for each other: a → b → c → a$/ },
    ),
    spec("  tasks:\n    a: { uses: pause@1, when: tasks.b.failed == 0 }\n    b: { uses: pause@1, needs: [a] }\n", {
      name: "through an expression",
      at: "tasks.b",
      message: /a → b → a/,
    }),
    spec("  tasks:\n    a: { uses: pause@1, needs: [a] }\n", { name: "of one", at: "a", message: /a → a/ }),
  ],
  WF021: [
    spec('  tasks:\n    a: { uses: pause@1, when: "1 > 2" }\n', {
      at: '"1 > 2"',
      message: /task "a" never runs: its `when` is always false/,
    }),
    spec('  tasks:\n    a: { uses: pause@1, when: "false" }\n    b: { uses: pause@1, needs: [a] }\n', {
      name: "what needs it",
      at: "b",
      message: /task "b" never runs, because it needs "a"/,
    }),
  ],
  WF022: [
    spec("  tasks:\n    a: { uses: pause@1, needs: [z] }\n  finally:\n    z: { uses: pause@1 }\n", {
      at: "z",
      message: /`z` is one of `finally`/,
    }),
    spec("  tasks:\n    a: { uses: pause@1, when: tasks.z.failed == 0 }\n  finally:\n    z: { uses: pause@1 }\n", {
      name: "in expressions",
      at: "tasks.z",
      message: /`z` is one of `finally`.* cannot be read here/,
    }),
  ],
  WF023: [
    spec("  tasks:\n    a: { uses: pause@1 }\n  finally:\n    a: { uses: pause@1 }\n", {
      at: "a",
      message: /`a` is also the name of a task in `tasks`/,
    }),
  ],
  WF030: [
    spec('  inputs: { env: { type: string } }\n  tasks:\n    a: { uses: pause@1, when: inputs.env = "prod" }\n', {
      at: "=",
      message: /not valid CEL/,
      fix: /did you mean `==`\?/,
    }),
    spec(
      "  inputs: { env: { type: string } }\n  tasks:\n    a: { uses: pause@1, when: inputs.env.beginsWith('x') }\n",
      { name: "functions", message: /there is no function `beginsWith`/ },
    ),
    spec('  tasks:\n    a: { uses: run@1, with: { argv: ["${{ 1 + }}"] } }\n', {
      name: "in values",
      message: /not valid CEL/,
    }),
    spec('  tasks:\n    a: { uses: run@1, with: { argv: ["${{ 1"] } }\n', {
      name: "not closed",
      message: /not closed by `}}`/,
    }),
    spec(`  tasks:\n    a: { uses: pause@1, when: "${"(".repeat(200)}" }\n`, {
      name: "too deep",
      message: /nested deeper than 32 levels/,
    }),
  ],
  WF031: [
    spec('  tasks:\n    a: { uses: pause@1, when: error.code == "X" }\n', {
      at: "error",
      message: /`error` is not known in this place; there are inputs, run, tasks, now/,
    }),
    spec("  tasks:\n    a: { uses: pause@1, when: input.x }\n", {
      name: "misspelt",
      at: "input",
      message: /`input` is not a known name/,
      fix: /did you mean `inputs`\?/,
    }),
    spec("  concurrency: { key: tasks.a.status }\n  tasks: { a: { uses: pause@1 } }\n", {
      name: "too early",
      at: "tasks",
      message: /`tasks` are not known in this place: nothing has run yet/,
    }),
    spec(
      '  tasks:\n    a: { uses: run@1, forEach: { items: "[1]", as: n }, when: n == 1, with: { argv: ["${{ n }}"] } }\n',
      { name: "an item outside its fan-out", at: "n", message: /`n` is not a known name/ },
    ),
  ],
  WF032: [
    spec(
      "  inputs: { path: { type: string } }\n  tasks:\n    a: { uses: make/list@1, with: { path: '${{ inputs.pth }}' } }\n",
      { at: "pth", message: /there is no input `pth`; there is path/, fix: /did you mean `path`\?/ },
    ),
    spec("  tasks: { a: { uses: pause@1 } }\n  triggers: [{ schedule: { cron: 0 3 * * * }, inputs: { x: 1 } }]\n", {
      name: "of triggers",
      at: "x",
      message: /there is no input `x`/,
    }),
  ],
  WF033: [
    spec(
      "  tasks:\n    a: { uses: run@1, with: { argv: [x] } }\n    b: { uses: pause@1, when: tasks.a.output.exti == 0 }\n",
      {
        at: "exti",
        message: /`tasks.a.output` has no `exti`; there are exit, value, lines/,
        fix: /did you mean `exit`\?/,
      },
    ),
    spec(
      "  tasks:\n    a: { uses: run@1, with: { argv: [x] } }\n    b: { uses: pause@1, when: tasks.a.outputs.exit == 0 }\n",
      { name: "of a task", at: "outputs", message: /`tasks.a` has no `outputs`/, fix: /did you mean `output`\?/ },
    ),
    spec(
      "  tasks:\n    a: { uses: run@1, with: { argv: [x] } }\n    b: { uses: pause@1, when: tasks.a.output.exit.code == 0 }\n",
      { name: "of a number", at: "code", message: /`tasks.a.output.exit` is a whole number and has no `code`/ },
    ),
    spec(
      "  tasks:\n    a: { uses: make/list@1, with: { path: x } }\n    b: { uses: run@1, forEach: { items: tasks.a.output.packages, as: p }, with: { argv: ['${{ p.nmae }}'] } }\n",
      {
        name: "of a fan-out's item, through $ref",
        at: "nmae",
        message: /`p` has no `nmae`; there are name, count/,
        fix: /`name`/,
      },
    ),
    spec(
      "  tasks:\n    a: { uses: make/list@1, with: { path: x } }\n    b: { uses: pause@1, when: 'tasks.a.output.packages.all(p, p.cuont > 0)' }\n",
      { name: "of a loop variable", at: "cuont", message: /`tasks.a.output.packages\[…\]` has no `cuont`/ },
    ),
  ],
  WF034: [
    spec("  tasks:\n    a: { uses: pause@1 }\n    b: { uses: pause@1, when: tasks.a.failed }\n", {
      at: "tasks.a.failed",
      message: /`when` must be true or false, but the expression gives a whole number/,
      fix: /compare it/,
    }),
    spec("  tasks:\n    b: { uses: run@1, forEach: { items: \"'x' + 'y'\" }, with: { argv: [x] } }\n", {
      name: "of a fan-out",
      message: /`forEach.items` must be a list, but the expression gives text/,
    }),
    spec(
      "  inputs: { n: { type: string } }\n  tasks:\n    b: { uses: run@1, with: { argv: [x], retries: '${{ inputs.n }}' } }\n",
      { name: "of a task's input", message: /`retries` must be a whole number, but the expression gives text/ },
    ),
    spec("  tasks:\n    b: { uses: run@1, with: { argv: [x], retries: '${{ 1 }}${{ 2 }}' } }\n", {
      name: "of text with expressions",
      message: /`retries` must be a whole number, but the expression gives text/,
    }),
  ],
  WF035: [
    spec(
      "  inputs: { tag: { type: string, optional: true } }\n  tasks:\n    a: { uses: pause@1, when: inputs.tag != '' }\n",
      { at: "tag", message: /input `tag` is optional/, fix: /has\(inputs.tag\)/ },
    ),
  ],
  WF036: [
    spec(
      "  inputs: { title: { type: string } }\n  tasks:\n    a: { uses: run@1, with: { script: 'echo ${{ inputs.title }}' } }\n",
      {
        at: "${{ inputs.title }}",
        message: /`script` takes no expressions: text pasted into a script becomes code/,
        fix: /`env` or `argv`/,
      },
    ),
  ],
  WF037: [
    spec('  tasks:\n    a: { uses: pause@1, forEach: { items: "[1]", as: run } }\n', {
      at: "run",
      message: /`run` is the name of something else/,
    }),
  ],
  WF038: [
    spec("  inputs: { go: { type: boolean } }\n  tasks:\n    a: { uses: pause@1, when: '${{ inputs.go }}' }\n", {
      message: /`when` is an expression already/,
      fix: /write inputs.go/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x], env: { '${{ x }}': a } } }\n", {
      name: "in keys",
      message: /names are not computed/,
    }),
  ],
  WF039: [
    spec(
      "  inputs: { w: { type: string } }\n  tasks:\n    a: { uses: pause@1, when: 'tasks[inputs.w].failed == 0' }\n",
      { at: "inputs.w", message: /tasks are read by name/ },
    ),
    spec("  tasks:\n    a: { uses: pause@1, when: tasks.a.failed == 0 }\n", {
      name: "of itself",
      at: "a",
      message: /`a` cannot read its own result/,
    }),
    spec("  tasks:\n    a: { uses: pause@1, when: size(tasks) > 0 }\n", {
      name: "all at once",
      at: "tasks",
      message: /tasks are read by name/,
    }),
  ],
  WF040: [
    spec("  tasks:\n    a: { uses: rnu@1 }\n", {
      at: "rnu@1",
      message: /there is no task type `rnu`/,
      fix: /did you mean `run@1`\?/,
    }),
    spec("  tasks:\n    a: { uses: run@7, with: { argv: [x] } }\n", {
      name: "versions",
      at: "run@7",
      message: /there is no version 7 of the task type `run`; there is run@1/,
    }),
    spec("  tasks:\n    a: { uses: runbook:team/clean@2 }\n", {
      name: "runbooks",
      at: "runbook:team/clean@2",
      message: /there is no runbook `team\/clean@2` here/,
    }),
  ],
  WF041: [
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x], retries: 12 } }\n", {
      at: "12",
      message: /`retries` must be at most 9, is 12/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x], mode: carefull } }\n", {
      name: "choices",
      at: "carefull",
      message: /`mode` must be "fast", "careful"/,
      fix: /did you mean `careful`\?/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { env: {} } }\n", {
      name: "alternatives",
      message: /`with` needs one of `argv`, `script`/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x], script: y } }\n", {
      name: "alternatives given together",
      message: /needs one of `argv`, `script`, and not several of them/,
    }),
  ],
  WF042: [
    spec("  tasks:\n    a: { uses: make/list@1 }\n", {
      at: "a",
      message: /`make\/list@1` needs `path`/,
      fix: /add `path`/,
    }),
    spec(
      "  inputs: { x: { type: string } }\n  tasks: { a: { uses: pause@1, when: inputs.x == '' } }\n  triggers: [{ schedule: { cron: 0 3 * * * } }]\n",
      { name: "of triggers", message: /the trigger gives no `x`/ },
    ),
  ],
  WF043: [
    spec("  tasks:\n    a: { uses: pause@1, runner: { sandbox: strict } }\n", {
      at: "runner",
      message: /`runner` has no effect on `pause@1`/,
    }),
  ],
  WF044: [
    spec("  inputs: { n: { type: integer, default: many } }\n  tasks: { a: { uses: pause@1, when: inputs.n > 1 } }\n", {
      at: "many",
      message: /the default of `n` must be a whole number, is "many"/,
    }),
    spec(
      "  inputs: { n: { type: array, items: { type: string }, default: [a, 1] } }\n  tasks: { a: { uses: pause@1, when: size(inputs.n) > 1 } }\n",
      { name: "inside", at: "1", message: /the default of `n` has a wrong `1`, which must be text/ },
    ),
  ],
  WF045: [
    spec("  budget: { tasks: 1 }\n  tasks: { a: { uses: pause@1 }, b: { uses: pause@1 } }\n", {
      at: "1",
      message: /the budget allows 1 attempt, and there are more tasks/,
    }),
    spec("  budget: { wall: 1m }\n  tasks: { a: { uses: pause@1, timeout: { run: 1h } } }\n", {
      name: "of time",
      at: "1h",
      message: /task "a" may take 1h, longer than the whole run \(`budget.wall` is 1m\)/,
    }),
  ],
  WF046: [
    spec('  tasks: { a: { uses: pause@1 } }\n  triggers: [{ schedule: { cron: "0 3 31 2 *" } }]\n', {
      at: '"0 3 31 2 *"',
      message: /never comes due/,
    }),
    spec('  tasks: { a: { uses: pause@1 } }\n  triggers: [{ schedule: { cron: "99 3 * * *" } }]\n', {
      name: "form",
      at: '"99 3 * * *"',
      message: /is no cron expression/,
    }),
    spec(
      '  tasks: { a: { uses: pause@1 } }\n  triggers: [{ schedule: { cron: "0 3 * * *", timezone: Mars/Olympus } }]\n',
      { name: "time zones", at: "Mars/Olympus", message: /is no time zone/ },
    ),
  ],
  WF050: [
    spec("  inputs: { dry: { type: boolean, default: false } }\n  tasks: { a: { uses: pause@1 } }\n", {
      at: "dry",
      message: /nothing reads the input `dry`/,
    }),
  ],
  WF051: [
    spec("  tasks:\n    a: { uses: pause@1, sensitive: true }\n", {
      at: "sensitive",
      message: /task "a" is sensitive, and nobody is asked/,
    }),
  ],
  WF052: [
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x] } }\n", {
      at: "a",
      message: /task "a" runs a command without a time limit/,
    }),
  ],
  WF053: [
    spec(
      "  tasks:\n    a: { uses: run@1, with: { argv: [x] }, sensitive: true, approvals: {}, timeout: { run: 1m } }\n",
      { at: "a", message: /task "a" may run twice/ },
    ),
  ],
  WF054: [
    spec(`  tasks:\n    a: { uses: run@1, with: { argv: [x], env: { K: ghp_${"a1".repeat(18)} } } }\n`, {
      message: /`K` looks like a secret in plain text/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [x], env: { DB_PASSWORD: hunter2hunter2 } } }\n", {
      name: "by its name",
      at: "hunter2hunter2",
      message: /`DB_PASSWORD` looks like a secret/,
    }),
    spec("  tasks:\n    a: { uses: run@1, with: { argv: [psql, 'postgres://app:s3cretpw@db/app'] } }\n", {
      name: "in a URL",
      message: /this looks like a secret/,
    }),
  ],
  WF055: [
    spec("  tasks:\n    # maestro-ignore WF052\n    a: { uses: run@1, with: { argv: [x] } }\n", {
      message: /say why: `# maestro-ignore WF052: reason`/,
    }),
    spec("  tasks:\n    # maestro-ignore WF999: because\n    a: { uses: pause@1 }\n", {
      name: "unknown rules",
      message: /there is no rule WF999/,
    }),
    spec("  tasks:\n    # maestro-ignore WF040: because\n    a: { uses: pasue@1 }\n", {
      name: "errors",
      message: /WF040 is an error, and errors cannot be ignored/,
    }),
    spec("  tasks:\n    # maestro-ignore WF052: because\n    a: { uses: pause@1 }\n", {
      name: "nothing to ignore",
      message: /there is no WF052 on line 8 to ignore/,
    }),
    spec("  tasks:\n    # maestro-ignore: WF052\n    a: { uses: pause@1 }\n", {
      name: "form",
      message: /does not have the form/,
    }),
  ],
  WF058: [
    spec("  onFailure: rollback\n  tasks: { a: { uses: pause@1 } }\n", {
      at: "rollback",
      message: /no task says how to `undo` it/,
    }),
    spec("  tasks: { a: { uses: pause@1, undo: { uses: pause@1 } } }\n", {
      name: "undo alone",
      at: "undo",
      message: /`undo` never runs without `onFailure: rollback`/,
    }),
  ],
};

for (const [rule, cases] of Object.entries(CASES)) {
  const { title, severity } = RULES[rule as keyof typeof RULES];
  describe(`${rule}: ${title}`, () => {
    for (const one of cases) {
      it(one.name ?? "is found", async () => {
        const result = await loadManifest(one.text, "test.yaml", exampleEnv);
        const found = result.diagnostics.filter((diagnostic) => diagnostic.rule === rule);
        assert.ok(
          found.length > 0,
          `found only ${result.diagnostics.map((other) => `${other.rule} ${other.message}`).join("\n")}`,
        );
        const match = found.find((diagnostic) => one.message.test(diagnostic.message));
        assert.ok(match !== undefined, `found only ${found.map((other) => other.message).join("\n")}`);
        assert.equal(match.severity, severity);
        assert.equal(result.ok, !result.diagnostics.some((diagnostic) => diagnostic.severity === "error"));
        if (one.fix !== undefined) assert.match(match.fix ?? "", one.fix);
        if (one.at !== undefined) assert.equal(match.snippet.slice(match.column - 1, match.endColumn - 1), one.at);
      });
    }
  });
}
