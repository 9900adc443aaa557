import type { CommandSpec } from "../spec.ts";

/** The things an installation holds. */
export const OBJECTS: readonly CommandSpec[] = [
  {
    name: "task list",
    group: "objects",
    summary: "list the task types that `uses` can name",
    description: "Needs no engine and no data directory.",
    args: [],
    options: [],
    examples: [["maestro task list", "all of them"]],
    load: () => import("../command/task-list.ts"),
  },
  {
    name: "task show",
    group: "objects",
    summary: "show a task type: documentation, inputs, outputs, effects and an example",
    description: "Needs no engine and no data directory.",
    args: [{ name: "name", about: "`exec` or `exec@1`" }],
    options: [],
    examples: [["maestro task show exec", "one of them"]],
    load: () => import("../command/task-show.ts"),
  },
  {
    name: "task schema",
    group: "objects",
    summary: "print a task type's JSON Schemas",
    description: "JSON Schema 2020-12 of input and output, as JSON.",
    args: [{ name: "name", about: "`exec` or `exec@1`" }],
    options: [],
    examples: [["maestro task schema http | jq .input", "what http takes"]],
    load: () => import("../command/task-schema.ts"),
  },
];
