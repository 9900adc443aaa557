import type { CommandSpec } from "../spec.ts";

/** The installation itself. */
export const SYSTEM: readonly CommandSpec[] = [
  {
    name: "help",
    group: "system",
    summary: "explain a command, a topic or an error code",
    description: "Topics: exit-codes, environment, formatting, expressions. Every error prints the name of its page.",
    args: [{ name: "topic", about: "A command, a topic or an error code", optional: true, many: true }],
    options: [],
    examples: [
      ["maestro help exit-codes", "what the exit codes mean"],
      ["maestro help plan_changed", "an error"],
    ],
    load: () => import("../command/help.ts"),
  },
];
