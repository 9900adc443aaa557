import type { CommandSpec } from "../spec.ts";

/** The installation itself. */
export const SYSTEM: readonly CommandSpec[] = [
  {
    name: "config view",
    group: "system",
    summary: "show which control plane commands work on, and why",
    description:
      "What is in force here: flags before variables before the project before the current context before the default. " +
      "With --origin where each value came from. A token itself is never shown.",
    args: [],
    options: [{ flags: "--origin", about: "Also where each value came from" }],
    examples: [["maestro config view --origin", "what is in force, and where it came from"]],
    load: () => import("../command/config-view.ts"),
  },
  {
    name: "config get",
    group: "system",
    summary: "print one value of the configuration file",
    description: "Exit code 5 where it is not set.",
    args: [{ name: "key", about: "current, or contexts.NAME.server, .tokenFile or .data" }],
    options: [],
    examples: [["maestro config get contexts.prod.server", "a context's server"]],
    load: () => import("../command/config-get.ts"),
  },
  {
    name: "config set",
    group: "system",
    summary: "set one value of the configuration file",
    description:
      "Makes the file if need be and keeps its comments. An empty value takes the key out. A context is a server or a data directory.",
    args: [
      { name: "key", about: "current, or contexts.NAME.server, .tokenFile or .data" },
      { name: "value", about: "The value; '' takes the key out" },
    ],
    options: [],
    examples: [
      ["maestro config set contexts.prod.server https://maestro.example", "a context for a server"],
      ["maestro config set contexts.prod.tokenFile ~/.config/maestro/prod.token", "and its token"],
    ],
    load: () => import("../command/config-set.ts"),
  },
  {
    name: "config use",
    group: "system",
    summary: "make a context the current one",
    description: "Commands work on it wherever no flag, variable or project says otherwise.",
    args: [{ name: "context", about: "A context's name" }],
    options: [],
    examples: [["maestro config use prod", "from now on"]],
    load: () => import("../command/config-use.ts"),
  },
  {
    name: "token rotate",
    group: "system",
    summary: "make a new token for the API and refuse the old one",
    description:
      "Writes a new token into the data directory's file `token`. A control plane that is up takes it within a second; clients with the old one get 401.",
    args: [],
    options: [],
    examples: [["maestro token rotate", "after somebody else may have seen it"]],
    load: () => import("../command/token-rotate.ts"),
  },
  {
    name: "completion",
    group: "system",
    summary: "print what a shell needs to complete commands, options and names",
    description:
      "For bash, zsh, fish and pwsh. Commands and options come from this version's own table; ids of runs, workflows and approvals from the engine that runs, or from the database. " +
      "Names that take longer than 300 ms are left out, without a message: a key that is pressed must not print one.",
    args: [{ name: "shell", about: "bash, zsh, fish or pwsh" }],
    options: [],
    examples: [
      ["maestro completion bash > ~/.local/share/bash-completion/completions/maestro", "for good, in bash"],
      ["maestro completion fish > ~/.config/fish/completions/maestro.fish", "for good, in fish"],
    ],
    load: () => import("../command/completion.ts"),
  },
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
