import type { CommandSpec } from "../spec.ts";

/** What policies are made of. */
export const POLICY_FILES: readonly CommandSpec[] = [
  {
    name: "policy init",
    group: "trust",
    summary: "write the default policy into the data directory, to change it there",
    description:
      "Writes `policy/` and `policy.yaml` into the data directory: the default policy in Cedar, or in Rego with its compiled form, and the cases that it answers. It decides as before until somebody edits it. " +
      "What is there already is not touched: exit code 6.",
    args: [],
    options: [{ flags: "--in <language>", about: "cedar or rego (default: cedar)" }],
    examples: [
      ["maestro policy init", "in Cedar, evaluated in the engine's process"],
      ["maestro policy init --in rego", "in Rego, compiled to WebAssembly"],
    ],
    load: () => import("../command/policy-init.ts"),
  },
  {
    name: "policy reload",
    group: "trust",
    summary: "let a control plane read its policy again",
    description:
      "Reads policy.yaml and all that it names, as SIGHUP to `maestro up` does, and prints the engine and the digest of the policy that is in force. " +
      "Where it cannot be used, the one before stays in force, and every fault is told: exit code 2. Takes the right `policy.manage`.",
    args: [],
    options: [],
    examples: [["maestro policy reload", "after an edit"]],
    load: () => import("../command/policy-reload.ts"),
  },
];
