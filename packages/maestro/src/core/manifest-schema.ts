import type { JsonObject } from "./json.ts";
import { duration, expression, IDENTIFIER, object, TASK_SCHEMA } from "./manifest-schema-task.ts";

const NAME = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

const METADATA = object(
  "Which runbook this is.",
  [{ namespace: "platform", name: "release-evidence", version: "1.4.0" }],
  {
    namespace: {
      type: "string",
      pattern: NAME,
      default: "default",
      description: "Who owns it: the boundary of rights, quotas and names.",
      examples: ["platform"],
    },
    name: { type: "string", pattern: NAME, description: "Its name in the namespace.", examples: ["release-evidence"] },
    version: {
      type: "string",
      maxLength: 64,
      pattern: "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$",
      default: "0.0.0",
      description: "Semantic version. A published version never changes.",
      examples: ["1.4.0"],
    },
    description: {
      type: "string",
      maxLength: 2000,
      description: "What it does, for people who choose among runbooks.",
      examples: ["Inventory a Node project and check its licences."],
    },
    labels: {
      type: "object",
      maxProperties: 50,
      propertyNames: { pattern: "^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$" },
      additionalProperties: { type: "string", maxLength: 256 },
      description: "Free labels, for finding it.",
      examples: [{ team: "platform" }],
    },
  },
  { required: ["name"] },
);

const INPUT: JsonObject = {
  type: "object",
  description:
    "One input: a JSON Schema (2020-12) of its value. It must be given when a run starts unless it has a `default` or is `optional`.",
  examples: [{ type: "string", default: ".", description: "Folder with package.json" }],
  properties: {
    type: { $ref: "#/$defs/types", description: "The JSON type, or several.", examples: ["string"] },
    title: { type: "string", maxLength: 200, description: "A short name for forms.", examples: ["Folder"] },
    description: {
      type: "string",
      maxLength: 2000,
      description: "What it means.",
      examples: ["Folder with package.json and its lock file"],
    },
    default: { description: "The value when none is given.", examples: ["."] },
    optional: {
      type: "boolean",
      default: false,
      description: "It may be left out; expressions ask with `has(inputs.NAME)`.",
      examples: [true],
    },
    examples: { type: "array", description: "Example values.", examples: [["."]] },
    enum: {
      type: "array",
      minItems: 1,
      maxItems: 1000,
      description: "The values allowed.",
      examples: [["dev", "prod"]],
    },
    const: { description: "The only value allowed.", examples: ["prod"] },
    format: {
      enum: [
        "date",
        "date-time",
        "time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "uuid",
        "json-pointer",
        "regex",
      ],
      description: "The form of a string.",
      examples: ["uri"],
    },
    pattern: {
      type: "string",
      maxLength: 1000,
      description: "A regular expression (RE2) that a string must match.",
      examples: ["^v[0-9]+$"],
    },
    minLength: { type: "integer", minimum: 0, description: "Characters at least.", examples: [1] },
    maxLength: { type: "integer", minimum: 0, description: "Characters at most.", examples: [100] },
    minimum: { type: "number", description: "The smallest number allowed.", examples: [0] },
    maximum: { type: "number", description: "The largest number allowed.", examples: [100] },
    exclusiveMinimum: { type: "number", description: "The number must be larger.", examples: [0] },
    exclusiveMaximum: { type: "number", description: "The number must be smaller.", examples: [1] },
    multipleOf: { type: "number", exclusiveMinimum: 0, description: "The number must be a multiple.", examples: [5] },
    items: { $ref: "#/$defs/input", description: "The schema of a list's elements.", examples: [{ type: "string" }] },
    minItems: { type: "integer", minimum: 0, description: "Elements at least.", examples: [1] },
    maxItems: { type: "integer", minimum: 0, description: "Elements at most.", examples: [100] },
    uniqueItems: { type: "boolean", description: "No two elements are equal.", examples: [true] },
    properties: {
      type: "object",
      additionalProperties: { $ref: "#/$defs/input" },
      description: "The members of an object.",
      examples: [{ name: { type: "string" } }],
    },
    required: {
      type: "array",
      items: { type: "string" },
      uniqueItems: true,
      description: "Members that an object must have.",
      examples: [["name"]],
    },
    additionalProperties: {
      type: "boolean",
      description: "Whether an object may have other members.",
      examples: [false],
    },
    minProperties: { type: "integer", minimum: 0, description: "Members at least.", examples: [1] },
    maxProperties: { type: "integer", minimum: 0, description: "Members at most.", examples: [10] },
  },
  additionalProperties: false,
};

