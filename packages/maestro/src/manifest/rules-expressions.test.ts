import type { RULES_OF_EXPRESSIONS } from "../core/rules-expressions.ts";
import { type Case, spec, testRules } from "./rule-cases.ts";

/** Every rule about expressions, with manifests that break it. */
const CASES: Readonly<Record<keyof typeof RULES_OF_EXPRESSIONS, readonly Case[]>> = {
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
};

testRules(CASES);
