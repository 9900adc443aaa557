// Task types of programs: attempts through one resident process of the task protocol, from the attempt host's request to
// its checked result, and the time of one attempt alone; with the SDK in TypeScript and, where there is one, in Python.
// Then the steps of one run, with all that an engine does around them.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { taskTypes } from "../packages/maestro/src/task/catalogue.ts";
import { ExternalTypes } from "../packages/maestro/src/task/external.ts";
import type { TaskDescription, TaskType } from "../packages/maestro/src/task/task.ts";
import { executeAttempt } from "../packages/maestro/src/runner/attempt.ts";
import { openLogs } from "../packages/maestro/src/runner/log-files.ts";
import { openProcessRunner } from "../packages/maestro/src/runner/process.ts";
import { openBlobs } from "../packages/maestro/src/store/blob-files.ts";
import type { Reading } from "./measure.ts";
import { bench, meter, percentile, quick } from "./measure.ts";
import { compile, ends, fanOutTo, openPlane, start } from "./plane.ts";

const ATTEMPTS = quick ? 500 : 20_000;
const STEPS = quick ? 200 : 10_000;
const ALONE = quick ? 50 : 2_000;
const AT_ONCE = 16;

const TYPESCRIPT = `import { defineTask } from "@summit/maestro-sdk";
export default defineTask({
  name: "bench-ts", version: 1, summary: "Hands on a number", effects: [], concurrency: ${AT_ONCE},
  input: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
  output: { type: "integer" }, example: { n: 1 },
  execute: ({ input }) => input.n,
});
`;

const PYTHON = `#!/usr/bin/env python3
import sys
sys.path.insert(0, ${JSON.stringify(fileURLToPath(new URL("../sdks/python", import.meta.url)))})
from maestro_task import define_task, serve
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
serve(define_task(lambda context: context.input["n"], name="bench-py", version=1, summary="Hands on a number",
                  input=SCHEMA, output={"type": "integer"}, example={"n": 1}, concurrency=${AT_ONCE}))
`;

await bench({
  title: `Task protocol: ${ATTEMPTS.toLocaleString("en")} attempts through one process, ${AT_ONCE} at once`,
  async measure(dir) {
    const runner = await openProcessRunner({ workDir: join(dir, "work"), hostname: "bench" });
    const types = new Map<string, TaskType>(taskTypes());
    const external = new ExternalTypes({
      dataDir: dir,
      types,
      descriptions: new Map<string, TaskDescription>(),
      start: (command) => runner.resident(command),
      environment: () => undefined,
      isolation: () => runner.measure("none"),
      engine: "bench",
      now: () => Date.now(),
      warn: (problem) => console.error(problem),
    });
    const host = {
      runner,
      logs: openLogs(join(dir, "logs")),
      blobs: await openBlobs(join(dir, "blobs")),
      now: () => Date.now(),
      environment: () => undefined,
    };
    let attempts = 0;
    const attempt = async (type: TaskType): Promise<void> => {
      attempts += 1;
      const n = attempts;
      const result = await executeAttempt(
        {
          run: "r_bench",
          namespace: "bench",
          task: "n",
          item: n,
          attempt: 1,
          type,
          input: { n },
          sandbox: "none",
          limits: {},
          artifacts: [],
          dir: join(dir, "work", "r_bench", `n.${n}`),
          base: dir,
          signal: new AbortController().signal,
          graceMs: 1000,
        },
        host,
      );
      if (!result.ok || result.output !== n) throw new Error(JSON.stringify(result));
    };
    const measured = async (language: string, type: TaskType): Promise<readonly Reading[]> => {
      // The process starts, and both sides are warm.
      for (let i = 0; i < 200; i++) await attempt(type);
      const alone: number[] = [];
      for (let i = 0; i < ALONE; i++) {
        const start = performance.now();
        await attempt(type);
        alone.push(performance.now() - start);
      }
      let left = ATTEMPTS;
      const stop = meter();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (left > 0) {
            left -= 1;
            await attempt(type);
          }
        }),
      );
      const { ms, cost } = stop();
      const must = language === "TypeScript" ? { must: 2_000 } : {};
      return [
        {
          what: `stdio tasks/s, one ${language} process`,
          value: ATTEMPTS / (ms / 1000),
          unit: "/s",
          better: "higher",
          ...must,
          ...cost,
        },
        { what: `stdio task alone, ${language} p50`, value: percentile(alone, 50) * 1000, unit: "µs" },
      ];
    };
    try {
      writeFileSync(join(dir, "bench.ts"), TYPESCRIPT);
      await external.add(join(dir, "bench.ts"), []);
      const readings = [...(await measured("TypeScript", typeOf(types, "bench-ts@1")))];
      if (spawnSync("python3", ["--version"]).status === 0) {
        writeFileSync(join(dir, "bench.py"), PYTHON, { mode: 0o755 });
        await external.add(join(dir, "bench.py"), []);
        readings.push(...(await measured("Python", typeOf(types, "bench-py@1"))));
      }
      return [...readings, await inOneRun(join(dir, "plane"), join(dir, "bench.ts"))];
    } finally {
      await external.close();
    }
  },
});

/** The same attempts as steps of one run: every start, decision and result is durable. */
async function inOneRun(dataDir: string, path: string): Promise<Reading> {
  const plane = await openPlane(dataDir);
  try {
    const added = await plane.asOwner(
      new Request("http://localhost/v1/tasks", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ path, env: [] }),
      }),
    );
    if (!added.ok) throw new Error(await added.text());
    const plan = await compile(plane.engine, fanOutTo("bench-ts@1"));
    const run = async (steps: number): Promise<void> => {
      const done = ends(plane.engine, 1);
      await start(plane, plan, { items: Array.from({ length: steps }, (_, n) => n) });
      await done;
    };
    await run(500);
    const stop = meter();
    await run(STEPS);
    const { ms, cost } = stop();
    return {
      what: "... as steps of one run, durable",
      value: STEPS / (ms / 1000),
      unit: "/s",
      better: "higher",
      ...cost,
    };
  } finally {
    await plane.close();
  }
}

function typeOf(types: ReadonlyMap<string, TaskType>, name: string): TaskType {
  const type = types.get(name);
  if (type === undefined) throw new Error(`${name} was not added`);
  return type;
}
