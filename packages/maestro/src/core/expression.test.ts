import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { JsonValue } from "./json.ts";
import {
  compileExpression,
  compileTemplate,
  ExpressionError,
  prepare,
  prepareTask,
  prepareTasks,
  prepareTime,
  type Scope,
} from "./expression.ts";

const artifact = { name: "a.tgz", path: "/w/a.tgz", digest: `sha256:${"0".repeat(64)}`, size: 3 } as const;

function scope(): Scope {
  const check = prepareTask({
    status: "succeeded",
    output: { list: [1, 2.5, { id: "x" }], none: null },
    artifacts: [artifact],
    failed: 0,
    succeeded: 1,
  });
  const pack = prepareTask({
    status: "failed",
    output: null,
    artifacts: [],
    failed: 1,
    succeeded: 1,
    items: [
      { status: "succeeded", output: { size: 7 }, artifacts: [artifact], error: null },
      { status: "failed", output: null, artifacts: [], error: { code: "EXIT", message: "exit 1" } },
    ],
  });
  return {
    inputs: prepare({
      path: ".",
      n: 3,
      half: 0.5,
      text: "abc",
      nothing: null,
      list: Array.from({ length: 60 }, (_, i) => i),
      many: Array.from({ length: 100_000 }, (_, i) => i),
    }),
    tasks: prepareTasks(["check", "pack", "later"], (id) => ({ check, pack })[id]),
    now: prepareTime(Date.UTC(2026, 0, 2, 3, 4, 5)),
  };
}

function evaluate(source: string): JsonValue {
  return compileExpression(source).evaluate(scope());
}

/** The error of compiling or evaluating; fails if there is none. */
function failure(source: string): ExpressionError {
  try {
    evaluate(source);
  } catch (thrown) {
    if (thrown instanceof ExpressionError) return thrown;
    throw thrown;
  }
  throw new assert.AssertionError({ message: `${source.slice(0, 80)} should fail` });
}

describe("expressions: values", () => {
  const table: readonly (readonly [string, JsonValue])[] = [
    ["inputs.n + inputs.half", 3.5],
    ["inputs.n * 2", 6],
    ["2 * inputs.half", 1],
    ["7 / 2", 3],
    ["7 / 2.0", 3.5],
    ["inputs.n % 2.0", 1],
    ["1 < 1.5 && 1.5 > 1 && 1 == 1.0", true],
    ["inputs.list[0] == 0.0 && 3.0 in inputs.list", true],
    ["0.0 * -1", 0],
    ['inputs["path"]', "."],
    ["has(inputs.nothing)", true],
    ["has(inputs.absent)", false],
    ["inputs.nothing == null", true],
    ["{'a': [1, {'b': null}]}", { a: [1, { b: null }] }],
    ["[1, 2] + inputs.list.filter(x, x > 57)", [1, 2, 58, 59]],
    ["inputs.list.map(x, x > 57, x * 2)", [116, 118]],
    ["[1, 2, 3].exists_one(x, x == 2)", true],
    ["inputs.text.upperAscii() + '-' + string(inputs.n)", "ABC-3"],
    ["'banana'.replace('a', 'o')", "bonono"],
    ["'banana'.replace('a', 'o', 2)", "bonona"],
    ["'ab'.replace('', '-')", "-a-b-"],
    ["''.replace('', 'x')", "x"],
    ["'%s has %d'.format(['a', 3])", "a has 3"],
    ["'a,b'.split(',').join(';')", "a;b"],
    ["'aaaa!'.matches('^(a+)+$')", false],
    ["now > timestamp('2026-01-01T00:00:00Z')", true],
    ["now + duration('90m')", "2026-01-02T04:34:05.000Z"],
    ["duration('90s')", "90s"],
    ["now - timestamp('2026-01-02T03:04:00Z') == duration('5s')", true],
    ["size('héllo') == 5 && size(inputs.list) == 60", true],
    ["int('-12') + int(2.9)", -10],
    ["type(1) == int && type(1.0) == double", true],
    ["9007199254740991", 9007199254740991],
  ];
  for (const [source, expected] of table) it(source, () => assert.deepEqual(evaluate(source), expected));

  it("gives back an object of the scope itself, not a copy", () => {
    const raw = { deep: [{ a: 1 }] };
    assert.equal(compileExpression("inputs.deep[0]").evaluate({ inputs: prepare(raw) }), raw.deep[0]);
  });

  it("hands JSON through unchanged", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.parse(JSON.stringify(value)) as JsonValue;
        assert.deepEqual(compileExpression("x").evaluate({ x: prepare(json) }), json);
        assert.deepEqual(compileExpression("[x][0] == x || !(x == x)").evaluate({ x: prepare(json) }), true);
      }),
    );
  });
});

