import type { JsonObject } from "../core/json.ts";
import { CREDENTIAL_SCHEMA } from "./credential.ts";
import { NOTIFICATION_SCHEMA } from "./notification.ts";
import type { TaskDescription } from "./task.ts";

export const DEFAULT_NOTIFY_TIMEOUT_MS = 15_000;
export const MAX_RECIPIENTS = 50;

/** `name@host`, or `Name <name@host>`; what could end a header or begin another address is not in it. */
export const MAILBOX =
  '^(?:[^\\x00-\\x1f\\x7f<>",;:@]{1,100} <[^\\s@<>",;:()\\[\\]\\\\\\x00-\\x1f\\x7f]{1,64}@[A-Za-z0-9.-]{1,253}>|[^\\s@<>",;:()\\[\\]\\\\\\x00-\\x1f\\x7f]{1,64}@[A-Za-z0-9.-]{1,253})$';
const mailbox: JsonObject = { type: "string", pattern: MAILBOX };

export const URL_OR_CREDENTIAL: JsonObject = {
  anyOf: [{ type: "string", minLength: 1, maxLength: 8192 }, CREDENTIAL_SCHEMA],
};

export const ALLOW_PRIVATE: JsonObject = {
  type: "array",
  maxItems: 100,
  items: { type: "string", minLength: 1, maxLength: 253 },
  description: "Host names, addresses and ranges that may be called although they are not public, as in http@1.",
  examples: [["hooks.internal", "10.20.0.0/16"]],
};

export const SIGNING_KEY: JsonObject = {
  ...CREDENTIAL_SCHEMA,
  description:
    "Where to read the key of the signature: base64 of 24 to 64 bytes, with or without `whsec_` before it. `openssl rand -base64 32` makes one.",
};

export const PREVIOUS_KEY: JsonObject = {
  ...CREDENTIAL_SCHEMA,
  description: "The key before that, while receivers change over: both sign.",
};

const secretUrl = (whose: string): JsonObject => ({
  type: "object",
  required: ["url"],
  properties: {
    url: {
      ...CREDENTIAL_SCHEMA,
      description: `Where to read the address ${whose} gave you. Who has it can post, so it is a credential.`,
    },
  },
  additionalProperties: false,
});

export const notifyDescription: TaskDescription = {
  name: "notify",
  version: 1,
  title: "Tells people or another system what happened",
  docs: `Sends one notification to one receiver: a signed webhook, mail, or a chat. For several receivers, make it several steps (\`forEach\`), so that a repeat concerns only the one that failed. The run, the task and the item are added by themselves.

**A webhook** gets \`{"type":"maestro.notification","timestamp":…,"data":{…}}\` with the notification and \`data.run\`, signed as Standard Webhooks say: \`webhook-id\`, \`webhook-timestamp\` and \`webhook-signature\` (HMAC-SHA256 over \`id.timestamp.body\`). Every attempt of
a step with this input has the same id: a receiver that has seen it drops it. **Mail** has the id as its Message-ID; its connection is encrypted and the certificate verified, unless \`security\` is \`none\`, which takes no password. **Slack** and **Teams** get a message of their own
shape; text stays text there: nothing in it becomes a mention, a link or a command. What a receiver cannot hold is cut with an ellipsis.

**It fails** with \`NOTIFY_UNREACHABLE\` (nobody there, or asked to come back later: 408, 425, 429, 5xx, SMTP 4yz; worth a retry), \`NOTIFY_REJECTED\` (final: any other answer, a wrong password, a recipient that is refused), \`TIMEOUT\`, \`TLS\`, \`CREDENTIAL\`, \`BLOCKED_ADDRESS\` (as in http@1).
After a \`TIMEOUT\` the message may have arrived. Redirects are not followed.`,
  input: {
    type: "object",
    required: ["notification", "to"],
    properties: {
      notification: {
        ...NOTIFICATION_SCHEMA,
        description: "What is told. Notifier plugins take the same: spec/notification-v1.schema.json.",
      },
      to: {
        type: "object",
        minProperties: 1,
        maxProperties: 1,
        properties: {
          webhook: {
            type: "object",
            required: ["url", "key"],
            properties: {
              url: { ...URL_OR_CREDENTIAL, description: "An http or https URL, or where to read it." },
              key: SIGNING_KEY,
              previousKey: PREVIOUS_KEY,
            },
            additionalProperties: false,
            description: "A receiver of signed webhooks.",
          },
          email: {
            type: "object",
            required: ["server", "from", "to"],
            properties: {
              server: {
                type: "object",
                required: ["host"],
                properties: {
                  host: {
                    type: "string",
                    pattern: "^[A-Za-z0-9.:_-]{1,253}$",
                    description: "Name or address of the SMTP server.",
                  },
                  port: {
                    type: "integer",
                    minimum: 1,
                    maximum: 65535,
                    description: "Its port; without it 587, 465 or 25, by `security`.",
                  },
                  security: {
                    enum: ["starttls", "tls", "none"],
                    default: "starttls",
                    description: "How the connection is encrypted: after STARTTLS, from the start, or not at all.",
                  },
                  user: { ...CREDENTIAL_SCHEMA, description: "Where to read the user name, if the server wants one." },
                  password: { ...CREDENTIAL_SCHEMA, description: "Where to read the password." },
                  ca: {
                    type: "string",
                    minLength: 1,
                    maxLength: 4096,
                    description: "A PEM file with the authority that vouches for the server, in place of the system's.",
                  },
                },
                dependentRequired: { user: ["password"], password: ["user"] },
                additionalProperties: false,
                description: "The server that takes the mail.",
              },
              from: { ...mailbox, description: "The sender: `name@host` or `Name <name@host>`." },
              to: {
                type: "array",
                minItems: 1,
                maxItems: MAX_RECIPIENTS,
                uniqueItems: true,
                items: mailbox,
                description: "The recipients, who see each other.",
                examples: [["Ops <ops@example.com>"]],
              },
              html: { type: "boolean", default: false, description: "Also send it as HTML, beside the plain text." },
            },
            additionalProperties: false,
            description: "Mail by SMTP.",
          },
          slack: {
            ...secretUrl("Slack"),
            description: "An incoming webhook of Slack, or of a chat that takes the same.",
          },
          teams: { ...secretUrl("Teams"), description: "A workflow of Teams that takes Adaptive Cards by webhook." },
        },
        additionalProperties: false,
        description: "Who is told: exactly one of these.",
      },
      timeoutMs: {
        type: "integer",
        minimum: 1,
        maximum: 120_000,
        default: DEFAULT_NOTIFY_TIMEOUT_MS,
        description: "Milliseconds for all of it, from the name to the answer.",
      },
      allowPrivate: ALLOW_PRIVATE,
    },
    additionalProperties: false,
  },
  output: {
    type: "object",
    required: ["id", "channel"],
    properties: {
      id: { type: "string", description: "The message's id, the same for every attempt." },
      channel: { enum: ["webhook", "email", "slack", "teams"], description: "How it went." },
      status: { type: "integer", description: "The status that a webhook or chat answered." },
      response: { type: "string", description: "What the mail server said when it took it." },
      accepted: { type: "integer", description: "How many recipients the mail server took." },
    },
  },
  effects: ["network", "secret"],
  runs: "inline",
  example: {
    notification: {
      title: "shop 1.4.0 is live",
      severity: "success",
      fields: [{ name: "Region", value: "eu-central" }],
      link: { url: "https://shop.example.com" },
    },
    to: { webhook: { url: "https://hooks.example.com/releases", key: { env: "RELEASE_HOOK_KEY" } } },
  },
};
