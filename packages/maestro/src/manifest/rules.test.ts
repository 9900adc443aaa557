import type { RuleId } from "../core/rules.ts";
import type { RULES_OF_EXPRESSIONS } from "../core/rules-expressions.ts";
import { manifestOf } from "./example.ts";
import { type Case, spec, testRules } from "./rule-cases.ts";

/** Every rule but those about expressions, with manifests that break it. */
const CASES: Readonly<Record<Exclude<RuleId, keyof typeof RULES_OF_EXPRESSIONS>, readonly Case[]>> = {
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
    spec("  tasks:\n    a: { uses: pause@1, identity: { audiences: [vault] } }\n", {
      name: "tokens for no command",
      at: "identity",
      message: /`identity` has no effect on `pause@1`/,
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
  WF059: [
    spec(
      "  tasks:\n    a: { uses: run@1, with: { argv: [x] }, identity: { audiences: [vault] }, runner: { sandbox: none } }\n",
      { at: "identity", message: /task "a" gets tokens outside a sandbox/ },
    ),
  ],
};

testRules(CASES);
