import { DURATION_PATTERN } from "../core/duration.ts";
import { byEngine } from "./by-engine.ts";
import type { TaskType } from "./task.ts";

export const approval: TaskType = {
  description: {
    name: "approval",
    version: 1,
    title: "Waits until people have approved",
    docs: `Asks people and waits until enough of them have said yes (\`maestro approve\`, \`maestro approvals\`). One \`deny\` ends it: the task fails with \`APPROVAL_DENIED\`.
When it expires first, the answer is no: \`APPROVAL_EXPIRED\`.

An approval names the digest of the plan it approves, so what was seen is what runs. Nobody counts twice, and by default the one who started the run does not count at all.
Any task can ask for approval before it runs with its own \`approvals\` field; this type is for a gate between tasks.`,
    input: {
      type: "object",
      properties: {
        count: {
          type: "integer",
          minimum: 1,
          maximum: 20,
          default: 1,
          description: "How many different people must approve.",
          examples: [2],
        },
        roles: {
          type: "array",
          items: { type: "string", minLength: 1 },
          uniqueItems: true,
          default: [],
          description: "Only people with one of these roles count. Empty: everyone who may approve in the namespace.",
          examples: [["release-manager"]],
        },
        notRequester: { type: "boolean", default: true, description: "Whoever started the run cannot approve it." },
        expires: {
          type: "string",
          pattern: DURATION_PATTERN,
          minLength: 2,
          default: "24h",
          description: "After this long the answer is no.",
          examples: ["24h"],
        },
        message: {
          type: "string",
          maxLength: 4000,
          description: "What the approvers are asked.",
          examples: ["Publish version 1.4.0?"],
        },
      },
      additionalProperties: false,
    },
    output: {
      type: "object",
      required: ["approvals"],
      properties: {
        approvals: {
          type: "array",
          description: "Who approved, in the order they did.",
          items: {
            type: "object",
            required: ["by", "reason"],
            properties: {
              by: { type: "string", description: "The id of the approver." },
              reason: { type: "string", description: "Why, in the approver's words." },
            },
          },
        },
      },
    },
    effects: [],
    runs: "engine",
    example: {
      count: 2,
      roles: ["release-manager"],
      notRequester: true,
      expires: "24h",
      message: "Publish version 1.4.0?",
    },
  },
  init: byEngine("approval@1"),
};
