import { RULES_OF_EXPRESSIONS } from "./rules-expressions.ts";

/** One thing that lint can say. `example` is a part of a manifest that shows it; `instead` the same, mended. */
export interface Rule {
  readonly title: string;
  readonly severity: "error" | "warning";
  readonly why: string;
  readonly example: string;
  readonly instead: string;
}

/** Every rule of `maestro lint`; docs/reference/lint-rules.md is made from this table. Ids are stable and never used twice. */
export const RULES = {
  WF001: {
    title: "The file is not UTF-8",
    severity: "error",
    why: "A manifest is signed by its content, so its characters must be certain. Save the file as UTF-8.",
    example: "# a file saved as UTF-16 or Latin-1",
    instead: "# the same file saved as UTF-8",
  },
  WF002: {
    title: "The file is too large",
    severity: "error",
    why: "A manifest may have 1 MiB. Data belongs into files that tasks read, not into the manifest.",
    example: 'with: { data: "… a megabyte of base64 …" }',
    instead: "with: { path: data.bin }",
  },
  WF003: {
    title: "The file is not valid YAML or JSON",
    severity: "error",
    why: "It cannot be read. The message says what was expected, and the caret where.",
    example: "needs: [build",
    instead: "needs: [build]",
  },
  WF004: {
    title: "A key is given twice",
    severity: "error",
    why: "Most readers keep the last one silently, so that two people read two different manifests.",
    example: "timeout: { run: 5m }\ntimeout: { run: 1h }",
    instead: "timeout: { run: 1h }",
  },
  WF005: {
    title: "YAML beyond JSON",
    severity: "error",
    why: "Anchors, aliases, merge keys, tags, several documents and keys that are no strings have no form in the JSON that is signed, and aliases can make a small file enormous.",
    example: "build: &base { uses: exec@1 }\ntest: *base",
    instead: "build: { uses: exec@1 }\ntest: { uses: exec@1 }",
  },
  WF006: {
    title: "Nested too deeply",
    severity: "error",
    why: "A manifest may be nested 64 levels deep.",
    example: "with: { a: [[[[[[ … ]]]]]] }",
    instead: "with: { path: data.json }",
  },
  WF010: {
    title: "Unknown field",
    severity: "error",
    why: "A misspelt field would otherwise be ignored, and with it a timeout or an approval.",
    example: "tasks:\n  build: { uses: exec@1, timout: { run: 5m } }",
    instead: "tasks:\n  build: { uses: exec@1, timeout: { run: 5m } }",
  },
  WF011: {
    title: "A value of the wrong kind",
    severity: "error",
    why: "The value has another type, range or form than the field takes. The reference (docs/reference/manifest.md) lists them.",
    example: 'retry: { attempts: "three" }',
    instead: "retry: { attempts: 3 }",
  },
  WF012: {
    title: "Unknown task",
    severity: "error",
    why: "A task that does not exist can neither be waited for nor read.",
    example: "tasks:\n  test: { uses: exec@1 }\n  ship: { uses: exec@1, needs: [tset] }",
    instead: "tasks:\n  test: { uses: exec@1 }\n  ship: { uses: exec@1, needs: [test] }",
  },
  WF013: {
    title: "A field is missing",
    severity: "error",
    why: "The manifest cannot be carried out without it.",
    example: "metadata: { version: 1.0.0 }",
    instead: "metadata: { name: release, version: 1.0.0 }",
  },
  WF014: {
    title: "Another format",
    severity: "error",
    why: "`apiVersion` and `kind` say what the document is. This version reads `maestro/v1` and `Runbook`.",
    example: "apiVersion: maestro/v9",
    instead: "apiVersion: maestro/v1",
  },
  WF020: {
    title: "Tasks wait for each other",
    severity: "error",
    why: "None of the tasks of a cycle could ever start. Edges come from `needs` and from what expressions read.",
    example: "tasks:\n  a: { uses: exec@1, needs: [b] }\n  b: { uses: exec@1, needs: [a] }",
    instead: "tasks:\n  a: { uses: exec@1 }\n  b: { uses: exec@1, needs: [a] }",
  },
  WF021: {
    title: "A task that never runs",
    severity: "warning",
    why: "Its `when` is always false, or it needs a task that never runs. If it is meant to be off, say so with an ignore comment.",
    example: 'deploy: { uses: exec@1, when: "false" }',
    instead: "deploy: { uses: exec@1, when: inputs.deploy }",
  },
  WF022: {
    title: "A task needs one of `finally`",
    severity: "error",
    why: "`finally` runs after all other tasks, so they cannot wait for it.",
    example: "tasks:\n  a: { uses: exec@1, needs: [tell] }\nfinally:\n  tell: { uses: exec@1 }",
    instead: "tasks:\n  a: { uses: exec@1 }\nfinally:\n  tell: { uses: exec@1, needs: [] }",
  },
  WF023: {
    title: "One name for two tasks",
    severity: "error",
    why: "`tasks.NAME` must mean one task, in `tasks` and `finally` together.",
    example: "tasks:\n  tell: { uses: exec@1 }\nfinally:\n  tell: { uses: exec@1 }",
    instead: "tasks:\n  tell: { uses: exec@1 }\nfinally:\n  tellAll: { uses: exec@1 }",
  },
  ...RULES_OF_EXPRESSIONS,
  WF040: {
    title: "Unknown task type or runbook",
    severity: "error",
    why: "`uses` names nothing that this installation has. `maestro task list` shows the task types of the data directory, and `maestro task add` adds a program as one: each directory has its own.",
    example: "build: { uses: exce@1 }",
    instead: "build: { uses: exec@1 }",
  },
  WF041: {
    title: "The input does not fit the task type",
    severity: "error",
    why: "The task would refuse it when it runs. `maestro task show TYPE` describes what it takes.",
    example: "wait: { uses: wait@1, with: { duration: 5 } }",
    instead: "wait: { uses: wait@1, with: { duration: 5s } }",
  },
  WF042: {
    title: "The task type needs more input",
    severity: "error",
    why: "The task cannot work without it. `maestro task show TYPE` describes what it takes.",
    example: "check: { uses: license/check@1, with: { allow: [MIT] } }",
    instead: 'check: { uses: license/check@1, with: { allow: [MIT], package: "${{ inputs.package }}" } }',
  },
  WF043: {
    title: "A setting without effect",
    severity: "warning",
    why: "The task type has no use for it: what runs inside the engine has no runner, no secrets in its environment and leaves no files behind.",
    example: "pause: { uses: wait@1, with: { duration: 5s }, runner: { sandbox: strict } }",
    instead: "pause: { uses: wait@1, with: { duration: 5s } }",
  },
  WF044: {
    title: "A default that its own schema refuses",
    severity: "error",
    why: "Every run that relies on the default would be refused.",
    example: "inputs:\n  count: { type: integer, default: many }",
    instead: "inputs:\n  count: { type: integer, default: 3 }",
  },
  WF045: {
    title: "A budget that cannot suffice",
    severity: "warning",
    why: "The run would be stopped before it can end.",
    example: "budget: { tasks: 1 }\ntasks:\n  a: { uses: exec@1 }\n  b: { uses: exec@1 }",
    instead: "budget: { tasks: 10 }",
  },
  WF046: {
    title: "A schedule that never fires",
    severity: "error",
    why: "The cron expression or the time zone is not valid, or there is no such moment.",
    example: 'schedule: { cron: "0 3 31 2 *" }',
    instead: 'schedule: { cron: "0 3 28 2 *" }',
  },
  WF050: {
    title: "An input that nothing reads",
    severity: "warning",
    why: "Whoever starts a run sets it and expects an effect.",
    example: "inputs:\n  dryRun: { type: boolean, default: false }",
    instead: "when: inputs.dryRun == false",
  },
  WF051: {
    title: "Sensitive, and nobody is asked",
    severity: "warning",
    why: "What cannot be taken back deserves a second pair of eyes: add `approvals`, or an ignore comment that says why not.",
    example: "publish: { uses: exec@1, sensitive: true }",
    instead: "publish: { uses: exec@1, sensitive: true, approvals: { count: 1 } }",
  },
  WF052: {
    title: "A command without a time limit",
    severity: "warning",
    why: "A command that hangs holds its run until somebody notices. Give `timeout.run`, or `budget.wall` for the whole run.",
    example: "build: { uses: exec@1, with: { argv: [make] } }",
    instead: "build: { uses: exec@1, with: { argv: [make] }, timeout: { run: 10m } }",
  },
  WF053: {
    title: "A sensitive task may run twice",
    severity: "warning",
    why: "If the engine dies while it runs, nobody knows how far it came, and by default it runs again. Say `onLost: fail`, or `onLost: retry` if running twice does no harm.",
    example: "pay: { uses: exec@1, sensitive: true, approvals: {} }",
    instead: "pay: { uses: exec@1, sensitive: true, approvals: {}, retry: { onLost: fail } }",
  },
  WF054: {
    title: "A secret in plain text",
    severity: "warning",
    why: "Manifests are stored, shown and signed. Name the secret in `secrets` and read it from the environment; and change it, for it has been seen.",
    example: "with: { env: { TOKEN: ghp_0123456789abcdefghijklmnopqrstuvwxyz } }",
    instead: "secrets: { TOKEN: github-release }",
  },
  WF055: {
    title: "An ignore comment that does not work",
    severity: "warning",
    why: "It needs the form `# maestro-ignore WF052: reason`, a rule that exists and is a warning, and something to ignore on its line or the next.",
    example: "# maestro-ignore WF052",
    instead: "# maestro-ignore WF052: runs under the wall budget of its parent",
  },
  WF058: {
    title: "Rollback and undo do not meet",
    severity: "warning",
    why: "`onFailure: rollback` runs the `undo` of tasks; one without the other does nothing.",
    example: "onFailure: rollback   # and no task has an `undo`",
    instead: "publish: { uses: exec@1, undo: { uses: exec@1, with: { argv: [npm, deprecate] } } }",
  },
  WF059: {
    title: "Tokens without walls",
    severity: "warning",
    why: "An attempt asks for its tokens through a socket. In a sandbox only its own processes see that; without one every process of the engine's user can find it.",
    example: "deploy: { uses: exec@1, identity: { audiences: [vault] }, runner: { sandbox: none } }",
    instead: "deploy: { uses: exec@1, identity: { audiences: [vault] }, runner: { sandbox: strict } }",
  },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof RULES;
