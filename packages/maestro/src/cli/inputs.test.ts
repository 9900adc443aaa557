import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { pairInputs } from "./inputs.ts";

const schema: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string" },
    count: { type: "integer" },
    ratio: { type: "number" },
    dry: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
    sizes: { type: "array", items: { type: "integer" } },
    spec: { type: "object" },
    mode: { enum: ["fast", "slow"] },
    either: { type: ["string", "null"] },
    anything: {},
  },
};

describe("pairInputs()", () => {
  const good: readonly (readonly [readonly string[], JsonObject])[] = [
    [["path=a=b"], { path: "a=b" }],
    [["path="], { path: "" }],
    [["path=007"], { path: "007" }],
    [["count=-3"], { count: -3 }],
    [["ratio=1.5e3"], { ratio: 1500 }],
    [["dry=true"], { dry: true }],
    [["tags=a", "tags=b,c"], { tags: ["a", "b,c"] }],
    [['tags=["a","b"]'], { tags: ["a", "b"] }],
    [["sizes=1", "sizes=2"], { sizes: [1, 2] }],
    [['spec={"a":[1]}'], { spec: { a: [1] } }],
    [["mode=fast"], { mode: "fast" }],
    [["either=null"], { either: "null" }],
    [["anything=[1]"], { anything: [1] }],
  ];
  for (const [pairs, expected] of good)
    it(pairs.join(" "), () => assert.deepEqual(pairInputs(pairs, schema), expected));

  const bad: readonly (readonly [readonly string[], string, RegExp])[] = [
    [["count=many"], "invalid_input", /Input count is integer, not "many"/],
    [["count=0x10"], "invalid_input", /Input count is integer/],
    [["dry=yes"], "invalid_input", /Input dry is boolean, not "yes"/],
    [["spec={a:1}"], "invalid_input", /Input spec must be JSON/],
    [["pth=x"], "invalid_input", /no input pth\. Did you mean path\?/],
    [["zzz=x"], "invalid_input", /It takes path, count/],
    [["path"], "invalid_request", /-i takes key=value, not "path"/],
    [["=x"], "invalid_request", /-i takes key=value/],
    [["path=a", "path=b"], "invalid_request", /given 2 times and is not a list/],
    [["__proto__=x"], "invalid_input", /no input __proto__/],
  ];
  for (const [pairs, code, message] of bad)
    it(`refuses ${pairs.join(" ")}`, () => assert.throws(() => pairInputs(pairs, schema), { code, message }));
});
