import type { JsonObject } from "../core/json.ts";
import type { TaskDescription } from "./task.ts";

export const DEFAULT_MAX_BYTES = 1024 * 1024;
export const DEFAULT_TIMEOUT_MS = 30_000;
export const DEFAULT_REDIRECTS = 5;

const SCALAR: JsonObject = { type: ["string", "number", "boolean"] };

export const httpDescription: TaskDescription = {
  name: "http",
  version: 1,
  title: "Sends an HTTP request",
  docs: `Sends one request over http or https and hands on status, headers and body. Bodies of a JSON type come out as \`tasks.ID.output.json\`, other text as \`body\`, anything else as \`base64\`.

**Where it may go.** A name is resolved first, its addresses are checked, and the connection goes to a checked address; every redirect is checked the same way. Private, loopback, link-local, carrier-grade NAT, multicast, reserved and
cloud metadata addresses are blocked in every spelling (\`BLOCKED_ADDRESS\`), unless \`allowPrivate\` lists the host name, the address or its range. Link-local and metadata addresses must be listed by address.
URLs with a user name or password are refused; no proxy of the environment is used.

**Redirects** are followed up to \`redirects\` times. When one leads to another origin, only Accept, Accept-Language, Content-Type and User-Agent go along; from https to http none is followed.

**It fails** with \`UNAVAILABLE\` (no connection, or 429, 502, 503, 504: worth a retry), \`TIMEOUT\`, \`HTTP_STATUS\` (any other status that \`expect\` does not name; final for 4xx; \`error.details.status\` has it and the failed
attempt keeps the response), \`BODY_TOO_LARGE\`, \`REDIRECT\`, \`TLS\`, \`OUTPUT_INVALID\` (\`expect.json\` and the body is none). A request that changes something may have worked even though its answer was lost: give it an idempotency key before you let it retry.`,
  input: {
    type: "object",
    required: ["url"],
    properties: {
      url: {
        type: "string",
        minLength: 1,
        maxLength: 8192,
        description: "An http or https URL.",
        examples: ["https://registry.example.com/v2/"],
      },
      method: {
        enum: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        default: "GET",
        description: "The method.",
      },
      headers: {
        type: "object",
        additionalProperties: SCALAR,
        maxProperties: 100,
        description: "Request headers.",
        examples: [{ accept: "application/json" }],
      },
      query: {
        type: "object",
        additionalProperties: { anyOf: [SCALAR, { type: "array", items: SCALAR }] },
        maxProperties: 200,
        description: "Parameters to add to the URL, encoded; a list repeats its name.",
        examples: [{ tag: ["a", "b"], limit: 10 }],
      },
      body: { type: "string", description: "The request body as text." },
      json: { description: "The request body as JSON, with the content type to match." },
      timeoutMs: {
        type: "integer",
        minimum: 1,
        maximum: 600_000,
        default: DEFAULT_TIMEOUT_MS,
        description: "Milliseconds for all of it: name, connection, redirects and body.",
      },
      maxBytes: {
        type: "integer",
        minimum: 0,
        maximum: 16 * 1024 * 1024,
        default: DEFAULT_MAX_BYTES,
        description: "A longer response body fails the task; counted after decompression.",
      },
      expect: {
        type: "object",
        properties: {
          status: {
            type: "array",
            minItems: 1,
            items: {
              anyOf: [
                { type: "integer", minimum: 100, maximum: 599 },
                { type: "string", pattern: "^[1-5]xx$" },
              ],
            },
            default: ["2xx"],
            description: "Statuses that count as success, one by one or by class.",
            examples: [
              [200, 404],
              ["2xx", "3xx"],
            ],
          },
          json: {
            type: "boolean",
            default: false,
            description: "The body must be JSON, whatever its content type says.",
          },
        },
        additionalProperties: false,
        description: "What counts as success.",
      },
      redirects: {
        type: "integer",
        minimum: 0,
        maximum: 5,
        default: DEFAULT_REDIRECTS,
        description: "How many redirects are followed. 0: a redirect is an answer like any other.",
      },
      allowPrivate: {
        type: "array",
        maxItems: 100,
        items: { type: "string", minLength: 1, maxLength: 253 },
        description: "Host names, addresses and ranges that may be called although they are not public.",
        examples: [["build.internal", "10.20.0.0/16"]],
      },
    },
    not: { required: ["body", "json"] },
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["status", "url", "headers", "bytes", "digest"],
    properties: {
      status: { type: "integer", description: "The status code." },
      url: { type: "string", description: "Where the answer came from, after redirects, without its query." },
      headers: {
        type: "object",
        additionalProperties: { type: "string" },
        description:
          "Response headers, names in lower case, several of a name joined by commas. Set-Cookie is left out.",
      },
      json: { description: "The body, where it is JSON." },
      body: { type: "string", description: "The body, where it is other text." },
      base64: { type: "string", description: "The body, where it is no text." },
      bytes: { type: "integer", description: "Length of the body, decompressed." },
      digest: { type: "string", description: "sha256 of the body, decompressed." },
    },
  },
  effects: ["network"],
  runs: "inline",
  example: {
    url: "https://api.example.com/v1/deployments",
    method: "POST",
    json: { version: "1.4.0" },
    headers: { "idempotency-key": "release-1.4.0" },
    expect: { status: [201] },
  },
};
