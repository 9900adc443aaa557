// The process that W4 kills and restarts: a control plane that tells its progress on stdout.
//   node bench/w4-process.ts DIR start RUNS   starts the runs and prints `ids [...]` when all are acknowledged, `steps N` as they end
//   node bench/w4-process.ts DIR hold RUNS    the same, but no step ever ends
//   node bench/w4-process.ts DIR resume       prints `open MS` when it has recovered and `done` when nothing is left to do
import type { DurableEngine } from "../packages/maestro/src/engine/durable.ts";
import { openEngine } from "./engine.ts";
import { compile, FIVE_STEPS, openPlane, startMany } from "./plane.ts";

const [dir = "", mode, count = "0"] = process.argv.slice(2);

if (mode === "resume") {
  const opened = performance.now();
  const plane = await openPlane(dir);
  console.log(`open ${performance.now() - opened}`);
  await plane.engine.idle();
  console.log("done");
  await plane.close();
} else {
  const bench =
    mode === "hold"
      ? await openEngine(dir, () => ({ execute: async () => new Promise(() => undefined) }))
      : await openPlane(dir);
  tellSteps(bench.engine);
  const plan = await compile(bench.engine, FIVE_STEPS);
  console.log(`ids ${JSON.stringify(await startMany(bench, plan, Number(count)))}`);
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
