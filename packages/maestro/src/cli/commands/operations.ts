import type { CommandSpec } from "../spec.ts";

/** What keeps an installation healthy. */
export const OPERATIONS: readonly CommandSpec[] = [
  {
    name: "gc",
    group: "system",
    summary: "remove what has had its time",
    description:
      "Logs, artifacts, history and receipts of ended runs go when their clocks have run out (by default 30, 90, 400 and 2,557 days after the end; `retention.yaml` in the data directory says otherwise, for each namespace if need be), " +
      "work folders after a week, blobs when nothing refers to them for a day. What is under a legal hold stays. An engine that is up does the same every hour.",
    args: [],
    options: [{ flags: "--dry-run", about: "Only count what would go" }],
    examples: [
      ["maestro gc --dry-run", "what would go"],
      ["maestro gc", "remove it now"],
    ],
    load: () => import("../command/gc.ts"),
  },
  {
    name: "hold set",
    group: "system",
    summary: "place a legal hold on a run or a namespace",
    description:
      "Nothing of what it covers is removed until it is released. Who placed it, when and why is recorded for good.",
    args: [{ name: "run", about: "A run's id, a unique beginning or end of one, @last or @failed", optional: true }],
    options: [
      { flags: "--namespace <name>", about: "All runs of this namespace instead, also those to come" },
      { flags: "--reason <text>", about: "Why; recorded" },
    ],
    examples: [
      ["maestro hold set 8k2f --reason 'case 4711'", "one run"],
      ["maestro hold set --namespace payments --reason 'audit 2026'", "a whole namespace"],
    ],
    load: () => import("../command/hold-set.ts"),
  },
  {
    name: "hold release",
    group: "system",
    summary: "release a legal hold",
    description: "What it covered goes when its time is over, or has been over. The hold stays on record.",
    args: [{ name: "hold", about: "The hold's id" }],
    options: [{ flags: "--reason <text>", about: "Why; recorded" }],
    examples: [["maestro hold release h_01k3c9x2qd8f6t0r5vw --reason 'case closed'", "one hold"]],
    load: () => import("../command/hold-release.ts"),
  },
  {
    name: "hold list",
    group: "system",
    summary: "list legal holds",
    description: "Newest first.",
    args: [],
    options: [{ flags: "--all", about: "Also those that were released" }],
    examples: [["maestro hold list", "those that are open"]],
    load: () => import("../command/hold-list.ts"),
  },
];
