import type { JsonObject } from "../core/json.ts";
import { duration, object } from "../core/manifest-schema-task.ts";
import { FAULTS } from "./case.ts";
import { EXPECT_SCHEMA, EXPECT_DEFS } from "./expect-schema.ts";

const text = (description: string, example: string, more: JsonObject = {}): JsonObject => ({
  type: "string",
  minLength: 1,
  maxLength: 4096,
  description,
  examples: [example],
  ...more,
});

const PERSON: JsonObject = {
  description: "A name, or a name with roles.",
  anyOf: [
    { type: "string", minLength: 1, maxLength: 128 },
    object(
      "A name with roles.",
      [{ id: "alice", roles: ["release-manager"] }],
      {
        id: text("Who.", "alice"),
        roles: {
          type: "array",
          items: { type: "string", minLength: 1 },
          maxItems: 100,
          description: "What they may do.",
          examples: [["release-manager"]],
        },
      },
      { required: ["id"] },
    ),
  ],
  examples: ["alice", { id: "alice", roles: ["release-manager"] }],
};

const FAILURE = object(
  "Why it fails.",
  [{ code: "UNAVAILABLE", message: "the registry is down" }],
  {
    code: text("The code that `retry.on` and a receipt see.", "UNAVAILABLE", { maxLength: 64 }),
    message: text("A sentence.", "the registry is down"),
    final: { type: "boolean", default: false, description: "Trying again cannot help.", examples: [true] },
    details: { description: "Particulars, as data.", examples: [{ status: 503 }] },
  },
  { required: ["code"] },
);

const BEHAVIOUR = object(
  "What an attempt does. With several of these it succeeds or fails after having done the others.",
  [{ output: { exit: 0 } }, { fail: "UNAVAILABLE", times: 2 }],
  {
    output: {
      description:
        "What it gives. Strings may hold `${{ … }}` over `input`, `task`, `item`, `attempt` and `now`. What the task type always gives and is left out is filled in with neutral values; what it could not give is an error of the case.",
      examples: [{ status: 200, json: { ready: true } }],
    },
    fail: { $ref: "#/$defs/fail", description: "It fails: a code, or code and message.", examples: ["UNAVAILABLE"] },
    fault: {
      enum: [...FAULTS],
      description:
        "`timeout`: it never answers. `silent`: nor does it give a sign of life. `lost`: its worker is gone. `duplicate`: its result is delivered twice. `crash`: the engine dies while it works, and another one takes over.",
      examples: ["timeout"],
    },
    takes: duration("How long it works, in the world's time.", "5s"),
    artifacts: {
      type: "object",
      maxProperties: 1000,
      additionalProperties: { type: "string" },
      description: "Files it leaves as artifacts: name and content.",
      examples: [{ "report.txt": "all is well\n" }],
    },
    usage: object("What it cost.", [{ usd: 0.4, tokens: 1200 }], {
      usd: { type: "number", minimum: 0, description: "US dollars.", examples: [0.4] },
      tokens: { type: "integer", minimum: 0, description: "Tokens of a model.", examples: [1200] },
    }),
    log: { type: "string", description: "What it writes to its log.", examples: ["building\n"] },
    real: {
      type: "boolean",
      default: false,
      description: "Carry out the task type itself, with its effects on this machine and beyond.",
      examples: [true],
    },
    times: {
      type: "integer",
      minimum: 1,
      maximum: 100_000,
      description: "For so many attempts. Default: one in a list, all that follow at its end.",
      examples: [2],
    },
  },
);

const VOTE = object("What a person says.", [{ verdict: "approve", by: "alice", after: "1h" }], {
  verdict: { enum: ["approve", "deny"], default: "approve", description: "Yes or no.", examples: ["deny"] },
  by: { $ref: "#/$defs/person", description: "Who. Default: an invented person with the roles that are asked for." },
  reason: text("Why.", "the tests are green"),
  after: duration("How long after it was asked.", "1h"),
  refused: text("The vote must be refused, with this code.", "denied", { maxLength: 64 }),
});

