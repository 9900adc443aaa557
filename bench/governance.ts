// What governance costs: W1 with a decision and a signed receipt per run, and without either, in pairs that alternate in
// one warm process, so that the machine's mood and the compiler weigh on both. And the gate alone.
import { join } from "node:path";
import type { Decision } from "../packages/maestro/src/core/event.ts";
import { sha256 } from "../packages/maestro/src/core/digest.ts";
import type { Gate, GateRequest } from "../packages/maestro/src/policy/gate.ts";
import { builtinEvaluator } from "../packages/maestro/src/policy/builtin.ts";
import { openGate } from "../packages/maestro/src/policy/open-gate.ts";
import type { BenchEngine } from "./engine.ts";
import { openEngine } from "./engine.ts";
import { bench, median, meter, percentile, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, start } from "./plane.ts";

const RUNS = quick ? 200 : 2_000;
/** Until both ways are compiled: what the one has more than the other runs half as often as the rest. */
const WARM_PAIRS = quick ? 1 : 6;
const PAIRS = quick ? 1 : 9;
const ASKED = quick ? 1_000 : 20_000;

const ALLOWED: Decision = {
  id: "d_0",
  allow: true,
  reasons: [],
  rules: [],
  policyDigest: sha256("none"),
  requestDigest: sha256("none"),
  engine: "none",
};

/** Says yes without looking, hashing or naming anything. */
const OPEN: Gate = { decide: () => ALLOWED };

await bench({
  title: "Governance: its share of W1, and the gate alone",
  async measure(dir) {
    const governed = await openEngine(join(dir, "with"));
    const open = await openEngine(join(dir, "without"), () => ({ gate: OPEN, signer: null }));
    const ratios: number[] = [];
    for (let pair = 0; pair < WARM_PAIRS + PAIRS; pair++) {
      const took = new Map<BenchEngine, number>();
      for (const one of pair % 2 === 0 ? [governed, open] : [open, governed]) took.set(one, await w1(one));
      if (pair >= WARM_PAIRS) ratios.push(took.get(governed)! / took.get(open)!);
    }
    for (const one of [governed, open]) await one.close();
    const asked = gate();
    return [
      { what: "governance tax: W1 with ÷ without", value: median(ratios), unit: "x", must: 1.5, moonshot: 1.2 },
      { what: "gate, built-in policy p50", value: percentile(asked, 50) * 1_000, unit: "µs" },
      { what: "gate, built-in policy p99", value: percentile(asked, 99) * 1_000, unit: "µs", must: 1_000 },
    ];
  },
});

/** Milliseconds from the first start to the last durable end. */
async function w1(bench: BenchEngine): Promise<number> {
  const plan = await compile(bench.engine, FIVE_STEPS);
  const done = ends(bench.engine, RUNS);
  const stop = meter();
  await Promise.all([done, ...Array.from({ length: RUNS }, async () => start(bench, plan))]);
  return stop().ms;
}

/** Milliseconds of each question; no two are equal, so nothing can be remembered. */
function gate(): readonly number[] {
  const local = openGate({ evaluator: builtinEvaluator(), newId: () => "d_0" });
  return Array.from({ length: ASKED }, (_, i) => {
    const request = question(i);
    const start = performance.now();
    const answer = local.decide(request, { at: 0 });
    const took = performance.now() - start;
    if (answer instanceof Promise || !answer.allow) throw new Error("the built-in policy must allow its owner at once");
    return took;
  });
}

function question(i: number): GateRequest {
  return {
    subject: { type: "user", id: "bench", properties: { roles: ["owner"] } },
    action: { name: "run.start" },
    resource: {
      type: "runbook",
      id: "bench/five-steps",
      properties: {
        namespace: "bench",
        license: "internal",
        effects: ["network", "write"],
        sensitive: false,
        purposes: ["bench"],
        authorityRequired: false,
      },
    },
    context: { purpose: "bench", authority: `ticket ${i}`, environment: "bench", planDigest: sha256("plan") },
  };
}
