// A backup of an installation of 1 GB, by the command in a process of its own, while W1 runs in ours.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openBlobs } from "../packages/maestro/src/store/blob-files.ts";
import { begin, sampleEvents, sampleReceipt, sampleRun } from "../packages/maestro/src/store/sample.ts";
import { openSqlite } from "../packages/maestro/src/store/sqlite.ts";
import type { Reading } from "./measure.ts";
import { bench, median, quick } from "./measure.ts";
import { compile, ends, FIVE_STEPS, openPlane, start, STEPS } from "./plane.ts";

const BIN = fileURLToPath(new URL("../packages/maestro/bin/maestro.cjs", import.meta.url));
const MB = 1_000_000;
/** Half in the database, as runs of 20 events, half in blobs of 1 MB that no packer makes smaller. */
const BLOBS = quick ? 5 : 500;
const RUNS = quick ? 1_000 : 100_000;
const PER_COMMIT = 500;
const EVENT_BYTES = 160;

const W1_RUNS = quick ? 100 : 2_000;
const ROUNDS = quick ? 1 : 5;

await bench({
  title: `backup of ${quick ? "10 MB" : "1 GB"} while W1 runs`,
  runs: 1,
  async measure(dir) {
    const data = join(dir, "data");
    await fill(data);
    const plane = await openPlane(data);
    const plan = await compile(plane.engine, FIVE_STEPS);
    const round = async (): Promise<number> => {
      const done = ends(plane.engine, W1_RUNS);
      const from = performance.now();
      await Promise.all([done, ...Array.from({ length: W1_RUNS }, async () => start(plane, plan))]);
      return performance.now() - from;
    };
    // The first two are those of a fresh process.
    await round();
    await round();
    const alone: number[] = [];
    for (let i = 0; i < ROUNDS; i++) alone.push(await round());

    const from = performance.now();
    let tookMs: number | undefined;
    const backup = spawn(process.execPath, [BIN, "backup", "create", "--data", data, "--to", join(dir, "backups")], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => {
      backup.on("close", (code) => {
        tookMs = performance.now() - from;
        resolve(code);
      });
    });
    const beside: number[] = [];
    while (tookMs === undefined) {
      const ms = await round();
      // The last round is partly without a backup beside it.
      if (tookMs === undefined || beside.length === 0) beside.push(ms);
    }
    if ((await ended) !== 0) throw new Error("the backup failed; what it says is above");
    const bytes = sizeOf(data);
    await plane.close();
    const [archive] = readdirSync(join(dir, "backups"));
    const seconds = tookMs / 1_000;
    const steps = (ms: number): number => (W1_RUNS * STEPS * 1_000) / ms;
    const readings: Reading[] = [
      { what: "backup beside W1: installation", value: bytes / MB, unit: "MB" },
      { what: "backup beside W1: time", value: seconds, unit: "s" },
      { what: "backup beside W1: of the installation", value: bytes / MB / seconds, unit: "MB/s", better: "higher" },
      { what: "backup beside W1: archive", value: statSync(join(dir, "backups", archive ?? "")).size / MB, unit: "MB" },
      { what: "W1 steps/s, warm, beside that installation", value: steps(median(alone)), unit: "/s", better: "higher" },
      { what: "W1 steps/s, warm, beside its backup", value: steps(median(beside)), unit: "/s", better: "higher" },
      { what: "W1 time beside a backup ÷ alone", value: median(beside) / median(alone), unit: "x" },
    ];
    return readings;
  },
});

async function fill(data: string): Promise<void> {
  // As one that has been worked with: keys, installation, schema.
  await (await openPlane(data)).close();
  const blobs = await openBlobs(join(data, "blobs"));
  const digests: string[] = [];
  for (let i = 0; i < BLOBS; i++) digests.push((await blobs.put(randomBytes(MB))).digest);
  const store = await openSqlite({ path: join(data, "maestro.db") });
  const filler = "x".repeat(EVENT_BYTES);
  for (let n = 0; n < RUNS; n += PER_COMMIT) {
    const runs = Array.from({ length: PER_COMMIT }, (_, i) => {
      const digest = digests[n + i];
      const last =
        digest === undefined
          ? "{}"
          : `{"result":{"artifacts":[{"name":"x","path":"/x","digest":"${digest}","size":${MB}}]}}`;
      const events = [...sampleEvents(1, 19).map((text) => `${text.slice(0, -1)},"filler":"${filler}${n + i}"}`), last];
      return begin(sampleRun(n + i, { status: "succeeded", endedAt: n + i }), events);
    });
    await store.commit({ runs, receipts: runs.map(({ id }) => sampleReceipt(id, 1)) });
  }
  await store.close();
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(folder, name), { throwIfNoEntry: false }))
    .reduce((sum, stat) => sum + (stat?.isFile() === true ? stat.size : 0), 0);
}
