import { DURATION_PATTERN } from "./duration.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { SIZE_PATTERN } from "./size.ts";

/** Names of tasks, inputs and fan-out variables: what an expression can write after a dot. */
export const IDENTIFIER = "^[A-Za-z_][A-Za-z0-9_]{0,63}$";

export function duration(description: string, example: string, more: JsonObject = {}): JsonObject {
  return {
    type: "string",
    minLength: 2,
    maxLength: 64,
    pattern: DURATION_PATTERN,
    description,
    examples: [example],
    ...more,
  };
}

export function expression(description: string, example: string): JsonObject {
  return {
    type: "string",
    minLength: 1,
    maxLength: 4096,
    description: `${description} A CEL expression.`,
    examples: [example],
    "x-maestro": "expression",
  };
}

export function object(
  description: string,
  examples: readonly JsonValue[],
  properties: JsonObject,
  more: JsonObject = {},
): JsonObject {
  return { type: "object", description, examples, properties, additionalProperties: false, ...more };
}

const USES: JsonObject = {
  type: "string",
  minLength: 1,
  maxLength: 256,
  pattern:
    "^([a-z][a-z0-9-]*(/[a-z][a-z0-9-]*)*@[0-9]{1,6}|runbook:[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*@[0-9A-Za-z.+-]{1,64}|runbook:sha256:[0-9a-f]{64})$",
  description:
    "What the task runs: a task type at a version (`exec@1`), a runbook at a version (`runbook:platform/cleanup@2`, a child run with its own receipt) or a runbook's plan digest (`runbook:sha256:…`).",
  examples: ["exec@1", "runbook:platform/cleanup@2"],
};

const WITH: JsonObject = {
  type: "object",
  default: {},
  description:
    "The input of the task, as its type describes it (`maestro task show TYPE`). Strings may hold `${{ … }}`; a string that is exactly one `${{ … }}` keeps the type of its value.",
  examples: [{ path: "${{ inputs.path }}" }],
  "x-maestro": "template",
};

const FOR_EACH = object(
  "Runs the task once per item of a list. Its result is a list in item order with a status per item, and counts: `tasks.ID.failed`, `tasks.ID.succeeded`.",
  [{ items: "tasks.inventory.output.packages", as: "pkg", max: 20 }],
  {
    items: expression("The list, of at most 100,000 items.", "tasks.inventory.output.packages"),
    as: {
      type: "string",
      pattern: IDENTIFIER,
      default: "value",
      description: "The name under which expressions see the item; its number is `item.index`.",
      examples: ["pkg"],
    },
    max: {
      type: "integer",
      minimum: 1,
      maximum: 1000,
      default: 10,
      description: "How many items run at the same time.",
      examples: [20],
    },
    onItemFailure: {
      enum: ["stop", "continue"],
      default: "stop",
      description:
        "After an item has failed: `stop` starts no further items, `continue` runs them all. Either way the task has failed if one of its items has, and `when: tasks.ID.failed == 0` can ask.",
      examples: ["continue"],
    },
  },
  { required: ["items"] },
);

const RETRY = object(
  "Tries again when an attempt fails. Earlier attempts stay visible.",
  [
    {
      attempts: 3,
      backoff: { initial: "1s", factor: 2, max: "30s", jitter: "full" },
      on: 'error.code in ["TIMEOUT", "UNAVAILABLE"]',
    },
  ],
  {
    attempts: {
      type: "integer",
      minimum: 1,
      maximum: 100,
      default: 1,
      description: "Tries in all, the first included.",
      examples: [3],
    },
    backoff: object(
      "How long to wait before each further try.",
      [{ initial: "1s", factor: 2, max: "30s", jitter: "full" }],
      {
        initial: duration("Before the second try.", "1s", { default: "1s" }),
        factor: {
          type: "number",
          minimum: 1,
          maximum: 100,
          default: 2,
          description: "Each wait is this many times the one before.",
          examples: [2],
        },
        max: duration("No wait is longer.", "30s", { default: "1m" }),
        jitter: {
          enum: ["none", "full", "equal"],
          default: "full",
          description:
            "Spreads retries in time: `full` waits a random part of the delay, `equal` half of it and a random part of the other half, `none` all of it.",
          examples: ["full"],
        },
      },
    ),
    on: expression(
      "Which failures are worth another try, by `error.code`, `error.message` and `error.details`. Without it: every error that is not final by its nature.",
      'error.code in ["TIMEOUT", "UNAVAILABLE"]',
    ),
    onLost: {
      enum: ["retry", "fail"],
      default: "retry",
      description:
        "When the engine or worker that carried out an attempt died, nobody knows how far it came: `retry` runs it again, `fail` counts it as a failure. Choose `fail` for what must not happen twice.",
      examples: ["fail"],
    },
  },
);

