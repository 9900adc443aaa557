// W1 on BullMQ, a queue of jobs on Redis, on a redis-server of its own that syncs each write
// before it answers (`appendfsync always`), as our commits do, over a unix socket. All 2,000 are enqueued up front with
// its addBulk while its one worker, in this process, already works, as in our W1; a worker that started afterwards was
// as fast. Once a chain of five jobs, each with a result and a state of its own, which is what it has for steps in
// sequence; once five steps inside one job that saves its data after each, which is the cheapest durable step it has.
// It keeps states and results and no history, asks no gate and signs nothing.
//
// Concurrency 50, 100, 200, 500, 1,000 gave 2,150, 2,440, 2,120, 1,920, 1,620 steps/s in a flow and 8,530, 5,480 to
// 9,060, 9,370, 6,460, 3,820 inside a job, mostly one run each, on two cores that it shares with Redis. Up to 200 they
// differ no more than two runs of the same; each row has the one with the highest number. Adding 1,000 at once and
// sharing one connection made no difference beyond that, nor did updateProgress instead of updateData; ioredis'
// automatic pipelining was slower. A round of 100 comes before each row and does not count, because our W1 is shown
// warm, too; one of 1,000 made no clear difference. CPU and memory are this process and Redis together.
import { spawn } from "node:child_process";
import { join, relative } from "node:path";
import { FlowProducer, Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { bench, meter, quick } from "../measure.ts";
import own from "./package.json" with { type: "json" };

const RUNS = quick ? 100 : 2_000;
const WARM_UP_RUNS = 100;
const STEPS = 5;
const PER_ADD = 100;
const VERSION = own.dependencies.bullmq;

const FLOW = {
  what: `peer: bullmq ${VERSION} on Redis, a flow of five jobs, W1 steps/s`,
  concurrency: 100,
  jobsPerRun: STEPS,
  process: async (job) => job.data.step,
  async add({ name, producer }, count) {
    const chain = (step) => ({
      name: `s${step}`,
      queueName: name,
      data: { step },
      ...(step === 0 ? {} : { children: [chain(step - 1)] }),
    });
    await producer.addBulk(Array.from({ length: count }, () => chain(STEPS - 1)));
  },
};

const ONE_JOB = {
  what: `peer: bullmq ${VERSION} on Redis, five steps inside one job, W1 steps/s`,
  concurrency: 200,
  jobsPerRun: 1,
  async process(job) {
    let value = 0;
    for (let step = 0; step < STEPS; step++) {
      value = step;
      await job.updateData({ step, value });
    }
    return { value };
  },
  async add({ queue }, count) {
    await queue.addBulk(Array.from({ length: count }, () => ({ name: "five-steps", data: {} })));
  },
};

await bench({
  title: `W1 on BullMQ ${VERSION}`,
  async measure(dir) {
    const server = await startRedis(dir);
    try {
      const readings = [];
      for (const [i, way] of [FLOW, ONE_JOB].entries()) {
        await round(server.path, `warm-up-${i}`, way, WARM_UP_RUNS);
        readings.push(await round(server.path, `w1-${i}`, way, RUNS));
      }
      return readings;
    } finally {
      await server.stop();
    }
  },
});

/** From the first add to the answer that the last run's last job is completed. */
async function round(path, name, way, runs) {
  const connection = { path };
  const queue = new Queue(name, { connection });
  const producer = new FlowProducer({ connection });
  const worker = new Worker(name, way.process, { connection, concurrency: way.concurrency });
  const redis = new Redis(connection);
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  const ended = runsEnded(worker, runs);
  const before = await costOf(redis);
  const stop = meter();
  for (let added = 0; added < runs; added += PER_ADD)
    await way.add({ name, queue, producer }, Math.min(PER_ADD, runs - added));
  await ended;
  const { ms, cost } = stop();
  const after = await costOf(redis);
  const { completed, ...others } = await queue.getJobCounts();
  if (completed !== runs * way.jobsPerRun || Object.values(others).some((count) => count > 0))
    throw new Error(`not every job completed: ${JSON.stringify({ completed, ...others })}`);
  await Promise.all([worker.close(), queue.close(), producer.close(), redis.quit()]);
  return {
    what: way.what,
    value: (runs * STEPS * 1_000) / ms,
    unit: "/s",
    better: "higher",
    cpu: cost.cpu + after.cpu - before.cpu,
    rss: cost.rss + after.rss,
  };
}

/** The last job of a run is the one without a parent. */
async function runsEnded(worker, runs) {
  let left = runs;
  await new Promise((resolve, reject) => {
    worker.on("completed", (job) => {
      if (job.parent === undefined && --left === 0) resolve();
    });
    worker.on("failed", (_job, error) => reject(error));
    worker.on("error", reject);
  });
}

async function costOf(redis) {
  const facts = (await redis.info("cpu")) + (await redis.info("memory"));
  const fact = (key) => Number(new RegExp(`^${key}:(.*)$`, "m").exec(facts)[1]);
  return { cpu: fact("used_cpu_user") + fact("used_cpu_sys"), rss: fact("used_memory_rss") };
}

/** A server for this process alone, in `dir`, that ends with it. */
async function startRedis(dir) {
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const server = spawn("redis-server", ["--port", "0", "--unixsocket", "redis.sock", ...durable], {
    cwd: dir,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => server.once("close", resolve));
  process.once("exit", () => server.kill());
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  let said = "";
  await new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new Error("redis-server did not start; to have one: apt-get install redis-server", { cause })),
    );
    server.once("exit", (code) => reject(new Error(`redis-server ended with ${code}:\n${said}`)));
    server.stdout.on("data", (text) => {
      said += text;
      if (said.includes("ready to accept connections")) resolve();
    });
  });
  return {
    // A socket's path may have about 100 bytes, and a relative one has the best chance.
    path: relative("", join(dir, "redis.sock")),
    async stop() {
      server.kill();
      await gone;
    },
  };
}
