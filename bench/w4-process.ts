// The process that W4 kills and restarts: a control plane that tells its progress on stdout.
//   node bench/w4-process.ts DIR start RUNS   starts the runs; prints `id ID` for each that is acknowledged, `steps N` as steps are durable
//   node bench/w4-process.ts DIR hold RUNS    the same, but no step ever ends
//   node bench/w4-process.ts DIR resume RUNS  prints `open MS` when it has recovered, starts those runs that were not
//                                             acknowledged, and prints `done` when nothing is left to do
// Each step it executes is a line of DIR.executed, which outlives a kill: what was executed and not recorded shows there.
import { openSync, writeSync } from "node:fs";
import type { DurableEngine } from "../packages/maestro/src/engine/durable.ts";
import { openEngine } from "./engine.ts";
import { compile, FIVE_STEPS, startMany } from "./plane.ts";

const [dir = "", mode, count = "0"] = process.argv.slice(2);
const executed = openSync(`${dir}.executed`, "a");

const opening = performance.now();
const bench = await openEngine(dir, (parts) => ({
  execute: async (request) => {
    if (mode === "hold") return new Promise(() => undefined);
    writeSync(executed, `${request.run}/${request.task}\n`);
    return parts.execute(request);
  },
}));
if (mode === "resume") console.log(`open ${performance.now() - opening}`);
else tellSteps(bench.engine);
if (Number(count) > 0) {
  const plan = await compile(bench.engine, FIVE_STEPS);
  await startMany(bench, plan, Number(count), (id) => console.log(`id ${id}`));
}
console.log("started");
if (mode === "resume") {
  await bench.engine.idle();
  console.log("done");
  await bench.close();
}

function tellSteps(engine: DurableEngine): void {
  let steps = 0;
  let told = 0;
  engine.subscribe("*", (_run, events) => {
    for (const event of events) if (event.kind === "attempt_finished") steps += 1;
    if (steps < told + 100) return;
    told = steps;
    console.log(`steps ${steps}`);
  });
}