const APPROVALS = object(
  "Asks people before the task starts. They approve the digest of the plan: what was seen is what runs.",
  [{ count: 2, roles: ["release-manager"], notRequester: true, expires: "24h" }],
  {
    count: {
      type: "integer",
      minimum: 1,
      maximum: 20,
      default: 1,
      description: "How many different people must say yes. One no ends it.",
      examples: [2],
    },
    roles: {
      type: "array",
      items: { type: "string", minLength: 1, maxLength: 128 },
      maxItems: 50,
      uniqueItems: true,
      default: [],
      description: "Only people with one of these roles count. Empty: whoever may approve in the namespace.",
      examples: [["release-manager"]],
    },
    notRequester: {
      type: "boolean",
      default: true,
      description: "Whoever started the run does not count.",
      examples: [true],
    },
    expires: duration("After this long without enough approvals the answer is no.", "24h", { default: "24h" }),
    message: {
      type: "string",
      maxLength: 4000,
      description: "What the approvers are asked. May hold `${{ … }}`.",
      examples: ["Publish ${{ inputs.version }}?"],
      "x-maestro": "template",
    },
  },
);

const RUNNER = object(
  "Where and how confined the task's commands run.",
  [{ kind: "process", sandbox: "strict", limits: { memory: "1GiB" } }],
  {
    kind: {
      enum: ["process"],
      default: "process",
      description: "`process`: a child process on the engine's machine.",
      examples: ["process"],
    },
    sandbox: {
      enum: ["strict", "preferred", "none"],
      default: "preferred",
      description:
        "`strict`: isolated or not at all. `preferred`: as isolated as this machine can, and the receipt says how far that went. `none`: not isolated.",
      examples: ["strict"],
    },
    limits: object(
      "Limits of the command and everything it starts.",
      [{ memory: "1GiB", cpu: "10m", file: "100MiB", processes: 100 }],
      {
        memory: {
          type: "string",
          pattern: SIZE_PATTERN,
          description: "Memory of all its processes together.",
          examples: ["1GiB"],
        },
        cpu: duration("Processor time, in whole seconds.", "10m"),
        file: {
          type: "string",
          pattern: SIZE_PATTERN,
          description: "The largest file it may write.",
          examples: ["100MiB"],
        },
        processes: {
          type: "integer",
          minimum: 1,
          maximum: 100_000,
          description: "How many processes and threads it may have at once.",
          examples: [100],
        },
      },
    ),
  },
);

