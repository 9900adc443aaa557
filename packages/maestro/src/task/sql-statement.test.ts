import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../core/json.ts";
import { bindStatement, hasMore, statementProblems } from "./sql-statement.ts";
import type { Dialect, Parameters } from "./sql-statement.ts";

const BOTH: readonly Dialect[] = ["sqlite", "postgres"];

function problem(dialect: Dialect, text: string, parameters: Parameters = []): string {
  return statementProblems(dialect, text, parameters).join("; ");
}

describe("parameters of a statement", () => {
  it("become the database's own places, and stay values", () => {
    const parameters = { name: "x'; drop table t; --", id: 7 };
    const text = "select * from t where id = :id and name = :name or id = :id";
    assert.deepEqual(bindStatement("sqlite", text, parameters), {
      text: "select * from t where id = ?1 and name = ?2 or id = ?1",
      values: [7, "x'; drop table t; --"],
    });
    assert.equal(
      bindStatement("postgres", text, parameters).text,
      "select * from t where id = $1 and name = $2 or id = $1",
    );
  });

  it("are counted in one way in both databases, in SQLite also by question marks", () => {
    for (const dialect of BOTH) {
      assert.deepEqual(statementProblems(dialect, "select $2, $1", [1, 2]), []);
      assert.deepEqual(bindStatement(dialect, "select $2, $1", [1, 2]).values, [1, 2]);
    }
    assert.equal(bindStatement("sqlite", "select $2, $1", [1, 2]).text, "select ?2, ?1");
    assert.equal(bindStatement("sqlite", "select ?, ?", [1, 2]).text, "select ?1, ?2");
    assert.equal(bindStatement("postgres", "select a ? 'b'", []).text, "select a ? 'b'");
  });

  const untouched: readonly (readonly [Dialect, string])[] = [
    ["sqlite", "select ':a', \":b\", `:c`, [:d], ''':e' -- :f\n /* :g ? $1 */"],
    ["postgres", "select ':a', \":b\", 'it''s :c', a::text, list[1:2] -- :f"],
    ["postgres", "select E'\\':a', $$ :b $1 $$, $x$ $$ :c $x$, /* /* :d */ :e */ 1, a$1"],
    ["postgres", "select 'unfinished :a"],
    ["postgres", "select /* unfinished :a"],
    ["sqlite", "select /* unfinished :a"],
  ];
  for (const [dialect, text] of untouched)
    it(`are not looked for in ${text.slice(0, 40)}`, () => {
      assert.deepEqual(bindStatement(dialect, text, {}), { text, values: [] });
      assert.deepEqual(statementProblems(dialect, text, {}), []);
    });

  it("must all be there and all be asked for", () => {
    for (const dialect of BOTH) {
      assert.match(problem(dialect, "select :a", { b: 1 }), /asks for :a, which .* has "b", which it does not ask for/);
      assert.match(problem(dialect, "select $1, $2", [1]), /asks for 2 parameters, and `parameters` has 1/);
      assert.match(problem(dialect, "select 1", [1]), /asks for 0 parameters/);
      assert.match(problem(dialect, "select $2", [1, 2]), /leaves out parameter 1/);
      assert.match(problem(dialect, "select $1", { a: 1 }), /write :name/);
    }
    assert.match(problem("sqlite", "select :a", [1]), /as an object of names, such as \{ a: 1 \}/);
    assert.match(problem("sqlite", "select :toString", {}), /asks for :toString/);
  });

  it("leave the transaction to the task", () => {
    for (const text of ["commit", "/* x */ ROLLBACK", "-- x\nbegin;", "savepoint a", "set transaction read write"])
      for (const dialect of BOTH) assert.match(problem(dialect, text), /all of a task is one transaction/, text);
    assert.match(problem("postgres", "copy t from program 'id'"), /use `load`/);
    assert.match(problem("postgres", " -- nothing"), /it is empty/);
    assert.match(problem("postgres", "select 1\0"), /NUL/);
    assert.deepEqual(statementProblems("postgres", "select commit from begin", []), []);
  });

  it("never enter the text, whatever they are", () => {
    fc.assert(
      fc.property(fc.constantFrom(...BOTH), fc.string(), fc.string(), (dialect, value, other) => {
        const text = "insert into t values (:a, ':b', :b)";
        const { text: bound, values } = bindStatement(dialect, text, { a: value, b: other } satisfies JsonObject);
        assert.match(bound, /^insert into t values \([?$]1, ':b', [?$]2\)$/);
        assert.deepEqual(values, [value, other]);
      }),
    );
  });

  it("are found in any text without hanging or throwing", () => {
    const part = fc.constantFrom(
      "'",
      '"',
      "$$",
      "$1",
      ":a",
      "?",
      "--",
      "/*",
      "*/",
      "\n",
      "\\",
      "E'",
      "[",
      "]",
      "x",
      "::",
    );
    fc.assert(
      fc.property(fc.constantFrom(...BOTH), fc.array(part, { maxLength: 60 }), (dialect, parts) => {
        bindStatement(dialect, parts.join(""), {});
      }),
    );
    assert.ok(bindStatement("postgres", `select E'${"\\'".repeat(40_000)}`, []).text.length > 80_000);
  });
});

it("knows when there is more than one statement", () => {
  for (const rest of ["", " ; -- x", ";;\n/* a */", "/* open"]) assert.equal(hasMore(rest), false, rest);
  for (const rest of [" drop table t", "-- x\nselect", "/* a */ x"]) assert.equal(hasMore(rest), true, rest);
});