const SCHEDULE = object(
  "Starts a run by the clock.",
  [{ cron: "0 3 * * 1-5", timezone: "Europe/Berlin", catchUp: "latest", overlap: "skip", jitter: "2m" }],
  {
    cron: {
      type: "string",
      minLength: 9,
      maxLength: 200,
      description: "Minute, hour, day of month, month, day of week.",
      examples: ["0 3 * * 1-5"],
      "x-maestro": "cron",
    },
    timezone: {
      type: "string",
      minLength: 1,
      maxLength: 64,
      default: "UTC",
      description: "IANA name of the time zone the cron expression is meant in.",
      examples: ["Europe/Berlin"],
    },
    catchUp: {
      enum: ["latest", "all", "none"],
      default: "latest",
      description:
        "What to do about times that passed while the engine was down: run the `latest`, `all` (at most 100) or `none` of them.",
      examples: ["latest"],
    },
    overlap: {
      enum: ["skip", "queue", "allow"],
      default: "skip",
      description: "When the run before has not ended: `skip` this one, `queue` it, or `allow` both.",
      examples: ["skip"],
    },
    jitter: duration("Starts up to this much later, so that many schedules do not fall on one second.", "2m", {
      default: "0s",
    }),
  },
  { required: ["cron"] },
);

function tasks(description: string, min: number): JsonObject {
  return {
    type: "object",
    minProperties: min,
    maxProperties: 10_000,
    propertyNames: { pattern: IDENTIFIER },
    additionalProperties: { $ref: "#/$defs/task" },
    description,
    examples: [{ build: { uses: "exec@1", with: { argv: ["npm", "run", "build"] } } }],
  };
}

