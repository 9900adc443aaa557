import type { CommandSpec, OptionSpec } from "../spec.ts";

const QUESTION: readonly OptionSpec[] = [
  { flags: "--namespace <name>", about: "The namespace that the resource is in" },
  { flags: "--purpose <purpose>", about: "Why it would be done" },
  { flags: "--authority <text>", about: "Under which mandate" },
  { flags: "--property <name=value>", about: "A property of the resource; JSON where it is some", many: true },
];

/** What the policy says, would say and has said. */
export const POLICY: readonly CommandSpec[] = [
  {
    name: "policy list",
    group: "trust",
    summary: "list the rules of the policy that is enforced, and what is on trial",
    description: "With why each rule is there and where it stands. `-o wide` has what to do when it says no.",
    args: [],
    options: [],
    examples: [["maestro policy list", "the rules"]],
    load: () => import("../command/policy-list.ts"),
  },
  {
    name: "policy test",
    group: "trust",
    summary: "test a policy by a table of cases, and the table by leaving rules out",
    description:
      "Asks the policy of a folder the cases of its `cases.yaml` (and `*.cases.yaml`, `.json`), in this process: nothing is asked of a control plane. Says which rules decide no case. " +
      "With --mutate each rule is left out once: a rule that no case misses is reported. Exit code 1 where a case fails or a rule is not missed.",
    args: [{ name: "folder", about: "The policy's folder (default: `policy` in the data directory)", optional: true }],
    options: [
      { flags: "--mutate", about: "Leave out each rule once" },
      { flags: "--junit <file>", about: "Write the results as JUnit XML too" },
    ],
    examples: [
      ["maestro policy test --mutate", "the policy of this installation"],
      ["maestro policy test policies/next --junit policy.xml", "one that is being written, in CI"],
    ],
    load: () => import("../command/policy-test.ts"),
  },
  {
    name: "policy what-if",
    group: "trust",
    summary: "ask the policy, or one that is being written, an ad-hoc question",
    description:
      "Nothing is carried out and no decision is recorded as enforced. Without --as and --role it is about you. Of a stored runbook its purposes and effects are filled in. Exit code 0 for an allow, 3 for a deny.",
    args: [],
    options: [
      { flags: "--as <subject>", about: "Who: a user's id, or TYPE:ID such as service:nightly" },
      { flags: "--role <role>", about: "A role that they have there", many: true },
      { flags: "--action <action>", about: "What: run.start, task.execute or any other" },
      { flags: "--resource <type:id>", about: "On what, such as runbook:shop/orders@1.0.0 (default: the namespace)" },
      ...QUESTION,
      { flags: "--environment <name>", about: "Where (default: what policy.yaml says)" },
      { flags: "--request <file>", about: "The question as AuthZEN has it, JSON or YAML, instead of options" },
      { flags: "--policy <folder>", about: "Ask this policy instead of the one in force" },
    ],
    examples: [
      ["maestro policy what-if --as anna --role operator --action run.cancel --namespace shop", "somebody else"],
      ["maestro policy what-if --request start.json --policy policies/next", "a policy that is being written"],
    ],
    load: () => import("../command/policy-what-if.ts"),
  },
  {
    name: "policy explain",
    group: "trust",
    summary: "explain a decision: who, what, by which rules, on which facts, and what to do",
    description:
      "By the id that a refusal names, or all that the policy said about a run, or about one of its tasks. The words of rules are shown where the policy is the same still.",
    args: [
      { name: "what", about: "A decision (d_…), or a run: its id, a unique beginning or end of one, @last or @failed" },
      { name: "task", about: "Only of this task of the run", optional: true },
    ],
    options: [],
    examples: [
      ["maestro policy explain d_1m7zvrq34bvvrzm8a6w", "a refusal"],
      ["maestro policy explain @last", "the newest run"],
    ],
    load: () => import("../command/policy-explain.ts"),
  },
  {
    name: "policy diff",
    group: "trust",
    summary: "ask recorded questions again of another policy, and list the answers that change",
    description:
      "Of runs and of the API, the newest first, each question once. Decisions by break-glass are left out. Exit code 0 where nothing changes, 1 where something does.",
    args: [],
    options: [
      { flags: "--policy <folder>", about: "The policy that is being written" },
      { flags: "--shadow", about: "The policies and rules on trial instead" },
      { flags: "--over <duration>", about: "Questions of this time until now (default: 30d)" },
      { flags: "--limit <n>", about: "Different questions at most (default: 2000)" },
    ],
    examples: [
      ["maestro policy diff --policy policies/next --over 30d", "who would be denied or allowed"],
      ["maestro policy diff --shadow", "whether what is on trial could be enforced"],
    ],
    load: () => import("../command/policy-diff.ts"),
  },
  {
    name: "policy can-i",
    group: "trust",
    summary: "say whether you may do something",
    description: "Prints `yes` or `no`. Exit code 0 or 3.",
    args: [
      { name: "action", about: "run.start, run.cancel, approval.give or any other" },
      { name: "resource", about: "On what, TYPE:ID (default: the namespace, or the installation)", optional: true },
    ],
    options: QUESTION,
    examples: [
      ["maestro policy can-i run.cancel --namespace shop", "in a namespace"],
      ["maestro policy can-i run.start runbook:shop/orders@1.0.0 --purpose reporting", "with a runbook"],
    ],
    load: () => import("../command/policy-can-i.ts"),
  },
  {
    name: "policy who-can",
    group: "trust",
    summary: "list the roles that may do something, and who has been here and could",
    description: "By the roles that people and services had when they were here last. Says of whom nothing is known.",
    args: [
      { name: "action", about: "run.start, run.cancel, approval.give or any other" },
      { name: "resource", about: "On what, TYPE:ID (default: the namespace, or the installation)", optional: true },
    ],
    options: QUESTION,
    examples: [["maestro policy who-can approval.give --namespace shop", "whom to ask for an approval"]],
    load: () => import("../command/policy-who-can.ts"),
  },
  {
    name: "policy break-glass",
    group: "trust",
    summary: "go past the policy in an emergency: with a reason, for a time, aloud",
    description:
      "What the policy denies you is allowed until the time is over, and recorded as `break-glass`: in the run, the ledger, the audit and the log, and everybody whom policy.yaml names is told. " +
      "It never covers approvals, policies, holds, removal, the audit and the ledger. `list` shows who did, `end ID` ends it.",
    args: [
      { name: "what", about: "open (the default), list or end", optional: true },
      { name: "id", about: "For `end`: which one", optional: true },
    ],
    options: [
      { flags: "--reason <text>", about: "Why, in 20 characters or more; recorded and told" },
      { flags: "--for <duration>", about: "For how long; at most `breakGlass.longest` of policy.yaml (default: 1h)" },
      { flags: "--namespace <name>", about: "Only there (default: everywhere)" },
    ],
    examples: [
      ["maestro policy break-glass --for 30m --namespace shop --reason 'INC-17: orders stand still'", "go past it"],
      ["maestro policy break-glass list", "who did"],
      ["maestro policy break-glass end b_1m7zvrq34bvvrzm8a6w", "no longer"],
    ],
    load: () => import("../command/policy-break-glass.ts"),
  },
];
