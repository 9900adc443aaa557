import type { TaskDescription } from "../core/task-description.ts";
import type { ManifestEnv } from "./load.ts";

// Small task types and manifests for the tests of this folder and of the compiler.

const base = { version: 1, title: "For tests", docs: "For tests.", effects: [], runs: "inline", example: {} } as const;

const types: readonly TaskDescription[] = [
  {
    ...base,
    name: "run",
    effects: ["process"],
    runs: "process",
    input: {
      type: "object",
      properties: {
        argv: { type: "array", minItems: 1, items: { type: ["string", "number"] } },
        script: { type: "string", "x-maestro-literal": true },
        env: { type: "object", additionalProperties: { type: "string" } },
        retries: { type: "integer", minimum: 0, maximum: 9 },
        mode: { enum: ["fast", "careful"] },
      },
      oneOf: [{ required: ["argv"] }, { required: ["script"] }],
      additionalProperties: false,
    },
    output: {
      type: "object",
      required: ["exit"],
      properties: { exit: { type: "integer" }, value: {}, lines: { type: "array", items: { type: "string" } } },
    },
  },
  {
    ...base,
    name: "make/list",
    input: {
      type: "object",
      properties: { path: { type: "string" } },
      required: ["path"],
      additionalProperties: false,
    },
    output: {
      type: "object",
      properties: { packages: { type: "array", items: { $ref: "#/$defs/package" } } },
      $defs: { package: { type: "object", properties: { name: { type: "string" }, count: { type: "integer" } } } },
    },
  },
  {
    ...base,
    name: "pause",
    runs: "engine",
    input: { type: "object", properties: { seconds: { type: "number" } }, additionalProperties: false },
    output: { type: "object" },
  },
];

export const exampleEnv: ManifestEnv & { runbook(): undefined } = {
  taskTypes: new Map(types.map((type) => [`${type.name}@${type.version}`, type])),
  runbook: () => undefined,
};

/** A manifest around the lines of its `spec` (two spaces deep), one purpose given. */
export function manifestOf(spec: string): string {
  return `apiVersion: maestro/v1\nkind: Runbook\nmetadata: { name: example }\nspec:\n  purposes: [test]\n${spec.replace(/^\n/, "")}`;
}
