import type { JsonObject } from "../core/json.ts";
import { duration, object } from "../core/manifest-schema-task.ts";

const count = (description: string, example: number): JsonObject => ({
  type: "integer",
  minimum: 0,
  description,
  examples: [example],
});

const texts = (description: string, example: readonly string[], maxItems = 10_000): JsonObject => ({
  type: "array",
  items: { type: "string", minLength: 1 },
  maxItems,
  description,
  examples: [example],
});

const RUN_STATUS = ["succeeded", "failed", "cancelled", "denied", "refused"];
const TASK_STATUS = ["succeeded", "failed", "skipped", "cancelled", "pending", "active"];

const TASK = object("What must have become of a task.", [{ status: "failed", attempts: 3, error: "TIMEOUT" }], {
  status: { enum: TASK_STATUS, description: "How it ended.", examples: ["succeeded"] },
  attempts: count("Attempts, of all its items; undos are not counted.", 3),
  output: { description: "What it gave; a list where it fans out.", examples: [{ exit: 0 }] },
  input: { description: "What its last attempt was given; a list where it fans out.", examples: [{ argv: ["make"] }] },
  error: { $ref: "#/$defs/error" },
  skipped: {
    enum: ["condition", "upstream_failed", "upstream_skipped", "cancelled", "empty", null],
    description: "Why it was skipped.",
    examples: ["condition"],
  },
  items: object("How many of its items ended how.", [{ succeeded: 2, failed: 1 }], {
    succeeded: count("Those that succeeded.", 2),
    failed: count("Those that failed.", 1),
    cancelled: count("Those that were cancelled.", 0),
  }),
  artifacts: texts("Names of the files it left, sorted.", ["report.txt"]),
  waited: {
    type: "array",
    items: { enum: ["approval", "signal", "timer", "retry", "poll", "child"] },
    description: "What it waited for, each once, in that order.",
    examples: [["approval"]],
  },
  cached: { type: "boolean", description: "Its result was taken from an earlier run.", examples: [true] },
  undo: { enum: ["succeeded", "failed", null], description: "What became of its undo.", examples: ["succeeded"] },
});

export const EXPECT_SCHEMA: JsonObject = object(
  "What must have come of the run. Maps are compared by the keys that are named, lists as a whole.",
  [{ status: "failed", error: "TIMEOUT", tasks: { deploy: { attempts: 3 } }, undone: ["build"] }],
  {
    status: {
      enum: RUN_STATUS,
      description: "How it ended. `refused`: it was not even recorded, because its inputs would not do.",
      examples: ["succeeded"],
    },
    error: { $ref: "#/$defs/error" },
    outputs: { type: "object", description: "What it handed out.", examples: [{ digest: "sha256:…" }] },
    tasks: {
      type: "object",
      additionalProperties: { $ref: "#/$defs/expectTask" },
      description: "What became of its tasks; a text is the status.",
      examples: [{ build: "succeeded", deploy: { attempts: 3 } }],
    },
    undone: texts("Steps that were undone, in that order.", ["deploy[1]", "deploy[0]", "build"]),
    decisions: {
      type: "array",
      maxItems: 10_000,
      items: object("A decision of the gate.", [{ task: "deploy", allow: false }], {
        action: { enum: ["run.start", "task.execute"], description: "What was asked.", examples: ["task.execute"] },
        task: { type: "string", description: "The task.", examples: ["deploy"] },
        allow: { type: "boolean", description: "The answer.", examples: [false] },
      }),
      description: "Decisions in this order; others may lie between.",
      examples: [[{ task: "deploy", allow: false }]],
    },
    events: texts(
      "Events in this order; others may lie between. A line is kind, task and details, from the left: `attempt_finished deploy failed TIMEOUT`. A task stands for its items too (`deploy[1]` is one).",
      ["attempt_finished deploy failed", "rollback_started"],
    ),
    never: texts("Events that must not have happened.", ["attempt_started publish"]),
    plan: object("The plan that the manifest compiles to.", [{ effects: ["network"] }], {
      digest: {
        type: "string",
        pattern: "^sha256:[0-9a-f]{64}$",
        description: "Its digest, which approvals name.",
        examples: [`sha256:${"0".repeat(64)}`],
      },
      tasks: texts("Its tasks in order.", ["build", "deploy"]),
      effects: texts("The effects of all tasks, sorted.", ["network", "process"]),
      approvals: texts("Tasks that ask people.", ["publish"]),
    }),
    cost: object("What it cost.", [{ attempts: 3, usd: 0.4 }], {
      attempts: count("Attempts of all tasks, undos included.", 3),
      usd: { type: "number", minimum: 0, description: "US dollars.", examples: [0.4] },
      tokens: count("Tokens of a model.", 1200),
    }),
    took: {
      $ref: "#/$defs/took",
      description: "The world's time from start to end, exactly or within bounds.",
      examples: ["5m", { atMost: "5m" }],
    },
    that: {
      type: "array",
      maxItems: 1000,
      items: { type: "string", minLength: 1, maxLength: 4096 },
      description:
        "CEL expressions that must be true, over `status`, `error`, `outputs`, `tasks`, `undone`, `decisions`, `approvals`, `events`, `cost`, `tookMs` and `plan`.",
      examples: [["outputs.kept > 2"]],
    },
  },
);

export const EXPECT_DEFS: JsonObject = {
  expectTask: {
    description: "A status, or more about it.",
    anyOf: [{ enum: TASK_STATUS }, { $ref: "#/$defs/expectTaskFields" }],
    examples: ["succeeded"],
  },
  expectTaskFields: TASK,
  took: {
    description: "A duration, or bounds of one.",
    anyOf: [duration("Exactly.", "5m"), { $ref: "#/$defs/tookBounds" }],
    examples: ["5m"],
  },
  tookBounds: object("Within bounds.", [{ atLeast: "1m", atMost: "5m" }], {
    atLeast: duration("At least.", "1m"),
    atMost: duration("At most.", "5m"),
  }),
  error: {
    description: "A code, or code and a part of the message. `null`: there is none.",
    anyOf: [{ type: "null" }, { type: "string", minLength: 1 }, { $ref: "#/$defs/errorFields" }],
    examples: ["TIMEOUT"],
  },
  errorFields: object("Why it failed.", [{ code: "EXIT", message: "exit code 2" }], {
    code: { type: "string", minLength: 1, description: "The code.", examples: ["EXIT"] },
    message: { type: "string", minLength: 1, description: "A part of the message.", examples: ["exit code 2"] },
  }),
};
