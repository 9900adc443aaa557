import { RUN } from "./shared.ts";
import type { CommandSpec } from "../spec.ts";

/** For who writes runbooks. */
export const AUTHOR: readonly CommandSpec[] = [
  {
    name: "init",
    group: "author",
    summary: "begin a project: a runbook that works, or a copy of one that comes with Maestro",
    description:
      "Writes a manifest, inputs, a README and a .gitignore, and makes .maestro, where the runs of this project live. With --from a runbook that comes with Maestro is copied into a folder of its name. " +
      "What is there already is never overwritten without --force, which names what it overwrites. In a terminal it asks for the names that were not given; elsewhere it takes the defaults.",
    args: [{ name: "dir", about: "Folder (default: this one; with --from the runbook's name)", optional: true }],
    options: [
      { flags: "--from <name>", about: "Copy this runbook" },
      { flags: "--list", about: "List the runbooks that can be copied" },
      { flags: "--name <name>", about: "Name of the runbook (default: hello)" },
      { flags: "--namespace <name>", about: "Its namespace (default: from the folder's name)" },
      { flags: "--force", about: "Overwrite the files that are in the way" },
    ],
    examples: [
      ["maestro init shop", "a new project in the folder shop"],
      ["maestro init --list", "what comes with Maestro"],
      ["maestro init --from release-evidence", "a copy of one of those"],
    ],
    load: () => import("../command/init.ts"),
  },
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
        about: "human, json, sarif, github or gitlab (default: github on GitHub Actions, else human)",
      },
      { flags: "--strict", about: "Warnings count too" },
      { flags: "--fix", about: "Write the names that were meant into the files, where that mends the place" },
    ],
    examples: [
      ["maestro lint release.yaml", "one manifest"],
      ["maestro lint --fix release.yaml", "mend misspelt names"],
      ["maestro lint --format sarif . > lint.sarif", "a tree, for code scanning"],
      ["maestro lint --format gitlab . > gl-code-quality-report.json", "a tree, for merge requests on GitLab"],
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
    name: "test",
    group: "author",
    summary: "run the tests of runbooks, or decide stored histories by a new version",
    description:
      "Runs the cases of *.maestro.test.yaml and the tests of *.maestro.test.ts on the real engine: waiting takes no time, tasks with effects are fakes. " +
      "Folders are searched; a manifest stands for the tests beside it. Exit code 1 when a case fails or --min is not reached, 2 when a test cannot be read.\n\n" +
      "With --replay, histories of this installation are decided again by the manifest that is given: which runs would have gone another way, at which event and why. Exit code 1 where one would.",
    args: [
      {
        name: "path",
        about: "Test files, manifests or folders; with --replay the manifest (default: .)",
        many: true,
        optional: true,
      },
    ],
    options: [
      { flags: "--filter <text>", about: "Only cases that have this in their name" },
      { flags: "--update", about: "Write down what came out as what is expected" },
      { flags: "--cover", about: "Tell which tasks and branches no case has seen" },
      { flags: "--min <percent>", about: "Fail where less of a manifest is covered; with --cover" },
      { flags: "--junit <file>", about: "Write the results as JUnit XML too" },
      {
        flags: "--replay [query]",
        about: "Stored runs to decide again: all (the default), an id, @last, or words as of `maestro runs`",
      },
    ],
    examples: [
      ["maestro test", "everything below this folder"],
      ["maestro test release.maestro.yaml --cover --min 80", "one runbook, and how much of it is tested"],
      ["maestro test --replay all release.maestro.yaml", "what a new version would have done otherwise"],
    ],
    load: () => import("../command/test.ts"),
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
