// A question to the gate with the default policy, on each engine: new to it, asked before, and how long the engine takes to load.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OPA, startOpa } from "../packages/maestro/test/support/opa.ts";
import type { GateRequest } from "../packages/maestro/src/policy/gate.ts";
import { openEvaluator } from "../packages/maestro/src/policy/open-evaluator.ts";
import type { EvaluatorSettings } from "../packages/maestro/src/policy/evaluator-settings.ts";
import { openGate } from "../packages/maestro/src/policy/open-gate.ts";
import { bench, percentile, quick } from "./measure.ts";
import type { Reading } from "./measure.ts";

const POLICY = fileURLToPath(new URL("../packages/maestro/policies/default/", import.meta.url));
const ENTRYPOINT = "maestro/authz/decision";
const ASKED = quick ? 200 : 5_000;
/** So many that are asked again; fewer than the gate remembers. */
const DIFFERENT = 100;

await bench({
  title: "The gate: a question, by engine",
  async measure(dir) {
    const local: readonly (readonly [string, EvaluatorSettings])[] = [
      ["built-in", { kind: "builtin" }],
      ["Cedar", { kind: "cedar", folder: join(POLICY, "cedar") }],
      [
        "compiled Rego",
        {
          kind: "wasm",
          file: join(POLICY, "rego/policy.wasm"),
          entrypoint: ENTRYPOINT,
          data: join(POLICY, "rego/data.json"),
        },
      ],
    ];
    const readings: Reading[] = [];
    for (const [name, settings] of local) readings.push(...(await measure(dir, name, settings)));
    if (OPA === "") {
      console.error("an OPA server is left out; to measure it: node scripts/opa.mjs");
      return readings;
    }
    const server = await startOpa([join(POLICY, "rego/authz.rego"), join(POLICY, "rego/data.json")]);
    try {
      readings.push(
        ...(await measure(dir, "OPA server", { kind: "opa", url: server.url, path: ENTRYPOINT, timeoutMs: 10_000 })),
      );
    } finally {
      await server.close();
    }
    return readings;
  },
});

async function measure(dataDir: string, name: string, settings: EvaluatorSettings): Promise<readonly Reading[]> {
  const begun = performance.now();
  const evaluator = await openEvaluator(settings, { dataDir, now: Date.now });
  const loaded = performance.now() - begun;
  const gate = openGate({ evaluator, newId: () => "d_0" });
  const ask = async (i: number): Promise<number> => {
    const request = question(i);
    const start = performance.now();
    // An answer that is there at once is not waited for: neither does the engine.
    const answer = gate.decide(request, { at: 0 });
    const { allow, reasons } = answer instanceof Promise ? await answer : answer;
    const took = performance.now() - start;
    if (!allow) throw new Error(`the ${name} policy must allow its operator: ${reasons.join("; ")}`);
    return took * 1_000;
  };
  const times = async (which: (i: number) => number): Promise<readonly number[]> => {
    const all: number[] = [];
    for (let i = 0; i < ASKED; i++) all.push(await ask(which(i)));
    return all;
  };
  // Warm, as an engine is after its first seconds.
  await times((i) => -1 - i);
  const fresh = await times((i) => i);
  const again = evaluator.repeatable ? await times((i) => i % DIFFERENT) : [];
  await evaluator.close?.();
  return [
    { what: `gate, ${name}: load`, value: loaded, unit: "ms" },
    { what: `gate, ${name}: new question p50`, value: percentile(fresh, 50), unit: "µs" },
    {
      what: `gate, ${name}: new question p99`,
      value: percentile(fresh, 99),
      unit: "µs",
      // Of what is in this process.
      ...(evaluator.repeatable ? { must: 1_000 } : {}),
    },
    ...(again.length === 0
      ? []
      : [
          { what: `gate, ${name}: asked before p50`, value: percentile(again, 50), unit: "µs", must: 20 } as const,
          { what: `gate, ${name}: asked before p99`, value: percentile(again, 99), unit: "µs" } as const,
        ]),
  ];
}

/** As the engine asks before a run; `i` makes it another question. */
function question(i: number): GateRequest {
  return {
    subject: { type: "user", id: "bench", properties: { roles: ["operator"] } },
    action: { name: "run.start" },
    resource: {
      type: "runbook",
      id: "bench/five-steps@1.0.0",
      properties: {
        namespace: "bench",
        license: "internal",
        effects: ["network", "write"],
        sensitive: false,
        purposes: ["bench"],
        authorityRequired: false,
      },
    },
    context: {
      purpose: "bench",
      authority: `ticket ${i}`,
      environment: "bench",
      planDigest: "sha256:0",
      budget: { wallMs: 60_000 },
    },
  };
}
