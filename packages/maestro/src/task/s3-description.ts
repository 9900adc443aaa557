import type { JsonObject } from "../core/json.ts";
import { CREDENTIAL_SCHEMA } from "./credential.ts";
import { ALLOW_PRIVATE } from "./notify-description.ts";
import type { TaskDescription } from "./task.ts";

export const DEFAULT_S3_TIMEOUT_MS = 300_000;
const MEBIBYTE = 1024 * 1024;
export const DEFAULT_PART_BYTES = 16 * MEBIBYTE;
export const MIN_PART_BYTES = 5 * MEBIBYTE;
/** What S3 takes: parts of one upload. */
export const MAX_PARTS = 10_000;
export const DEFAULT_LIST_LIMIT = 1000;
export const MAX_LISTED_OBJECTS = 10_000;
export const MAX_INLINE_BYTES = MEBIBYTE;
const DEFAULT_MAX_BYTES = 5 * 1024 * MEBIBYTE;
export const DEFAULT_GET_BYTES = DEFAULT_MAX_BYTES;

const key = (description: string): JsonObject => ({ type: "string", minLength: 1, maxLength: 1024, description });
const etag = (description: string): JsonObject => ({
  type: "string",
  minLength: 1,
  maxLength: 256,
  pattern: "^[\\x21-\\x7e]+$",
  description,
});
const versionId: JsonObject = {
  type: "string",
  minLength: 1,
  maxLength: 1024,
  description: "A version of it, where the bucket keeps versions.",
};
const sha256 = (description: string): JsonObject => ({ type: "string", pattern: "^sha256:[0-9a-f]{64}$", description });

const LOCK: JsonObject = {
  type: "object",
  properties: {
    mode: {
      enum: ["GOVERNANCE", "COMPLIANCE"],
      description: "Who may lift it before its time: those with the right to, or nobody.",
    },
    retainUntil: {
      type: "string",
      format: "date-time",
      description: "Until when it can be neither changed nor deleted.",
    },
    legalHold: { type: "boolean", description: "Keep it until the hold is lifted, however long that is." },
  },
  minProperties: 1,
  dependentRequired: { mode: ["retainUntil"], retainUntil: ["mode"] },
  additionalProperties: false,
  description: "Object Lock, for a bucket that has it.",
  examples: [{ mode: "COMPLIANCE", retainUntil: "2027-01-01T00:00:00Z" }],
};

const operation = (required: readonly string[], description: string, properties: JsonObject): JsonObject => ({
  type: "object",
  required: [...required],
  properties,
  additionalProperties: false,
  description,
});

