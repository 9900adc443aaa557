import type { TaskError } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Effect } from "../core/plan.ts";

/**
 * The task protocol: what Maestro and a program that carries out tasks say to each other, one JSON text per line.
 * spec/task-protocol-v1.schema.json is this schema and docs/reference/task-protocol.md explains it.
 */
export const PROTOCOL_VERSION = 1;

/** Versions that a Maestro of this version offers, newest first: it and the two before it. */
export function versionsOf(version: number): readonly number[] {
  return [version, version - 1, version - 2].filter((one) => one >= 1);
}

export const OFFERED_VERSIONS = versionsOf(PROTOCOL_VERSION);

export const PROTOCOL_LIMITS = {
  /** One message either way: an output of 16 MiB and what is around it. */
  messageBytes: 17 << 20,
  /** ... until the program has described itself. */
  startBytes: 1 << 20,
  /** From the start of a program to its description. */
  startMs: 10_000,
  /** Attempts that a program can say it works on at once. */
  concurrency: 256,
  /** Processes of one task type. */
  processes: 4,
  /** A process without an attempt is told to end. */
  idleMs: 60_000,
  /** From `shutdown` to SIGKILL. */
  shutdownMs: 2_000,
  /** What was sent and is not read. */
  unreadBytes: 64 << 20,
  /** `emit` messages of one attempt. */
  events: 1_000_000,
  /** Of stderr, in the log of one attempt. */
  stderrBytes: 8 << 20,
} as const;

export const EFFECTS: readonly Effect[] = ["deploy", "network", "process", "secret", "spend", "write"];

/** What a program says about its task type. */
export interface ProgramDescription {
  readonly name: string;
  readonly version: number;
  readonly summary: string;
  readonly docs?: string;
  readonly effects: readonly Effect[];
  readonly input: JsonObject;
  readonly output: JsonObject;
  readonly example?: JsonObject;
}

export type ToProgram =
  | { readonly type: "hello"; readonly protocols: readonly number[]; readonly engine: string }
  | { readonly type: "init" }
  | { readonly type: "validate"; readonly id: string; readonly input: JsonObject }
  | Execute
  | { readonly type: "cancel"; readonly id: string; readonly error: TaskError }
  | { readonly type: "shutdown" };

export interface Execute {
  readonly type: "execute";
  readonly id: string;
  readonly input: JsonObject;
  readonly run: string;
  readonly namespace: string;
  readonly task: string;
  readonly item: number;
  readonly attempt: number;
  readonly dir: string;
  readonly base: string;
  readonly deadline?: number;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly requestId?: string;
  readonly tokenSocket?: string;
}

export type FromProgram =
  | { readonly type: "hello"; readonly protocol: number; readonly concurrency?: number; readonly sdk?: string }
  | { readonly type: "description"; readonly description: ProgramDescription; readonly validates?: boolean }
  | { readonly type: "validated"; readonly id: string; readonly problems: readonly string[] }
  | { readonly type: "emit"; readonly id: string; readonly event: ProgramEvent }
  | { readonly type: "result"; readonly id: string; readonly output: JsonValue }
  | { readonly type: "failure"; readonly id: string; readonly error: TaskError; readonly output?: JsonValue };

export type ProgramEvent =
  | { readonly kind: "log"; readonly text: string; readonly stream?: "stdout" | "stderr" | "info" }
  | { readonly kind: "progress"; readonly done: number; readonly total?: number }
  | { readonly kind: "artifact"; readonly path: string; readonly name?: string }
  | { readonly kind: "usage"; readonly usdMicros?: number; readonly tokens?: number }
  | { readonly kind: "heartbeat" };

/** Codes that only the engine gives: what they promise (a free retry, a denial) is not a program's to promise. */
export const RESERVED_CODES: readonly string[] = [
  "DENIED",
  "HEARTBEAT",
  "ISOLATION",
  "LOST",
  "PROGRAM_CHANGED",
  "PROGRAM_DIED",
  "PROGRAM_START",
  "PROTOCOL",
  "TIMEOUT",
];

const ID: JsonObject = {
  type: "string",
  pattern: "^[A-Za-z0-9._-]{1,64}$",
  description: "Names one attempt in this process.",
};

const NO_CONTROLS = "^[^\\x00-\\x1f\\x7f]+$";

function text(description: string, maxLength: number, minLength = 1): JsonObject {
  return { type: "string", minLength, maxLength, description };
}

