import { RUN } from "./shared.ts";
import type { CommandSpec } from "../spec.ts";

/** For who writes runbooks. */
export const AUTHOR: readonly CommandSpec[] = [
  {
    name: "lint",
    group: "author",
    summary: "check manifests and say everything that is wrong with them",
    description:
      "Every problem at once, each with place, rule, snippet and a fix. Folders are searched for *.maestro.yaml, *.maestro.yml, *.maestro.json and maestro.yaml. " +
      "Exit code 1 when a manifest has errors, or with --strict warnings, else 0.",
    args: [{ name: "path", about: "Manifest files or folders, `-` for stdin", many: true }],
    options: [
      {
        flags: "--format <format>",
        about: "human, json, sarif or github (default: github on GitHub Actions, else human)",
      },
      { flags: "--strict", about: "Warnings count too" },
    ],
    examples: [
      ["maestro lint release.yaml", "one manifest"],
      ["maestro lint --format sarif . > lint.sarif", "a tree, for code scanning"],
    ],
    load: () => import("../command/lint.ts"),
  },
  {
    name: "plan",
    group: "author",
    summary: "compile without running: what will be asked, touched and spent",
    description: "Prints inputs, tasks in order, effects, approvals, budget and the digest that approvals name.",
    args: [{ name: "runbook", about: "Manifest file, `-` for stdin, or the name of a stored workflow" }],
    options: [],
    examples: [
      ["maestro plan release.yaml", "as a tree"],
      ["maestro plan release.yaml -o dot | dot -Tsvg > plan.svg", "as a picture"],
      ["maestro plan release.yaml -o name", "only the digest"],
    ],
    formats: ["tree", "json", "yaml", "dot", "name"],
    load: () => import("../command/plan.ts"),
  },
  {
    name: "replay",
    group: "author",
    summary: "decide a run's stored history again and compare",
    description: "Proves that the stored state is a function of the events. Exit code 7 where it is not.",
    args: [RUN],
    options: [],
    examples: [["maestro replay @last", "the newest run"]],
    load: () => import("../command/replay.ts"),
  },
];
