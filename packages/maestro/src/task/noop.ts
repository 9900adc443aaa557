import type { JsonValue } from "../core/json.ts";
import { task } from "./define.ts";
import type { TaskType } from "./task.ts";

export const noop: TaskType = {
  description: {
    name: "noop",
    version: 1,
    title: "Does nothing and hands on its value",
    docs: "For tests, benches and joining branches: it computes nothing, touches nothing and needs no runner. Its output is the `value` it was given, null if there is none.",
    input: {
      type: "object",
      properties: { value: { description: "What the output shall be: any JSON.", examples: [{ ready: true }] } },
      additionalProperties: false,
    },
    output: { description: "The `value` of the input, null where there was none." },
    effects: [],
    runs: "inline",
    example: { value: { ready: true } },
  },
  init: () => task<{ readonly value?: JsonValue }>({ work: (input) => input.value ?? null }),
};