function whole(description: string, minimum: number, maximum?: number): JsonObject {
  return { type: "integer", minimum, ...(maximum === undefined ? {} : { maximum }), description };
}

function message(
  type: string,
  description: string,
  properties: JsonObject,
  optional: readonly string[] = [],
): JsonObject {
  return {
    type: "object",
    description,
    properties: { type: { const: type }, ...properties },
    required: ["type", ...Object.keys(properties).filter((name) => !optional.includes(name))],
    // A program ignores what it does not know, so that Maestro may add; Maestro does not, so that a misspelt member is found.
    additionalProperties: false,
  };
}

function event(
  kind: string,
  description: string,
  properties: JsonObject,
  optional: readonly string[] = [],
): JsonObject {
  const { properties: all, required, ...rest } = message(kind, description, properties, optional);
  const { type: _, ...members } = all as JsonObject;
  return {
    ...rest,
    properties: { kind: { const: kind }, ...members },
    required: ["kind", ...(required as readonly string[]).slice(1)],
  };
}

const ERROR: JsonObject = {
  type: "object",
  description:
    "Why: `code` for `retry.on`, `message`, and optionally `final` (trying again cannot help) and `details` (JSON, for expressions).",
  properties: {
    code: {
      type: "string",
      pattern: "^[A-Z][A-Z0-9_]{0,63}$",
      not: { enum: RESERVED_CODES },
      description: "What `retry.on` reads.",
    },
    message: text("What happened, why, and what to do.", 16_384),
    final: { type: "boolean", description: "Trying again cannot help." },
    details: { description: "Particulars as JSON, for expressions." },
  },
  required: ["code", "message"],
  additionalProperties: false,
};

export const DESCRIPTION_SCHEMA: JsonObject = {
  type: "object",
  description: "What the task type is.",
  properties: {
    name: {
      type: "string",
      pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
      maxLength: 63,
      description: "What `uses` names before the @.",
    },
    version: whole("What `uses` names after the @; raise it when the promise changes.", 1, 1_000_000),
    summary: { ...text("One line: what it does, without a full stop.", 120), pattern: "^[^\\n\\r]+$" },
    docs: text("Markdown: what it does, promises and refuses.", 65_536, 0),
    effects: {
      type: "array",
      items: { enum: EFFECTS },
      uniqueItems: true,
      description: "What it does to the world besides computing; the gate is asked for each.",
    },
    input: { type: "object", description: "JSON Schema 2020-12, of type object." },
    output: { type: "object", description: "JSON Schema 2020-12." },
    example: { type: "object", description: "An input that is valid and complete." },
  },
  required: ["name", "version", "summary", "effects", "input", "output"],
  additionalProperties: false,
};

export const EVENT_SCHEMAS: Readonly<Record<ProgramEvent["kind"], JsonObject>> = {
  log: event(
    "log",
    "Text for the attempt's log, line ends included.",
    {
      text: text("As it is; nothing is added.", 1 << 20),
      stream: { enum: ["stdout", "stderr", "info"], default: "stdout" },
    },
    ["stream"],
  ),
  progress: event(
    "progress",
    "How far it is.",
    {
      done: { type: "number", minimum: 0, description: "In whatever unit." },
      total: { type: "number", minimum: 0, description: "Of how much." },
    },
    ["total"],
  ),
  artifact: event(
    "artifact",
    "A file of the attempt's folder to keep. It is read when the attempt ends.",
    {
      path: { ...text("Relative to `dir`, or absolute and in it.", 4096), pattern: NO_CONTROLS },
      name: { ...text("Default: the path relative to `dir`.", 1024), pattern: NO_CONTROLS },
    },
    ["name"],
  ),
  usage: event(
    "usage",
    "What it used since it said so last.",
    {
      usdMicros: whole("Millionths of a US dollar.", 0, Number.MAX_SAFE_INTEGER),
      tokens: whole("Tokens of a model.", 0, Number.MAX_SAFE_INTEGER),
    },
    ["usdMicros", "tokens"],
  ),
  heartbeat: event("heartbeat", "A sign of life, for `timeout.heartbeat`.", {}),
};