describe("expressions: tasks", () => {
  const table: readonly (readonly [string, JsonValue])[] = [
    ["tasks.check.status", "succeeded"],
    ["tasks.check.output.list[2].id", "x"],
    ["tasks.check.artifacts[0].path", "/w/a.tgz"],
    ["tasks.pack.failed == 1 && tasks.pack.succeeded == 1", true],
    ["tasks.pack[0].output.size", 7],
    ["tasks.pack[0].artifacts", [artifact]],
    ["tasks.pack.items[1].error.code", "EXIT"],
    ["tasks.pack.output", [{ size: 7 }, null]],
    ["size(tasks.pack)", 2],
    ["tasks.pack.filter(i, i.status == 'failed').map(i, i.error.message)", ["exit 1"]],
    ["tasks.pack.items.all(i, has(i.status))", true],
    ["has(tasks.later)", false],
    ["'check' in tasks", true],
  ];
  for (const [source, expected] of table) it(source, () => assert.deepEqual(evaluate(source), expected));

  it("reads one item of a large fan-out without touching the others", () => {
    let touched = 0;
    const items = Array.from({ length: 100_000 }, (_, i) => ({
      status: "succeeded",
      artifacts: [],
      error: null,
      get output(): JsonValue {
        touched++;
        return i;
      },
    }));
    const view = {
      status: "succeeded",
      failed: 0,
      succeeded: items.length,
      items,
      get output(): JsonValue {
        throw new Error("the whole output was asked for");
      },
      get artifacts(): never {
        throw new Error("all artifacts were asked for");
      },
    };
    const looked: string[] = [];
    const tasks = prepareTasks(["a", "b"], (id) => {
      looked.push(id);
      return prepareTask(view);
    });
    assert.equal(compileExpression("tasks.a[77].output + tasks.a.failed").evaluate({ tasks }), 77);
    assert.equal(touched, 1);
    assert.deepEqual(looked, ["a", "a"]);
  });

  it("takes a hundred thousand items in one map", () => {
    const items = Array.from({ length: 100_000 }, (_, i) => ({
      status: "succeeded",
      output: i,
      artifacts: [],
      error: null,
    }));
    const tasks = prepareTasks(["a"], () =>
      prepareTask({ status: "succeeded", output: null, artifacts: [], failed: 0, succeeded: items.length, items }),
    );
    const result = compileExpression("tasks.a.items.map(i, i.output)").evaluate({ tasks });
    assert.ok(Array.isArray(result));
    assert.equal(result.length, 100_000);
    assert.equal(result[99_999], 99_999);
  });
});

describe("expressions: what goes wrong is explained", () => {
  const table: readonly (readonly [string, RegExp, number])[] = [
    ["tasks.chek.output", /^there is no `chek`; there are check, pack, later; did you mean `check`\?$/, 5],
    ["inputs.pth", /there is no `pth`; .*did you mean `path`\?/, 6],
    ["1 + foo", /^`foo` is not known here; known are inputs, tasks, now$/, 4],
    ["inputs.text > 3", /^`>` does not work on string, int$/, 12],
    ["inputs.text.contian('x')", /no function `contian`; did you mean `contains`\?/, 11],
    ["now() > now", /`now` is a name, not a function/, 0],
    ["inputs.list[99]", /^there is no element 99: the list has 60, counted from 0$/, 0],
    ["constructor", /`constructor` is not known here/, 0],
    ["__proto__.constructor", /`__proto__` is not known here/, 0],
    ["inputs.constructor", /there is no `constructor`/, 6],
    ["inputs.list[0", /not valid CEL: it cannot be read from `\[0`/, 11],
    ["1 +", /not valid CEL/, 2],
    ["", /is empty/, 0],
    ["9007199254740993", /beyond the whole numbers that JSON carries/, 0],
    ["b'x'", /bytes have no form in JSON/, 0],
    ["1.0 / 0.0", /is Infinity, which JSON cannot carry/, 0],
    ["1 / 0", /divide by zero/, 0],
    ["9223372036854775807 + 1", /overflow/, 0],
    ["{1: 2}", /keys must be strings.*write "1"/, 0],
    ["type(1)", /a type, not a value/, 0],
    ["int('')", /"" is not a whole number/, 0],
    ["int('0x10')", /not a whole number/, 0],
    ["double('many')", /"many" is not a number/, 0],
    ["google.protobuf.Struct{}", /only plain objects/, 0],
    ["'x'.matches('(')", /missing closing \)/, 3],
  ];
  for (const [source, message, offset] of table) {
    it(source || "(nothing)", () => {
      const error = failure(source);
      assert.match(error.message, message);
      assert.equal(error.source, source);
      assert.equal(error.offset, offset);
    });
  }

  it("names the suggestion as data", () => assert.equal(failure("inputs.pth").suggestion, "path"));
});

