import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { transformDescription } from "../task/transform-description.ts";
import { checkCelInputs } from "./compile-cel-input.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { JsonObject, JsonValue } from "./json.ts";

function problems(given: JsonObject, schema: JsonObject = transformDescription.input): readonly string[] {
  const found: Diagnostic[] = [];
  checkCelInputs(given, schema, ["with"], found);
  return found.map(({ rule, path, span, message, fix }) => {
    const text = path.slice(1).reduce<JsonValue>((at, key) => (at as JsonObject)[key] ?? null, given);
    const marked = (typeof text === "string" ? text : "").slice(
      span?.offset,
      (span?.offset ?? 0) + (span?.length ?? 0),
    );
    return `${rule} ${path.slice(1).join(".")} [${marked}] ${message}${fix === undefined ? "" : `; ${fix}`}`;
  });
}

describe("expressions that a task evaluates", () => {
  it("are found in every form that the schema allows, and left alone where they are right", () => {
    assert.deepEqual(
      problems({ where: "row.total > inputs.min && has(inputs.max)", select: "row", inputs: { min: 1 } }),
      [],
    );
    assert.deepEqual(problems({ select: { id: "row.id", n: "index + 1" }, from: { path: "not CEL at all" } }), []);
  });

  it("are CEL, over the names of the task and over what it is given", () => {
    assert.deepEqual(problems({ where: "rwo.total > 1" }), [
      "WF031 where [rwo] `rwo` is not known in this place; there are row, index, inputs; did you mean `row`?",
    ]);
    assert.deepEqual(problems({ select: { id: "row.id", all: "inputs.mni" }, inputs: { min: 1 } }), [
      "WF033 select.all [mni] `mni` is nothing that `inputs` holds; there are min; did you mean `min`?",
    ]);
    assert.deepEqual(problems({ where: "inputs.min > 1" }), [
      "WF033 where [min] `min` is nothing that `inputs` holds; there are none",
    ]);
    assert.match(problems({ where: "row.a = 1" }).join(), /^WF030 where \[=\] .*not valid CEL.*did you mean `==`\?$/);
    assert.match(problems({ select: "row.beginsWith('x')" }).join(), /^WF030 select .*no function `beginsWith`/);
  });

  it("wait for the run where a part of them is filled in by it", () => {
    assert.deepEqual(problems({ where: "row.total > ${{ inputs.min }}" }), []);
    assert.deepEqual(problems({ where: "inputs.min > 1", inputs: "${{ tasks.a.output }}" }), []);
  });

  it("are found in lists, and nothing is where a schema says nothing", () => {
    const schema: JsonObject = {
      type: "object",
      properties: { rules: { type: "array", items: { type: "string", "x-maestro-cel": ["x"] } } },
    };
    assert.deepEqual(problems({ rules: ["x > 1", "y"], other: "y" }, schema), [
      "WF031 rules.1 [y] `y` is not known in this place; there are x",
    ]);
    assert.deepEqual(problems({ rules: "y" }, { type: "object" }), []);
  });
});