/** One task, in `tasks` or `finally`. */
export const TASK_SCHEMA: JsonObject = object(
  "One task of the runbook.",
  [{ uses: "exec@1", with: { argv: ["npm", "test"] }, timeout: { run: "10m" } }],
  {
    description: {
      type: "string",
      maxLength: 2000,
      description: "What the task is for; shown in the console and to approvers.",
      examples: ["Pack the project twice."],
    },
    uses: USES,
    needs: {
      type: "array",
      items: { type: "string", pattern: IDENTIFIER },
      maxItems: 10_000,
      uniqueItems: true,
      default: [],
      description: "Tasks that come first. Tasks that an expression reads need not be listed.",
      examples: [["compare"]],
    },
    with: WITH,
    forEach: FOR_EACH,
    when: expression(
      "Runs the task only if this is true, and skips it otherwise. A task whose needs failed or were skipped is skipped too, unless its `when` looks at a status or count.",
      "tasks.check.failed == 0",
    ),
    retry: RETRY,
    timeout: object("How long it may take.", [{ queue: "5m", run: "20s", heartbeat: "1m" }], {
      queue: duration("From being ready to being started.", "5m"),
      run: duration("Of one attempt.", "20s"),
      heartbeat: duration("Between two signs of life of an attempt.", "1m"),
    }),
    until: object(
      "Runs the task again and again until a condition holds.",
      [{ condition: "task.output.ready", every: "30s", max: 20 }],
      {
        condition: expression("Asked after each round; `task.output` is what that round came to.", "task.output.ready"),
        every: duration("Between two rounds.", "30s", { default: "30s" }),
        max: {
          type: "integer",
          minimum: 1,
          maximum: 10_000,
          default: 60,
          description: "After so many rounds the task fails.",
          examples: [20],
        },
      },
      { required: ["condition"] },
    ),
    continueOnError: {
      type: "boolean",
      default: false,
      description: "A failure of this task is a recorded warning and does not fail the run.",
      examples: [true],
    },
    cache: object(
      "Uses the result of an earlier run with the same key instead of running again. The receipt says so.",
      [{ ttl: "7d", files: ["package-lock.json"] }],
      {
        key: {
          description:
            "What the result depends on; may hold `${{ … }}`. Without it: the digest of task type, input and `files`.",
          examples: ["${{ inputs.version }}"],
          "x-maestro": "template",
        },
        ttl: duration("How long a result is good for. Without it: as long as it is kept.", "7d"),
        files: {
          type: "array",
          items: { type: "string", minLength: 1, maxLength: 1024 },
          maxItems: 1000,
          description:
            "Files whose content is part of the key: globs, relative to the folder the run was started in; may hold `${{ … }}`. One that fits no file means that nothing is reused and nothing is kept.",
          examples: [["package-lock.json"]],
          "x-maestro": "template",
        },
      },
    ),
    approvals: APPROVALS,
    secrets: {
      type: "object",
      propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]{0,127}$" },
      maxProperties: 100,
      additionalProperties: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$" },
      description:
        "Environment variable to name of a secret. The secret is leased for each attempt and never enters the run's history.",
      examples: [{ NPM_TOKEN: "npm-publish" }],
    },
    identity: object(
      "Lets the task's commands prove what they are to other systems, by tokens that this control plane signs: OpenID Connect, five minutes, for each attempt. Without it a task gets none.",
      [{ audiences: ["sts.amazonaws.com"] }],
      {
        audiences: {
          type: "array",
          items: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
          minItems: 1,
          maxItems: 10,
          uniqueItems: true,
          description:
            "Whom a token may be for, exactly as the other side calls itself. The gate is asked for each token as well.",
          examples: [["sts.amazonaws.com"]],
        },
      },
      { required: ["audiences"] },
    ),
    sensitive: {
      type: "boolean",
      default: false,
      description: "What it does cannot be taken back or is seen by others. Policy may ask more of such a task.",
      examples: [true],
    },
    runner: RUNNER,
    artifacts: {
      type: "array",
      items: { type: "string", minLength: 1, maxLength: 1024 },
      maxItems: 100,
      description: "Files to keep: globs, relative to the attempt's folder.",
      examples: [["*.tgz"]],
    },
    undo: object(
      "How to take it back, when a run with `onFailure: rollback` fails.",
      [{ uses: "exec@1", with: { argv: ["npm", "deprecate", "…", "rolled back"] } }],
      { uses: USES, with: WITH },
      { required: ["uses"] },
    ),
  },
  { required: ["uses"] },
);
