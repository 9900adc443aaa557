import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defineTask } from "@summit/maestro-sdk";
import type { FromSchema } from "@summit/maestro-sdk";
import type { Json } from "../src/from-schema.ts";

// tsc checks these: `same` compiles only where both types are one and the same.

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- T makes the comparison exact: two conditional types are the same only where A and B are
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(yes: Same<A, B>): void => assert.equal(yes, true);
const of = <const S>(schema: S): { readonly schema: S } => ({ schema });
type Of<V> = V extends { readonly schema: infer S } ? FromSchema<S> : never;

/** What `execute` has to give. */
type Output = ReturnType<
  typeof defineTask<
    { readonly type: "object" },
    {
      readonly type: "object";
      readonly properties: { readonly n: { readonly type: "integer" } };
      readonly required: readonly ["n"];
    }
  > extends (definition: infer D) => unknown
    ? D extends { execute(...given: never): infer R }
      ? () => R
      : never
    : never
>;

describe("types from schemas", () => {
  it("are those of the plain types", () => {
    const text = of({ type: "string", minLength: 1 });
    const whole = of({ type: "integer" });
    const several = of({ type: ["string", "null"] });
    const nothing = of({});
    same<Of<typeof text>, string>(true);
    same<Of<typeof whole>, number>(true);
    same<Of<typeof several>, string | null>(true);
    same<Of<typeof nothing>, Json>(true);
  });

  it("are the values of const and enum", () => {
    const one = of({ const: "a" });
    const some = of({ enum: ["a", "b", 3] });
    same<Of<typeof one>, "a">(true);
    same<Of<typeof some>, "a" | "b" | 3>(true);
  });

  it("know which members are required", () => {
    const schema = of({
      type: "object",
      properties: { a: { type: "string" }, b: { type: "array", items: { type: "boolean" } } },
      required: ["a"],
      additionalProperties: false,
    });
    same<Of<typeof schema>, { readonly a: string; readonly b?: readonly boolean[] }>(true);
  });

  it("are maps, lists and tuples", () => {
    const map = of({ type: "object", additionalProperties: { type: "number" } });
    const list = of({ type: "array" });
    const tuple = of({ type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false });
    same<Of<typeof map>, { readonly [key: string]: number }>(true);
    same<Of<typeof list>, readonly Json[]>(true);
    same<Of<typeof tuple>, readonly [string, number]>(true);
  });

  it("are unions and intersections", () => {
    const either = of({
      anyOf: [{ type: "string" }, { type: "object", properties: { n: { type: "number" } }, required: ["n"] }],
    });
    const both = of({ allOf: [{ type: "object", properties: { a: { const: 1 } }, required: ["a"] }] });
    same<Of<typeof either>, string | { readonly n: number }>(true);
    same<Of<typeof both>["a"], 1>(true);
  });

  it("say what a task has to give", () => {
    same<Output, { readonly n: number } | Promise<{ readonly n: number }>>(true);
  });

  it("reach a task's input and output", async () => {
    const task = defineTask({
      name: "typed",
      version: 1,
      summary: "Is typed",
      effects: [],
      input: {
        type: "object",
        properties: { names: { type: "array", items: { type: "string" } } },
        required: ["names"],
      },
      output: { type: "object", properties: { first: { type: ["string", "null"] } }, required: ["first"] },
      execute({ input }) {
        same<typeof input, { readonly names: readonly string[] }>(true);
        return { first: input.names[0] ?? null };
      },
    });
    const context = { input: { names: ["Ada"] } } as unknown as Parameters<typeof task.execute>[0];
    assert.deepEqual(await task.execute(context), { first: "Ada" });
    assert.deepEqual(await task.validate({}), []);
  });
});
