import { RUN, WATCHING } from "./shared.ts";
import type { CommandSpec } from "../spec.ts";

/** What is used every day. */
export const DAILY: readonly CommandSpec[] = [
  {
    name: "run",
    group: "daily",
    summary: "start a run of a manifest or of a stored workflow and watch it",
    description:
      "Checks the manifest, asks the gate and starts the run; from then on it is durable. Progress goes to stderr; stdout gets the outcome: id, status and receipt digest, " +
      "or the run as data with `-o json`. The exit code is the run's: 0 succeeded, 1 failed or cancelled, 3 denied, 8 budget or --timeout, 10 with --no-wait.\n\n" +
      "Inputs are read by the runbook's schema: `-i count=3` is a number where the schema says so, `-i tags=a -i tags=b` a list, `-i 'spec={\"a\":1}'` an object. " +
      "Ctrl-C leaves the run; without another engine it is handed back and goes on with the next `maestro watch`.",
    args: [
      {
        name: "runbook",
        about: "Manifest file, `-` for stdin, or the name of a stored workflow (name, namespace/name, …@version)",
        optional: true,
      },
    ],
    options: [
      { flags: "-i, --input <key=value>", about: "One input, typed by the schema", many: true },
      { flags: "-f, --inputs <file>", about: "Inputs from a JSON or YAML file, `-` for stdin; -i wins over it" },
      { flags: "--purpose <purpose>", about: "Why: one of the runbook's purposes" },
      { flags: "--authority <text>", about: "Under which mandate: a ticket, an approval, a legal basis" },
      { flags: "--label <key=value>", about: "Label, for finding the run again", many: true },
      { flags: "--priority <n>", about: "-100 to 100, higher first (default: 0)" },
      { flags: "--name <text>", about: "Name of the run (default: the workflow's)" },
      {
        flags: "--plan <digest>",
        about: "Only if this is the plan: what was looked at is what runs; exit 6 otherwise",
      },
      { flags: "--key <text>", about: "Idempotency key: the same key gives the run that was started first" },
      { flags: "--from-run <run>", about: "Run again: the same plan and inputs as that run; -i and -f change inputs" },
      { flags: "--from <task>", about: "With --from-run: reuse what succeeded before this task" },
      {
        flags: "--dry-run",
        about: "Check manifest and inputs, print the plan and ask the gate; nothing is recorded or started",
      },
      ...WATCHING,
    ],
    examples: [
      ["maestro run release.yaml -i path=. --purpose release --authority TICKET-42", "run a file and watch it"],
      ["maestro run platform/release-evidence@1.4.0 -f inputs.json --detach", "start a stored workflow and go on"],
      ["maestro run --from-run @last --from pack", "run the last one again from the task pack"],
      ["maestro run release.yaml -o json | jq -r .receipts[0].digest", "the outcome as data"],
    ],
    load: () => import("../command/run.ts"),
  },
  {
    name: "runs",
    group: "daily",
    summary: "list runs, newest first",
    description:
      "Words are searched for in id, name, workflow and error. Filters are answered by the control plane, never by what happens to be loaded.",
    args: [{ name: "text", about: "Part of id, name, workflow or error", optional: true, many: true }],
    options: [
      { flags: "--status <a,b>", about: "queued, running, cancelling, succeeded, failed, cancelled, denied" },
      { flags: "--workflow <name>", about: "Only runs of this workflow" },
      { flags: "--namespace <name>", about: "Only runs of this namespace" },
      { flags: "--label <key=value>", about: "Only runs with this label" },
      { flags: "--by <who>", about: "Only runs started by this user or service" },
      { flags: "--parent <run>", about: "Only child runs of this run" },
      { flags: "--since <time>", about: "Created since: a duration (2h) or a date (2026-11-21, 2026-11-21T08:00:00Z)" },
      { flags: "--until <time>", about: "Created before, in the same forms" },
      { flags: "--limit <n>", about: "At most this many (default: 20 for a terminal, else 50)" },
      { flags: "--all", about: "All pages" },
      { flags: "--watch", about: "Look again every 2 s until Ctrl-C" },
    ],
    examples: [
      ["maestro runs", "the last runs"],
      ["maestro runs --status failed,denied --since 24h", "what went wrong today"],
      ["maestro runs release -o name", "ids for another command"],
    ],
    load: () => import("../command/runs.ts"),
  },
  {
    name: "show",
    group: "daily",
    summary: "show a run: tasks, errors, waits, receipt and what to do next",
    description: "With `-o json` the run as the API gives it.",
    args: [RUN],
    options: [
      { flags: "--events", about: "Its history instead" },
      { flags: "--artifacts", about: "The files it left behind instead" },
      { flags: "--plan", about: "Its plan instead" },
      { flags: "--save <folder>", about: "With --artifacts: write them there" },
      { flags: "--watch", about: "Look again every 2 s until it ends" },
    ],
    examples: [
      ["maestro show @last", "the newest run"],
      ["maestro show 8k2f --events -o jsonl", "its history, one event per line"],
      ["maestro show 8k2f --artifacts --save out", "its files"],
    ],
    load: () => import("../command/show.ts"),
  },
  {
    name: "logs",
    group: "daily",
    summary: "print what tasks wrote",
    description:
      "Piped, the bytes are exactly what the task wrote. In a terminal, control characters are made visible and only colours are kept. " +
      "Without a task every log is printed under a head that names task, item and attempt.",
    args: [RUN, { name: "task", about: "Only this task; `check[3]` for one item of a fan-out", optional: true }],
    options: [
      { flags: "-f, --follow", about: "Go on until the run has ended" },
      { flags: "--tail <lines>", about: "Only the last lines of each log" },
      { flags: "--grep <text>", about: "Only lines that hold this text, with their numbers; exit 1 if there are none" },
      { flags: "--failed", about: "Only attempts that failed" },
      { flags: "--attempt <n>", about: "Only this attempt (default: the last of each step)" },
      { flags: "--list", about: "Which logs there are, and how large" },
    ],
    examples: [
      ["maestro logs @failed --failed", "the output of what failed last"],
      ["maestro logs 8k2f pack -f", "one task, live"],
      ["maestro logs 8k2f --grep error", "lines with error in all its logs"],
    ],
    load: () => import("../command/logs.ts"),
  },
  {
    name: "watch",
    group: "daily",
    summary: "watch a run until it ends, carrying it on if no engine does",
    description:
      "The live tree in a terminal, one line per transition elsewhere. When the process that holds the engine ends, this one takes over and the run goes on. Exit codes as for `run`.",
    args: [RUN],
    options: WATCHING.filter(({ flags }) => !/watch|detach|--wait/.test(flags)),
    examples: [
      ["maestro watch @last", "the newest run"],
      ["maestro watch 8k2f --timeout 10m", "for ten minutes at most"],
    ],
    load: () => import("../command/watch.ts"),
  },
  {
    name: "cancel",
    group: "daily",
    summary: "cancel a run",
    description:
      "Running attempts get a grace period, `finally` tasks run, and the run ends with a receipt. --force ends attempts at once.",
    args: [RUN],
    options: [
      { flags: "--force", about: "End running attempts at once" },
      { flags: "--reason <text>", about: "Why; recorded and in the receipt" },
      { flags: "--no-wait", about: "Do not wait until it has ended" },
      { flags: "--timeout <duration>", about: "Wait at most this long: exit 8" },
    ],
    examples: [["maestro cancel 8k2f --reason 'wrong branch'", "cancel with a reason"]],
    load: () => import("../command/cancel.ts"),
  },
  {
    name: "retry",
    group: "daily",
    summary: "retry what failed, in the same run",
    description:
      "Failed, denied and cancelled tasks and what depended on them run again as new attempts; what succeeded stays. The run gets a further receipt.",
    args: [RUN],
    options: [{ flags: "--task <id>", about: "Only this task and what depends on it", many: true }, ...WATCHING],
    examples: [
      ["maestro retry @failed", "the last failed run"],
      ["maestro retry 8k2f --task pack --detach", "one task, without watching"],
    ],
    load: () => import("../command/retry.ts"),
  },
  {
    name: "up",
    group: "daily",
    summary: "keep an engine at work in this terminal until Ctrl-C",
    description:
      "Holds the data directory, carries on what waits there and answers the other commands of this user through `control.sock`: with it `run --detach`, timers and " +
      "approvals go on although nobody watches. If another process is the engine already, this one stands by and takes over when that ends.\n\n" +
      "It also serves the API on 127.0.0.1:7717 to whoever has the token in the data directory's file `token`, which is made at the first start; " +
      "addresses that other machines reach need --expose.\n\n" +
      "With a folder, every *.maestro.yaml in it is a workflow that runs by its name, and an edit is what new runs follow, without a new version; a run keeps the plan it started with. " +
      "A broken edit is reported and the last good version stays. `maestro catalog publish` makes a version that never changes. Ctrl-C and SIGTERM give what is at work two seconds and hand the rest to the next engine; exit code 0.",
    args: [{ name: "folder", about: "Folder of manifests to load and to watch", optional: true }],
    options: [
      {
        flags: "--listen <address>",
        about: "HOST:PORT to serve the API on; port 0 takes a free one (MAESTRO_LISTEN, 127.0.0.1:7717)",
      },
      { flags: "--no-listen", about: "Open no port; only commands of this user reach it" },
      { flags: "--expose", about: "With --listen: yes, other machines may connect" },
      {
        flags: "--issuer <url>",
        about:
          "URL that other systems reach this control plane by, in tokens for workloads (MAESTRO_ISSUER, the address it listens on)",
      },
      { flags: "--demo", about: "Fill an empty installation with runs of every status, to look around in" },
      { flags: "--seed <number>", about: "With --demo: another number makes other runs, the same one the same (1)" },
      { flags: "--once", about: "With --demo: end when it is made" },
      {
        flags: "--otlp <url>",
        about: "Send traces to this OTLP receiver, such as http://127.0.0.1:4318 (OTEL_EXPORTER_OTLP_ENDPOINT)",
      },
      { flags: "--log-format <format>", about: "json or text (MAESTRO_LOG_FORMAT; text in a terminal, else json)" },
      { flags: "--log-level <level>", about: "debug, info, warn or error (MAESTRO_LOG_LEVEL, info)" },
    ],
    examples: [
      ["maestro up", "the engine of this folder's data directory"],
      ["maestro up runbooks", "with the manifests of a folder, while they are edited"],
      ["maestro up --listen 127.0.0.1:0", "on any free port"],
      ["maestro up --demo --data demo", "with runs to look at, in a data directory of their own"],
    ],
    load: () => import("../command/up.ts"),
  },
  {
    name: "approvals",
    group: "daily",
    summary: "list what waits for an approval",
    description: "Oldest first, with the plan digest that an answer names.",
    args: [{ ...RUN, optional: true }],
    options: [{ flags: "--watch", about: "Look again every 2 s until Ctrl-C" }],
    examples: [["maestro approvals", "everything that waits for a person"]],
    load: () => import("../command/approvals.ts"),
  },
  {
    name: "approve",
    group: "daily",
    summary: "approve what waits, naming the plan that was looked at",
    description:
      "Shows the effect and asks. Without a terminal --plan and --reason are needed. If the plan is another one than you looked at, nothing is approved and the exit code is 6.",
    args: [
      { name: "approval", about: "An approval's id or a unique part of one; or a run with exactly one open approval" },
    ],
    options: [
      { flags: "--plan <digest>", about: "The plan that was looked at" },
      { flags: "--reason <text>", about: "Why; recorded and in the receipt" },
      { flags: "--yes", about: "With --plan: do not ask" },
    ],
    examples: [["maestro approve a_01j --plan sha256:9f2c… --reason 'checked with QA'", "from a script"]],
    load: () => import("../command/approve.ts"),
  },
  {
    name: "deny",
    group: "daily",
    summary: "deny what waits for an approval",
    description: "The task fails with APPROVAL_DENIED. Otherwise as `approve`.",
    args: [
      { name: "approval", about: "An approval's id or a unique part of one; or a run with exactly one open approval" },
    ],
    options: [
      { flags: "--plan <digest>", about: "The plan that was looked at" },
      { flags: "--reason <text>", about: "Why; recorded and in the receipt" },
      { flags: "--yes", about: "With --plan: do not ask" },
    ],
    examples: [["maestro deny a_01j --plan sha256:9f2c… --reason 'freeze until Monday'", "from a script"]],
    load: () => import("../command/deny.ts"),
  },
  {
    name: "signal",
    group: "daily",
    summary: "give a run a signal that a task waits for",
    description: "The payload becomes the waiting task's output.",
    args: [
      RUN,
      { name: "name", about: "The signal's name" },
      { name: "payload", about: "JSON, or `-` for stdin (default: null)", optional: true },
    ],
    options: [],
    examples: [['maestro signal 8k2f deployed \'{"version":"1.4.0"}\'', "a signal with a payload"]],
    load: () => import("../command/signal.ts"),
  },
];