export const s3Description: TaskDescription = {
  name: "s3",
  version: 1,
  title: "Puts, gets, lists, copies and deletes objects of S3",
  docs: `Carries out one operation on a bucket of S3, or of anything that speaks its protocol: \`put\`, \`get\`, \`head\`, \`list\`, \`copy\` or \`delete\`. Requests are signed (Signature Version 4) with credentials that are read when the task runs; addresses are checked as in http@1.

**Put** sends a file as a stream, with its SHA-256 in the signature, as \`x-amz-checksum-sha256\` and as metadata (\`maestro-sha256\`), so that it arrives whole or not at all. A file larger than \`partBytes\` goes in parts; if the task fails, the upload is taken back. With \`ifNoneMatch\` nothing is overwritten, with \`ifMatch\` only what is
known: a repeat after an answer that was lost then ends with \`PRECONDITION\`. **Get** streams into the attempt's folder and keeps the file as an artifact; it is compared with the digest in the input, the store's checksum and the metadata, whichever are there (\`verified\`).

**It fails** with \`UNAVAILABLE\` (nobody there, SlowDown, any 5xx, 429: worth a retry), \`TIMEOUT\`, \`NOT_FOUND\`, \`ACCESS_DENIED\` (wrong key, signature or rights), \`PRECONDITION\` (someone else was there first; a conflict of two writers can be retried), \`CHECKSUM\`, \`TOO_LARGE\`, \`S3\` (anything else; final for 4xx), \`TLS\`, \`CREDENTIAL\`, \`BLOCKED_ADDRESS\`.
\`error.details\` has \`status\`, S3's own \`code\` and \`requestId\`.`,
  input: {
    type: "object",
    required: ["endpoint", "bucket", "credentials"],
    properties: {
      endpoint: {
        type: "string",
        minLength: 1,
        maxLength: 1024,
        description: "Where the service is, without bucket and path.",
        examples: ["https://s3.eu-central-1.amazonaws.com"],
      },
      region: {
        type: "string",
        pattern: "^[a-z0-9-]{1,63}$",
        default: "us-east-1",
        description: "The region that signatures name.",
      },
      style: {
        enum: ["path", "virtual"],
        default: "path",
        description: "Whether the bucket is in the path of a request or in its host name.",
      },
      bucket: {
        type: "string",
        pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$",
        description: "The bucket.",
      },
      credentials: operation(["accessKeyId", "secretAccessKey"], "Whose requests they are.", {
        accessKeyId: { ...CREDENTIAL_SCHEMA, description: "Where to read the access key id." },
        secretAccessKey: { ...CREDENTIAL_SCHEMA, description: "Where to read the secret access key." },
        sessionToken: {
          ...CREDENTIAL_SCHEMA,
          description: "Where to read the session token of temporary credentials.",
        },
      }),
      put: operation(["key"], "Stores an object.", {
        key: key("Its name."),
        file: {
          type: "string",
          minLength: 1,
          maxLength: 4096,
          description: "The file to send; relative to the folder the run was started in.",
        },
        text: {
          type: "string",
          maxLength: MAX_INLINE_BYTES,
          description: "The content itself, as text; in place of `file`.",
        },
        json: { description: "The content itself, as JSON; in place of `file`." },
        contentType: {
          type: "string",
          pattern: "^[\\x20-\\x7e]{1,255}$",
          description: "Its media type; without it application/octet-stream, text/plain or application/json.",
        },
        metadata: {
          type: "object",
          maxProperties: 50,
          propertyNames: { pattern: "^[a-z0-9-]{1,100}$" },
          additionalProperties: { type: "string", maxLength: 1024, pattern: "^[\\x20-\\x7e]*$" },
          description: "Metadata to keep with it (`x-amz-meta-`): printable ASCII.",
        },
        ifNoneMatch: { const: "*", description: "`*`: only if there is none of that name." },
        ifMatch: etag("Only in place of the object with this ETag."),
        sha256: sha256("What the content must be; checked before anything is sent."),
        partBytes: {
          type: "integer",
          minimum: MIN_PART_BYTES,
          maximum: 1024 * MEBIBYTE,
          default: DEFAULT_PART_BYTES,
          description: "A larger file is sent in parts of this size, or of as much more as 10,000 parts need.",
        },
        maxBytes: {
          type: "integer",
          minimum: 0,
          default: DEFAULT_MAX_BYTES,
          description: "A larger file is not sent.",
        },
        lock: LOCK,
      }),
      get: operation(
        ["key", "to"],
        "Fetches an object into a file of the attempt's folder, which becomes an artifact.",
        {
          key: key("Its name."),
          to: {
            type: "string",
            minLength: 1,
            maxLength: 1024,
            description: "The file, relative to the attempt's folder.",
          },
          versionId,
          range: operation(["start"], "A part of it; nothing but its length can be verified then.", {
            start: { type: "integer", minimum: 0, description: "The first byte, from 0." },
            end: { type: "integer", minimum: 0, description: "The last byte; without it the end of the object." },
          }),
          ifMatch: etag("Only if it has this ETag."),
          sha256: sha256("What it must be."),
          maxBytes: {
            type: "integer",
            minimum: 0,
            default: DEFAULT_MAX_BYTES,
            description: "A larger object fails the task.",
          },
        },
      ),
      head: operation(["key"], "Looks whether there is an object, and what is known about it.", {
        key: key("Its name."),
        versionId,
      }),
      list: operation([], "Lists names in order.", {
        prefix: { type: "string", maxLength: 1024, default: "", description: "How the names begin." },
        delimiter: {
          type: "string",
          minLength: 1,
          maxLength: 16,
          description: "Names that have it after the prefix are summed up in `prefixes`.",
          examples: ["/"],
        },
        startAfter: { type: "string", minLength: 1, maxLength: 1024, description: "Only names after this one." },
        limit: {
          type: "integer",
          minimum: 1,
          maximum: MAX_LISTED_OBJECTS,
          default: DEFAULT_LIST_LIMIT,
          description: "At most so many objects and prefixes.",
        },
      }),
      copy: operation(["from", "key"], "Copies an object within the store.", {
        from: operation(["key"], "What to copy.", {
          bucket: {
            type: "string",
            pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$",
            description: "Its bucket, if it is another one.",
          },
          key: key("Its name."),
          versionId,
          ifMatch: etag("Only if it has this ETag."),
        }),
        key: key("The name of the copy."),
        lock: LOCK,
      }),
      delete: operation(["key"], "Deletes an object; one that is not there counts as deleted.", {
        key: key("Its name."),
        versionId,
      }),
      timeoutMs: {
        type: "integer",
        minimum: 1,
        maximum: 24 * 3_600_000,
        default: DEFAULT_S3_TIMEOUT_MS,
        description: "Milliseconds for all of it.",
      },
      allowPrivate: ALLOW_PRIVATE,
    },
    oneOf: ["put", "get", "head", "list", "copy", "delete"].map((name) => ({ required: [name] })),
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      key: { type: "string", description: "The object's name (put, get, head, copy, delete)." },
      bytes: { type: "integer", description: "Its length (put, head), or how much was fetched (get)." },
      digest: { type: "string", description: "sha256 of what was sent or fetched (put, get)." },
      etag: { type: "string", description: "Its ETag." },
      versionId: { type: "string", description: "Its version, where the bucket keeps versions." },
      parts: { type: "integer", description: "In how many parts it was sent (put); 1 for a single request." },
      verified: {
        type: "array",
        items: { enum: ["input", "checksum", "metadata"] },
        description:
          "What its digest was compared with (get): the input's, the store's checksum, the metadata of a put.",
      },
      path: { type: "string", description: "The file, absolute (get)." },
      found: { type: "boolean", description: "Whether it is there (head)." },
      contentType: { type: "string", description: "Its media type (get, head)." },
      modified: { type: "string", description: "When it was stored (get, head)." },
      metadata: {
        type: "object",
        additionalProperties: { type: "string" },
        description: "Its metadata (get, head).",
      },
      lock: {
        type: "object",
        properties: {
          mode: { type: "string", description: "GOVERNANCE or COMPLIANCE." },
          retainUntil: { type: "string", description: "Until when it cannot be changed." },
          legalHold: { type: "boolean", description: "Whether it is on hold." },
        },
        description: "Its Object Lock, as far as the key may see it (get, head).",
      },
      objects: {
        type: "array",
        description: "What was found (list).",
        items: {
          type: "object",
          properties: {
            key: { type: "string", description: "Its name." },
            bytes: { type: "integer", description: "Its length." },
            etag: { type: "string", description: "Its ETag." },
            modified: { type: "string", description: "When it was stored." },
          },
        },
      },
      prefixes: {
        type: "array",
        items: { type: "string" },
        description: "Common beginnings of names (list, with `delimiter`).",
      },
      truncated: { type: "boolean", description: "Whether there is more than the limit (list)." },
      deleteMarker: { type: "boolean", description: "Whether a version stays behind the deletion (delete)." },
    },
  },
  effects: ["network", "secret"],
  runs: "inline",
  example: {
    endpoint: "https://s3.eu-central-1.amazonaws.com",
    region: "eu-central-1",
    bucket: "evidence",
    credentials: { accessKeyId: { env: "AWS_ACCESS_KEY_ID" }, secretAccessKey: { env: "AWS_SECRET_ACCESS_KEY" } },
    put: { key: "releases/shop-1.4.0.tgz", file: "shop-1.4.0.tgz", ifNoneMatch: "*" },
  },
};
