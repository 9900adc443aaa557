import { DURATION_PATTERN } from "../core/duration.ts";
import type { JsonObject } from "../core/json.ts";
import { byEngine } from "./by-engine.ts";
import type { TaskType } from "./task.ts";

const NAME: JsonObject = { type: "string", minLength: 1, maxLength: 200 };
const DURATION: JsonObject = { type: "string", pattern: DURATION_PATTERN, minLength: 2 };

export const wait: TaskType = {
  description: {
    name: "wait",
    version: 1,
    title: "Waits for a time or a signal",
    docs: `Waits for a \`duration\`, for a point in time (\`until\`), or for a signal that somebody sends to the run with \`maestro signal RUN NAME\`
(\`event\` is another word for \`signal\`). Exactly one of them must be given.

Waiting costs nothing: no process, no memory, a row in the database. It survives restarts, and a time that went by while the engine was
down counts as reached. A signal that came before the task began to wait is not lost; the oldest one is taken. A signal with a \`timeout\` that does not come in
time fails the task with the code \`TIMEOUT\`.`,
    input: {
      type: "object",
      properties: {
        duration: {
          ...DURATION,
          description: "How long, from the moment the task becomes ready.",
          examples: ["30s", "1h30m"],
        },
        until: {
          type: "string",
          format: "date-time",
          description: "Until when: RFC 3339 with its offset. A time in the past does not wait.",
          examples: ["2026-11-21T08:00:00Z"],
        },
        signal: { ...NAME, description: "The name of the signal to wait for.", examples: ["deployed"] },
        event: { ...NAME, description: "Another word for `signal`.", examples: ["deployed"] },
        timeout: {
          ...DURATION,
          description: "How long to wait for the signal. Without it there is no limit but that of the run.",
          examples: ["2d"],
        },
      },
      oneOf: [{ required: ["duration"] }, { required: ["until"] }, { required: ["signal"] }, { required: ["event"] }],
      dependentSchemas: { timeout: { anyOf: [{ required: ["signal"] }, { required: ["event"] }] } },
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: {
        waitedMs: { type: "integer", description: "How long it waited, in milliseconds." },
        signal: { type: "string", description: "The name of the signal that ended it; absent when time did." },
        payload: { description: "What the signal carried; absent when time ended it." },
      },
    },
    effects: [],
    runs: "engine",
    example: { signal: "deployed", timeout: "2d" },
  },
  init: byEngine("wait@1"),
};