export const TO_PROGRAM_SCHEMAS: Readonly<Record<ToProgram["type"], JsonObject>> = {
  hello: message("hello", "The first message. Offers versions of this protocol, newest first.", {
    protocols: {
      type: "array",
      items: whole("A version.", 1),
      minItems: 1,
      maxItems: 3,
      description: "This version and those before it that are spoken still.",
    },
    engine: text("Who asks, for logs only.", 100),
  }),
  init: message("init", "Asks for the description.", {}),
  validate: message(
    "validate",
    "Asks what is wrong with an input beyond what its schema says. Only where the program said `validates`.",
    {
      id: ID,
      input: { type: "object", description: "What `with` came to." },
    },
  ),
  execute: message(
    "execute",
    "One attempt. Its input fits the schema and was validated.",
    {
      id: ID,
      input: { type: "object", description: "What `with` came to." },
      run: text("The run's id.", 64),
      namespace: text("The run's namespace.", 256),
      task: text("The task's id in the plan.", 64),
      item: whole("Of a fan-out, from 0; else -1.", -1),
      attempt: whole("From 1.", 1),
      dir: text("The attempt's own folder, absolute; it exists and is empty.", 4096),
      base: text("What relative paths in inputs are meant from, absolute.", 4096),
      deadline: {
        type: "number",
        description: "Epoch milliseconds at which it is cancelled, where the plan has `timeout.run`.",
      },
      traceparent: text(
        "The attempt's place in a trace (W3C Trace Context), where there is one: hand it to what is called.",
        55,
        55,
      ),
      tracestate: text("What goes with it.", 512),
      requestId: text("The correlation id of the request that the run began with: hand it on likewise.", 100),
      tokenSocket: text(
        "Where the attempt gets its tokens, where its task may have some and the program is not in a sandbox; there MAESTRO_TOKEN_SOCKET says it.",
        4096,
      ),
    },
    ["deadline", "traceparent", "tracestate", "requestId", "tokenSocket"],
  ),
  cancel: message(
    "cancel",
    "Ends one attempt early. It is to be answered with a failure, or with the result if that was faster.",
    {
      id: ID,
      error: {
        type: "object",
        description: "Why: `code` (`CANCELLED`, `TIMEOUT`, `HEARTBEAT`) and `message`.",
        properties: { code: { type: "string" }, message: { type: "string" } },
        required: ["code", "message"],
      },
    },
  ),
  shutdown: message(
    "shutdown",
    "Nothing follows. The program ends what it works on, answers, and exits with 0. The end of its input means the same.",
    {},
  ),
};

export const FROM_PROGRAM_SCHEMAS: Readonly<Record<FromProgram["type"], JsonObject>> = {
  hello: message(
    "hello",
    "The answer to `hello`: one of the versions that were offered; a program that speaks none of them says the one it speaks.",
    {
      protocol: whole("The version of this conversation.", 1),
      concurrency: whole("Attempts it works on at once; default 1.", 1, PROTOCOL_LIMITS.concurrency),
      sdk: text("What it is made with, for logs only.", 100),
    },
    ["concurrency", "sdk"],
  ),
  description: message(
    "description",
    "The answer to `init`, the same every time.",
    {
      description: DESCRIPTION_SCHEMA,
      validates: { type: "boolean", default: false, description: "It answers `validate`." },
    },
    ["validates"],
  ),
  validated: message("validated", "The answer to `validate`.", {
    id: ID,
    problems: {
      type: "array",
      items: text("One thing that is wrong.", 4096),
      maxItems: 100,
      description: "Empty: it is valid.",
    },
  }),
  emit: message("emit", "Something that an attempt reports while it works.", {
    id: ID,
    event: { oneOf: Object.values(EVENT_SCHEMAS), description: "One of the events below." },
  }),
  result: message("result", "An attempt succeeded. Its only answer.", {
    id: ID,
    output: { description: "JSON that fits the output schema, at most 16 MiB." },
  }),
  failure: message(
    "failure",
    "An attempt failed. Its only answer.",
    { id: ID, error: ERROR, output: { description: "Something worth keeping although it failed." } },
    ["output"],
  ),
};

export const TASK_PROTOCOL_SCHEMA: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://summit-maestro.dev/spec/task-protocol-v1.schema.json",
  title: "Summit Maestro task protocol, version 1",
  description:
    "One message: a JSON text on one line. `toProgram` is what Maestro sends, `fromProgram` what a program answers.",
  oneOf: [{ $ref: "#/$defs/toProgram" }, { $ref: "#/$defs/fromProgram" }],
  $defs: {
    toProgram: { oneOf: Object.values(TO_PROGRAM_SCHEMAS) },
    fromProgram: { oneOf: Object.values(FROM_PROGRAM_SCHEMAS) },
  },
};