const FIELDS: JsonObject = {
  inputs: { type: "object", description: "Inputs of the run.", examples: [{ hosts: ["a", "b"] }] },
  purpose: text("Why it is started. Default: the first purpose of the runbook.", "release", { minLength: 0 }),
  authority: text("Under which mandate. Default: `TEST` where the runbook requires one.", "TICKET-42", {
    minLength: 0,
  }),
  by: { $ref: "#/$defs/person", description: "Who starts it. Default: `tester`." },
  labels: {
    type: "object",
    additionalProperties: { type: "string" },
    description: "Labels of the run.",
    examples: [{ team: "platform" }],
  },
  files: {
    type: "object",
    maxProperties: 1000,
    additionalProperties: { type: "string" },
    description:
      "Files of the folder the run is started in: path and content. It is empty otherwise, and gone afterwards.",
    examples: [{ "orders.csv": "id,total\n1,20\n" }],
  },
  folder: text("A folder to start in instead of a new one, relative to this file.", "fixtures"),
  environment: {
    type: "object",
    additionalProperties: { type: "string" },
    description: "Variables that credentials of tasks are read from. The real environment is never read.",
    examples: [{ API_TOKEN: "only for tests" }],
  },
  fakes: {
    type: "object",
    additionalProperties: { $ref: "#/$defs/fake" },
    description:
      "What stands in for tasks, by task (`deploy`), item (`check[2]`), undo (`deploy.undo`), task of a child run (`cleanup/remove`) or type (`http@1`), in this order. Types without effects are carried out unless they are faked.",
    examples: [{ "exec@1": { output: { exit: 0 } }, deploy: [{ fail: "UNAVAILABLE" }, {}] }],
  },
  approvals: {
    type: "object",
    additionalProperties: { $ref: "#/$defs/answer" },
    description: "Who answers which task that asks people.",
    examples: [{ publish: "approve" }],
  },
  signals: {
    type: "array",
    maxItems: 1000,
    items: object(
      "A signal.",
      [{ name: "go" }],
      {
        name: text("Its name.", "go"),
        payload: { description: "What it carries.", examples: [{ version: 2 }] },
        by: { $ref: "#/$defs/person", description: "Who sends it." },
        after: duration("After the start. Default: as soon as something waits for it.", "5m"),
      },
      { required: ["name"] },
    ),
    description: "Signals that are sent.",
    examples: [[{ name: "go", payload: { version: 2 } }]],
  },
  cancel: object("The run is cancelled.", [{ during: "deploy" }], {
    after: duration("After the start.", "10m"),
    during: text("While this task is at work, or waits.", "deploy"),
    by: { $ref: "#/$defs/person", description: "Who cancels it." },
    reason: text("Why.", "wrong version"),
    force: { type: "boolean", default: false, description: "Without waiting for its tasks.", examples: [true] },
  }),
  deny: {
    type: "array",
    items: { type: "string", minLength: 1 },
    maxItems: 1000,
    description: "What policy denies: tasks, or `run.start`.",
    examples: [["deploy"]],
  },
  at: text("When it starts. Default: 2026-01-01T00:00:00Z.", "2026-03-29T00:30:00Z", { format: "date-time" }),
  seed: {
    type: "integer",
    minimum: 0,
    maximum: 4_294_967_295,
    default: 1,
    description: "Of everything random: jitter and ids.",
    examples: [7],
  },
  limits: object("When a case has gone on for too long.", [{ attempts: 5000 }], {
    attempts: { type: "integer", minimum: 1, default: 1000, description: "Attempts of one step.", examples: [5000] },
    events: {
      type: "integer",
      minimum: 1,
      default: 2_000_000,
      description: "Events of all its runs.",
      examples: [100],
    },
    time: duration("Of the world's time.", "365d", { default: "3650d" }),
    real: duration("On this machine.", "2m", { default: "30s" }),
  }),
  expect: EXPECT_SCHEMA,
};

const name = text("What it shows, as a sentence.", "rolls back when the health check fails", { maxLength: 200 });

/** The published schema of workflow tests, spec/workflow-test-v1.schema.json. */
export const WORKFLOW_TEST_SCHEMA: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:summit-maestro:workflow-test:v1",
  title: "Summit Maestro workflow test, version 1",
  ...object(
    "Tests of one runbook: a table of cases.",
    [
      {
        apiVersion: "maestro/v1",
        kind: "WorkflowTest",
        cases: [{ name: "says hello", fakes: { "exec@1": {} }, expect: { status: "succeeded" } }],
      },
    ],
    {
      apiVersion: { const: "maestro/v1", description: "The version of this format.", examples: ["maestro/v1"] },
      kind: { const: "WorkflowTest", description: "What the document is.", examples: ["WorkflowTest"] },
      manifest: text(
        "The manifest, relative to this file. Default: of the same name, `x.maestro.yaml` for `x.maestro.test.yaml`.",
        "release.maestro.yaml",
      ),
      defaults: object(
        "What every case begins with; a case says what is different.",
        [{ fakes: { "exec@1": {} } }],
        FIELDS,
      ),
      cases: {
        type: "array",
        minItems: 1,
        maxItems: 10_000,
        description: "The cases, each in a world of its own.",
        examples: [[{ name: "says hello", expect: { status: "succeeded" } }]],
        items: { $ref: "#/$defs/case" },
      },
    },
    { required: ["apiVersion", "kind", "cases"] },
  ),
  $defs: {
    case: object(
      "One case.",
      [{ name: "says hello", expect: { status: "succeeded" } }],
      {
        name,
        ...FIELDS,
        rows: {
          type: "array",
          minItems: 1,
          maxItems: 10_000,
          description: "The same case several times, each row with what is different.",
          examples: [[{ inputs: { min: 0 }, expect: { outputs: { kept: 3 } } }]],
          items: { $ref: "#/$defs/row" },
        },
      },
      { required: ["name"] },
    ),
    row: object("A row of a case.", [{ inputs: { min: 0 }, expect: { outputs: { kept: 3 } } }], {
      name: { ...name, description: "What is particular about it. Default: its number." },
      ...FIELDS,
    }),
    fake: {
      description: "One behaviour for all attempts, or a list of them, attempt by attempt.",
      anyOf: [
        { $ref: "#/$defs/behaviour" },
        { type: "array", items: { $ref: "#/$defs/behaviour" }, minItems: 1, maxItems: 1000 },
      ],
      examples: [{ output: { exit: 0 } }],
    },
    behaviour: BEHAVIOUR,
    fail: {
      description: "A code, or code and message.",
      anyOf: [{ type: "string", minLength: 1, maxLength: 64, description: "The code." }, { $ref: "#/$defs/failure" }],
      examples: ["UNAVAILABLE", { code: "UNAVAILABLE", message: "the registry is down" }],
    },
    failure: FAILURE,
    answer: {
      description: "`approve`, `deny`, `expire` (nobody answers), or who says what, in order.",
      anyOf: [
        { enum: ["approve", "deny", "expire"] },
        { $ref: "#/$defs/vote" },
        { type: "array", items: { $ref: "#/$defs/vote" }, minItems: 1, maxItems: 100 },
      ],
      examples: ["approve"],
    },
    vote: VOTE,
    person: PERSON,
    ...EXPECT_DEFS,
  },
};
