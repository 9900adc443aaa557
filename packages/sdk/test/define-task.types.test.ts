import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defineTask, NOTIFICATION_SCHEMA } from "@summit/maestro-sdk";
import type { TaskDefinition } from "@summit/maestro-sdk";

// tsc checks these: where a line after `@ts-expect-error` compiles, that is the error.

const INPUT = {
  type: "object",
  properties: { file: { type: "string" }, top: { type: "integer" }, mode: { enum: ["fast", "exact"] } },
  required: ["file"],
  additionalProperties: false,
} as const;
const OUTPUT = { type: "object", properties: { words: { type: "integer" } }, required: ["words"] } as const;
const ABOUT = { name: "t", version: 1, summary: "Is a test", effects: [], input: INPUT, output: OUTPUT } as const;

type Definition = TaskDefinition<typeof INPUT, typeof OUTPUT>;

describe("defineTask, as the compiler sees it", () => {
  it("takes what fits the schemas", () => {
    const task = defineTask({
      ...ABOUT,
      example: { file: "a", mode: "fast" },
      validate: ({ file }) => (file.startsWith("/") ? [] : ["file: it is not absolute"]),
      execute: async ({ input, signal }) => {
        signal.throwIfAborted();
        return { words: input.file.length + (input.top ?? 0) };
      },
    });
    assert.equal(task.description.name, "t");
  });

  it("knows the members of the input", () => {
    defineTask({
      ...ABOUT,
      execute({ input }) {
        const words: number = input.file.length;
        // @ts-expect-error the schema has no such member
        void input.path;
        // @ts-expect-error it may be missing
        const top: number = input.top;
        // @ts-expect-error it is one of two words
        if (input.mode === "slow") return { words: 0 };
        // @ts-expect-error inputs are read, not written
        input.file = "b";
        return { words: words + top };
      },
    });
  });

  it("knows the members of the output", () => {
    // @ts-expect-error `words` is required
    defineTask({ ...ABOUT, execute: () => ({}) });
    // @ts-expect-error `words` is a number
    defineTask({ ...ABOUT, execute: () => ({ words: "many" }) });
    // @ts-expect-error also where it is promised
    defineTask({ ...ABOUT, execute: async () => ({ words: "many" }) });
    // @ts-expect-error nothing is no object
    defineTask({ ...ABOUT, execute: () => undefined });
  });

  it("knows what a definition holds", () => {
    const execute: Definition["execute"] = () => ({ words: 1 });
    // @ts-expect-error the example does not fit the input
    defineTask({ ...ABOUT, execute, example: { top: 3 } });
    // @ts-expect-error there is no such effect
    defineTask({ ...ABOUT, execute, effects: ["pray"] });
    // @ts-expect-error what allows everything is written {}
    defineTask({ ...ABOUT, execute, output: true });
    // @ts-expect-error problems are texts
    defineTask({ ...ABOUT, execute, validate: () => [1] });
    // @ts-expect-error a task does something
    defineTask(ABOUT);
  });

  it("infers from literals in place", () => {
    defineTask({
      name: "n",
      version: 1,
      summary: "Is inferred",
      effects: ["network"],
      input: {
        type: "object",
        properties: { list: { type: "array", items: { type: "object", properties: { n: { type: "number" } } } } },
        required: ["list"],
      },
      output: { type: ["string", "null"] },
      execute({ input }) {
        // @ts-expect-error `n` may be missing
        const [first]: readonly { readonly n: number }[] = input.list;
        return first === undefined ? null : `${first.n}`;
      },
    });
  });

  it("knows notifications", () => {
    defineTask({
      name: "tell",
      version: 1,
      summary: "Tells",
      effects: [],
      input: {
        type: "object",
        properties: { notification: NOTIFICATION_SCHEMA },
        required: ["notification"],
      },
      output: { type: "null" },
      execute({ input: { notification } }) {
        const title: string = notification.title;
        const severity: "info" | "success" | "warning" | "error" | "critical" | undefined = notification.severity;
        // @ts-expect-error a field's value is a text, a number or a boolean
        const values: readonly string[] = (notification.fields ?? []).map(({ value }) => value);
        void [title, severity, values];
        return null;
      },
    });
  });
});
