import type { JsonObject } from "../core/json.ts";
import { MEDIA_TYPE } from "./cloudevent.ts";
import { CREDENTIAL_SCHEMA } from "./credential.ts";
import { ALLOW_PRIVATE, PREVIOUS_KEY, SIGNING_KEY, URL_OR_CREDENTIAL } from "./notify-description.ts";
import type { TaskDescription } from "./task.ts";

export const DEFAULT_EMIT_TIMEOUT_MS = 15_000;
export const MAX_EVENTS = 1000;
/** Of everything that one task sends or writes, in bytes. */
export const MAX_EMITTED_BYTES = 4 * 1024 * 1024;

const word = (description: string, more: JsonObject = {}): JsonObject => ({
  type: "string",
  minLength: 1,
  maxLength: 2048,
  description,
  ...more,
});

const EVENT: JsonObject = {
  type: "object",
  required: ["type"],
  properties: {
    type: word("What kind of thing happened, with a name that is yours.", { examples: ["com.example.shop.released"] }),
    source: word("Where it happened, as a URI reference; without it `/maestro/NAMESPACE/TASK`.", {
      format: "uri-reference",
    }),
    id: word("Unique within its source; without it the step's own, the same for every attempt."),
    subject: word("What it happened to, within the source."),
    time: word("When it happened (RFC 3339); without it the time of the attempt.", { format: "date-time" }),
    datacontenttype: word("Media type of the data; without it application/json.", { pattern: MEDIA_TYPE }),
    dataschema: word("Where the data is described, as an absolute URI.", { format: "uri" }),
    data: { description: "What there is to say about it: any JSON, or text where `datacontenttype` is not JSON." },
    dataBase64: {
      type: "string",
      pattern: "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
      description: "The same as bytes, in base64.",
    },
    extensions: {
      type: "object",
      maxProperties: 50,
      propertyNames: { pattern: "^[a-z0-9]{1,20}$" },
      additionalProperties: { type: ["string", "number", "boolean"], maxLength: 2048 },
      description: "Attributes beside the standard ones, such as traceparent; lower case letters and digits.",
      examples: [{ partitionkey: "shop" }],
    },
  },
  additionalProperties: false,
};

export const emitDescription: TaskDescription = {
  name: "emit",
  version: 1,
  title: "Emits CloudEvents to a receiver or a file",
  docs: `Emits one event, or a batch, as CloudEvents 1.0: to a receiver over HTTP, or as lines at the end of a file.

**Duplicates.** Each attempt of a step emits the same \`id\` from the same \`source\`, so whoever takes events at least once knows what was there before: an attempt that failed may have been heard all the same.

**To a webhook** in \`structured\` mode (all of it as JSON), \`binary\` mode (attributes as \`ce-\` headers, the data as the body), or, with \`events\`, as one batch. With \`key\` the request is signed as that of \`notify@1\`; \`token\` goes along as \`Authorization: Bearer\`.
Any 2xx is success and redirects are not followed. **To a file** each event is a line of JSON; the lines are on disk when the task succeeds, and whole even if a line before them was torn by a crash.

**It fails** with \`EMIT_UNREACHABLE\` (nobody there, or 408, 425, 429, 5xx: worth a retry), \`EMIT_REJECTED\` (final: any other answer), \`TIMEOUT\`, \`TLS\`, \`CREDENTIAL\`, \`BLOCKED_ADDRESS\` (as in http@1), \`TOO_LARGE\` (more than ${MAX_EMITTED_BYTES >> 20} MiB), and for a file \`NOT_FOUND\`, \`UNREADABLE\` or \`IO\`.`,
  input: {
    type: "object",
    required: ["to"],
    properties: {
      event: { ...EVENT, description: "The event." },
      events: {
        type: "array",
        minItems: 1,
        maxItems: MAX_EVENTS,
        items: EVENT,
        description: "Several events, as one batch.",
      },
      to: {
        type: "object",
        minProperties: 1,
        maxProperties: 1,
        properties: {
          webhook: {
            type: "object",
            required: ["url"],
            properties: {
              url: { ...URL_OR_CREDENTIAL, description: "An http or https URL, or where to read it." },
              mode: {
                enum: ["structured", "binary"],
                default: "structured",
                description: "How an event becomes a request. A batch has its own way.",
              },
              key: SIGNING_KEY,
              previousKey: PREVIOUS_KEY,
              token: { ...CREDENTIAL_SCHEMA, description: "Where to read a bearer token for the receiver." },
            },
            dependentRequired: { previousKey: ["key"] },
            additionalProperties: false,
            description: "A receiver over HTTP.",
          },
          file: {
            type: "object",
            required: ["path"],
            properties: {
              path: {
                type: "string",
                minLength: 1,
                maxLength: 4096,
                description:
                  "The file; made if there is none, its folder is not. Relative to the folder the run was started in.",
              },
            },
            additionalProperties: false,
            description: "A file of JSON lines, appended to.",
          },
        },
        additionalProperties: false,
        description: "Where they go: exactly one of these.",
      },
      timeoutMs: {
        type: "integer",
        minimum: 1,
        maximum: 120_000,
        default: DEFAULT_EMIT_TIMEOUT_MS,
        description: "Milliseconds for the request, from the name to the answer.",
      },
      allowPrivate: ALLOW_PRIVATE,
    },
    oneOf: [{ required: ["event"] }, { required: ["events"] }],
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["ids", "source", "bytes"],
    properties: {
      ids: { type: "array", items: { type: "string" }, description: "Of each event, in order." },
      source: { type: "string", description: "Of the first event." },
      bytes: { type: "integer", description: "Length of the body, or of the lines." },
      status: { type: "integer", description: "What the receiver answered." },
      path: { type: "string", description: "The file, absolute." },
    },
  },
  effects: ["network", "secret", "write"],
  runs: "inline",
  example: {
    event: { type: "com.example.shop.released", subject: "1.4.0", data: { version: "1.4.0", region: "eu" } },
    to: { webhook: { url: "https://events.example.com/", key: { env: "EVENTS_KEY" } } },
  },
};
