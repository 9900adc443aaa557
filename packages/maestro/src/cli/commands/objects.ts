import type { CommandSpec } from "../spec.ts";

/** The things an installation holds. */
export const OBJECTS: readonly CommandSpec[] = [
  {
    name: "task list",
    group: "objects",
    summary: "list the task types that `uses` can name",
    description:
      "Those that are built in and those of programs that were added. Needs no engine; a server is asked where the context names one.",
    args: [],
    options: [],
    examples: [
      ["maestro task list", "all of them"],
      ["maestro task list -o wide", "and where they come from"],
    ],
    load: () => import("../command/task-list.ts"),
  },
  {
    name: "task show",
    group: "objects",
    summary: "show a task type: documentation, inputs, outputs, effects and an example",
    description: "Of a program also its file, and whether that still is the one that was added. Needs no engine.",
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
  {
    name: "task add",
    group: "objects",
    summary: "add a program as a task type",
    description:
      "An executable that speaks the task protocol, or a TypeScript or JavaScript module that exports a task of the SDK. It is started and asked to describe itself; its file's digest is recorded, " +
      "becomes part of plans and receipts, and a changed file is refused until it is added again. An engine that is running knows the type at once. Prints the type's name, and which published workflows name the program that was here before.",
    args: [{ name: "path", about: "The program" }],
    options: [{ flags: "--env <name>", about: "A variable of the engine's environment that it is given", many: true }],
    examples: [
      ["maestro task add ./word-count.ts", "a module"],
      ["maestro task add ./greet.py --env GREETING", "an executable, with a variable"],
    ],
    load: () => import("../command/task-add.ts"),
  },
  {
    name: "task remove",
    group: "objects",
    summary: "take out the task type of a program",
    description: "The program's file stays. Runs that use the type fail from then on.",
    args: [{ name: "name", about: "`word-count@1`" }],
    options: [],
    examples: [["maestro task remove word-count@1", "one version"]],
    load: () => import("../command/task-remove.ts"),
  },
  {
    name: "task test",
    group: "objects",
    summary: "check a program against the task protocol and say how to mend it",
    description:
      "Goes through every check of the protocol, with the program's own example as the input. A type that declares effects is executed with --effects only. Needs no engine and no data directory. " +
      "Exit code 0 when no check failed, else 1.",
    args: [{ name: "path", about: "The program" }],
    options: [
      { flags: "--input <json>", about: "Execute this instead of the example" },
      { flags: "--effects", about: "Execute it although it has effects" },
      { flags: "--env <name>", about: "A variable of the environment that it is given", many: true },
      { flags: "--timeout <seconds>", about: "How long one execution may take (default: 30)" },
    ],
    examples: [
      ["maestro task test ./word-count.ts", "with its example"],
      ['maestro task test ./word-count.ts --input \'{"file":"/etc/passwd"}\'', "with another input"],
    ],
    load: () => import("../command/task-test.ts"),
  },
];
