import { digestOf } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { TaskContext } from "./task.ts";

export const SEVERITIES = ["info", "success", "warning", "error", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What is told, whoever tells it: the built-in channels and notifier plugins take the same. */
export interface Notification {
  readonly title: string;
  readonly text?: string;
  readonly severity?: Severity;
  readonly fields?: readonly { readonly name: string; readonly value: string | number | boolean }[];
  readonly link?: { readonly title?: string; readonly url: string };
}

/** Which step told it; added to every notification. */
export interface StepFacts {
  readonly id: string;
  readonly namespace: string;
  readonly task: string;
  /** Of a fan-out, from 0. */
  readonly item?: number;
}

export const NOTIFICATION_SCHEMA: JsonObject = {
  type: "object",
  required: ["title"],
  properties: {
    title: {
      type: "string",
      minLength: 1,
      maxLength: 200,
      pattern: "^[^\\x00-\\x1f\\x7f]+$",
      description: "What happened, in one line.",
      examples: ["shop 1.4.0 is live"],
    },
    text: { type: "string", maxLength: 8000, description: "More about it, as plain text of any number of lines." },
    severity: {
      enum: [...SEVERITIES],
      default: "info",
      description: "How much it matters; it colours the message.",
    },
    fields: {
      type: "array",
      maxItems: 20,
      description: "Facts to show beside the text, in this order.",
      items: {
        type: "object",
        required: ["name", "value"],
        properties: {
          name: {
            type: "string",
            minLength: 1,
            maxLength: 100,
            pattern: "^[^\\x00-\\x1f\\x7f]+$",
            description: "What the fact is called.",
          },
          value: { type: ["string", "number", "boolean"], maxLength: 1000, description: "The fact." },
        },
        additionalProperties: false,
      },
    },
    link: {
      type: "object",
      required: ["url"],
      properties: {
        title: { type: "string", minLength: 1, maxLength: 75, default: "Open", description: "What the link says." },
        url: {
          type: "string",
          maxLength: 2000,
          pattern: '^https?://[^\\s<>|"]+$',
          description: "Where it leads; http or https.",
        },
      },
      additionalProperties: false,
      description: "Where to read on.",
    },
  },
  additionalProperties: false,
};

/** spec/notification-v1.schema.json: for notifier plugins, which take it as `notification` of their input. */
export const NOTIFICATION_DOCUMENT: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Maestro notification, version 1",
  description: "What notify@1 takes as `notification`, and every notifier plugin.",
  ...NOTIFICATION_SCHEMA,
};

export function stepFacts({ run, namespace, task, item }: TaskContext): StepFacts {
  return { id: run, namespace, task, ...(item < 0 ? {} : { item }) };
}

/**
 * The same for every attempt of a step with this input, and for nothing else: by it a receiver knows that it has seen a
 * message before. The input is part of it, since a task and its `undo` are one step.
 */
export function messageId({ run, task, item }: TaskContext, input: JsonObject): string {
  return digestOf({ run, task, item, input }).slice("sha256:".length, "sha256:".length + 32);
}

/** As much of a text as `limit` UTF-16 units hold, with an ellipsis where something is missing; no character is cut in half. */
export function shortened(text: string, limit: number): string {
  return text.length <= limit
    ? text
    : `${text
        .slice(0, limit - 1)
        .toWellFormed()
        .replace(/\ufffd$/, "")}…`;
}