const SPEC = object(
  "What it does and under which rules.",
  [{ type: "ops", purposes: ["maintenance"], tasks: { hello: { uses: "exec@1", with: { argv: ["echo", "hello"] } } } }],
  {
    type: {
      enum: ["ops", "data", "cicd", "chaos", "demo"],
      default: "ops",
      description: "What kind of work it is; policies treat kinds differently.",
      examples: ["cicd"],
    },
    purposes: {
      type: "array",
      items: { type: "string", pattern: NAME },
      minItems: 1,
      maxItems: 50,
      uniqueItems: true,
      description: "Why it may be run. Each run names one of these.",
      examples: [["release", "audit"]],
    },
    authority: object("Under which mandate a run acts.", [{ required: true }], {
      required: {
        type: "boolean",
        default: false,
        description: "A run must name its mandate: a ticket, an approval, a legal basis.",
        examples: [true],
      },
    }),
    license: {
      type: "string",
      minLength: 1,
      maxLength: 128,
      default: "internal",
      description: "How the data it touches may be used. Policy and the receipt see it.",
      examples: ["internal"],
    },
    inputs: {
      type: "object",
      maxProperties: 200,
      propertyNames: { pattern: IDENTIFIER },
      additionalProperties: { $ref: "#/$defs/input" },
      default: {},
      description: "What a run is given, by name.",
      examples: [{ path: { type: "string", default: "." } }],
    },
    budget: object(
      "What a run may use. Enforced before each task and while it runs.",
      [{ wall: "30m", tasks: 5000, usd: 2 }],
      {
        wall: duration("Time from start to end.", "30m"),
        tasks: {
          type: "integer",
          minimum: 1,
          maximum: 10_000_000,
          description: "Attempts, retries included.",
          examples: [5000],
        },
        usd: {
          type: "number",
          minimum: 0,
          maximum: 1_000_000,
          description: "US dollars, as tasks report them, to a millionth.",
          examples: [2],
        },
      },
    ),
    concurrency: object(
      "How many runs with the same key go at once.",
      [{ key: "inputs.path", max: 1, onConflict: "queue" }],
      {
        key: expression("Which runs are meant, from `inputs` and `run`.", "inputs.path"),
        max: {
          type: "integer",
          minimum: 1,
          maximum: 1000,
          default: 1,
          description: "How many of them.",
          examples: [1],
        },
        onConflict: {
          enum: ["queue", "cancel-running", "reject"],
          default: "queue",
          description:
            "What happens to one too many: it waits, it takes the place of the running one, or it is refused.",
          examples: ["queue"],
        },
      },
      { required: ["key"] },
    ),
    tasks: tasks("The tasks, by name. A flat map: edges come from `needs` and from what expressions read.", 1),
    finally: tasks(
      "Tasks that run at the end of every run, whatever became of the others. They may read everything.",
      0,
    ),
    onFailure: {
      enum: ["stop", "rollback"],
      default: "stop",
      description: "After a failure: `stop`, or `rollback`, which runs the `undo` of what succeeded, in reverse order.",
      examples: ["rollback"],
    },
    outputs: {
      type: "object",
      maxProperties: 200,
      propertyNames: { pattern: IDENTIFIER },
      default: {},
      description: "What a run hands out, by name. Strings may hold `${{ … }}`.",
      examples: [{ digest: "${{ tasks.compare.output.digest }}" }],
      "x-maestro": "template",
    },
    triggers: {
      type: "array",
      maxItems: 50,
      items: object(
        "What starts a run by itself.",
        [{ schedule: { cron: "0 3 * * 1-5" } }],
        {
          schedule: SCHEDULE,
          inputs: {
            type: "object",
            default: {},
            description: "Inputs of the runs it starts; those with a default may be left out.",
            examples: [{ path: "." }],
          },
          purpose: {
            type: "string",
            pattern: NAME,
            description: "Purpose of the runs it starts. Default: the first of `purposes`.",
            examples: ["audit"],
          },
        },
        { required: ["schedule"] },
      ),
      default: [],
      description: "What starts runs without a person.",
      examples: [[{ schedule: { cron: "0 3 * * 1-5", timezone: "Europe/Berlin" } }]],
    },
  },
  { required: ["purposes", "tasks"] },
);

/** The published schema of manifests, spec/manifest-v1.schema.json: what the parser checks, with a sentence and an example on every key. */
export const MANIFEST_SCHEMA: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:summit-maestro:manifest:v1",
  title: "Summit Maestro runbook, version 1",
  ...object(
    "A runbook: a graph of tasks with its inputs, limits and rules.",
    [
      {
        apiVersion: "maestro/v1",
        kind: "Runbook",
        metadata: { name: "hello" },
        spec: { purposes: ["demo"], tasks: { hello: { uses: "exec@1", with: { argv: ["echo", "hello"] } } } },
      },
    ],
    {
      apiVersion: { const: "maestro/v1", description: "The version of this format.", examples: ["maestro/v1"] },
      kind: { const: "Runbook", description: "What the document is.", examples: ["Runbook"] },
      metadata: METADATA,
      spec: SPEC,
    },
    { required: ["apiVersion", "kind", "metadata", "spec"] },
  ),
  $defs: {
    types: {
      anyOf: [
        { $ref: "#/$defs/typeName" },
        { type: "array", items: { $ref: "#/$defs/typeName" }, minItems: 1, uniqueItems: true },
      ],
    },
    typeName: { enum: ["string", "number", "integer", "boolean", "array", "object", "null"] },
    input: INPUT,
    task: TASK_SCHEMA,
  },
};