describe("expressions: limits", () => {
  const steps = /takes too many steps/;
  const table: readonly (readonly [string, string, RegExp])[] = [
    [
      "four loops in each other",
      "inputs.list.all(a, inputs.list.all(b, inputs.list.all(c, inputs.list.all(d, true))))",
      steps,
    ],
    ["a short loop over a long list, often", "inputs.many.all(a, inputs.many.exists(b, true))", steps],
    ["errors that `||` would swallow", "inputs.many.map(a, inputs.many.map(b, 1)).size() > 0 || true", steps],
    ["errors in a loop", "inputs.many.exists(a, a < 'x')", steps],
    ["missing members in loops", "[1, 2].all(b, inputs.many.all(a, inputs.nope || true))", steps],
    [
      "a comparison of values that double",
      `[1]${".map(x, [x, x])".repeat(28)} == [1]${".map(x, [x, x])".repeat(28)}`,
      steps,
    ],
    ["a result that doubles", `[1]${".map(x, [x, x])".repeat(28)}`, /larger than 1048576 characters of JSON/],
    ["text that doubles", `['aaaaaaaaaa']${".map(x, x + x)".repeat(28)}`, /text longer than 1048576/],
    ["bytes that double", `[b'aaaaaaaaaa']${".map(x, x + x)".repeat(28)}.size()`, /text longer than 1048576/],
    ["replace that grows", `['a']${".map(x, x.replace('a', 'aaaaaaaaaa'))".repeat(8)}`, /text longer|too many steps/],
    ["format of what doubles", `'%s'.format([[1]${".map(x, [x, x])".repeat(28)}])`, /text longer|too many steps/],
    ["long source", "1".padStart(4097), /may have 4096 characters/],
    ["deep brackets", "(".repeat(2000), /nested deeper than 32/],
    ["deep lists", `${"[".repeat(60)}1${"]".repeat(60)}`, /nested deeper than 32/],
    ["long chains", `a${".b".repeat(2000)}`, /chains more than 256/],
    ["long sums", `1${"+1".repeat(2000)}`, /chains more than 256/],
    ["long conditions", `${"a?b:".repeat(500)}c`, /nested deeper/],
    ["a long pattern", `'x'.matches('${"a".repeat(1001)}')`, /regular expression longer than 1000/],
  ];
  for (const [name, source, message] of table) it(name, () => assert.match(failure(source).message, message));

  it("does not count what is only passed on", () => {
    const long = Array.from({ length: 100_000 }, () => ({ name: "a package with a name" }));
    assert.equal(compileExpression("x").evaluate({ x: prepare(long) }), long);
    assert.throws(() => compileExpression("x.filter(p, true)").evaluate({ x: prepare(long) }), /larger than/);
    assert.deepEqual(
      compileExpression("x.filter(p, true)").evaluate({ x: prepare(long) }, { resultSize: 16 << 20 }),
      long,
    );
  });

  it("ends, with a value or an ExpressionError, whatever the source", () => {
    const word = fc.constantFrom(
      "inputs",
      "tasks",
      ".",
      "n",
      "list",
      "[",
      "]",
      "(",
      ")",
      "+",
      "==",
      "&&",
      "?",
      ":",
      "{",
      "}",
      "'a'",
      "1",
      "2.5",
      ".map(x,",
      ".all(x,",
      "x",
      "!",
      "-",
      "in",
      "has(",
      "null",
      ",",
      "\\",
      '"',
      " ",
    );
    const given = scope();
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        try {
          compileExpression(words.join("")).evaluate(given);
        } catch (thrown) {
          assert.ok(thrown instanceof ExpressionError, String(thrown));
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe("expressions: references", () => {
  function paths(source: string): string[] {
    return compileExpression(source).references.map(
      (reference) => `${reference.path.join("/")}@${reference.offset}${reference.optional === true ? "?" : ""}`,
    );
  }
  it("lists what is read, through members and elements", () =>
    assert.deepEqual(paths("tasks.check.failed == 0"), ["tasks/check/failed@0"]));
  it("marks elements", () =>
    assert.deepEqual(paths('tasks["a"].output[0].z + tasks.b.output[i.j]'), [
      "tasks/a/output/[]/z@0",
      "tasks/b/output/[]@25",
      "i/j@40",
    ]));
  it("follows loop variables to what they run over", () =>
    assert.deepEqual(paths("tasks.p.items.all(i, i.status == inputs.s)"), [
      "tasks/p/items@0",
      "tasks/p/items/[]/status@21",
      "inputs/s@33",
    ]));
  it("leaves out variables of computed loops", () => assert.deepEqual(paths("[1].map(x, x.y).all(z, z.q)"), []));
  it("marks what need not be there", () => assert.deepEqual(paths("has(tasks.a.output.b)"), ["tasks/a/output/b@4?"]));
  it("does not take qualified functions for names", () =>
    assert.deepEqual(paths("strings.quote(inputs.a)"), ["inputs/a@14"]));
});

describe("templates", () => {
  const given = { ...scope(), task: prepare({ dir: "/data" }) };
  const table: readonly (readonly [string, JsonValue, JsonValue])[] = [
    ["a whole expression keeps its type", "${{ inputs.list.size() }}", 60],
    [
      "inside a string it becomes text",
      "n=${{ inputs.n }} o=${{ {'a': {'b': 1}} }} s=${{ inputs.text }} x=${{ null }}",
      'n=3 o={"a":{"b":1}} s=abc x=null',
    ],
    ["strings may hold the closing sign", "${{ '}}' + \"}}\" }}", "}}}}"],
    ["raw and triple strings too", "${{ r'\\' + '''}}''' }}", "\\}}"],
    ["a dollar escapes", "$${{ no }} ${{ 1 }}", "${{ no }} 1"],
    ["a dollar before it can be had", "${{ '$' }}${{ 1 }}", "$1"],
    ["what comes out is not read again", "${{ '${{ 1 }}' }} ", "${{ 1 }} "],
    [
      "in objects and lists",
      { a: ["${{ inputs.n }}", { b: "${{ task.dir }}/x" }], c: true },
      { a: [3, { b: "/data/x" }], c: true },
    ],
    ["keys are left alone", { "${{ a }}": 1 }, { "${{ a }}": 1 }],
  ];
  for (const [name, template, expected] of table)
    it(name, () => assert.deepEqual(compileTemplate(template).evaluate(given), expected));

  it("knows what it reads and where", () => {
    const template = compileTemplate({ a: "${{ inputs.n }}", b: ["x ${{ task.dir }}"] });
    assert.equal(template.usesDir, true);
    assert.equal(template.constant, false);
    assert.deepEqual(
      template.expressions.map((entry) => [entry.at, entry.offset, entry.whole, entry.expression.source]),
      [
        [["a"], 4, true, "inputs.n"],
        [["b", 0], 6, false, "task.dir"],
      ],
    );
  });

  it("gives a constant as the same frozen value", () => {
    const template = compileTemplate({ a: [1, { b: "x" }] });
    assert.equal(template.constant, true);
    assert.equal(template.usesDir, false);
    assert.equal(template.evaluate({}), template.evaluate({}));
    assert.ok(Object.isFrozen(template.evaluate({})));
  });

  it("refuses what is not closed", () =>
    assert.throws(
      () => compileTemplate("a ${{ inputs.n }"),
      (thrown) => thrown instanceof ExpressionError && /not closed/.test(thrown.message) && thrown.offset === 2,
    ));
  it("limits the text it makes", () =>
    assert.throws(() => compileTemplate("${{ x }}${{ x }}").evaluate({ x: "a".repeat(600_000) }), /too long/));
});
