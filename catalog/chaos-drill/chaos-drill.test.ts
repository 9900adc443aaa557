import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "../../packages/maestro/test/support/maestro.ts";

// The drill for real: processes that are killed, effects on a disk, and an engine that is killed as well.

const HERE = fileURLToPath(new URL(".", import.meta.url));
const RUN = [
  "run",
  join(HERE, "chaos-drill.maestro.yaml"),
  "-i",
  `here=${HERE}`,
  "--purpose",
  "drill",
  "--authority",
  "TEST-1",
];

interface Shown {
  readonly run: { readonly id: string; readonly status: string };
  readonly outputs: Readonly<Record<string, number | boolean>>;
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface Line {
  readonly job: string;
  readonly point?: string | null;
}

describe("chaos-drill", { concurrency: 2 }, () => {
  it("kills workers at each of its points, and every effect is there once", async () => {
    const place = await Place.make();
    try {
      const { run, outputs } = await drill(place, 0, ["-i", "seed=17", "-i", "jobs=8"]);
      assert.equal(run.status, "succeeded");
      assert.deepEqual([outputs["passed"], outputs["effects"]], [true, 8]);
      const starts = linesOf(place, "starts.jsonl");
      assert.deepEqual(
        new Set(starts.map(({ point }) => point)),
        new Set(["after", "before", "middle", "silence", null]),
      );
      assert.equal(starts.filter(({ point }) => point !== null).length, outputs["hits"]);
      await place.run(["show", run.id, "--artifacts", "--save", "out"]);
      const report = readFileSync(join(place.dir, "out/judge/report.md"), "utf8");
      assert.match(report, /^# Chaos drill, seed 17: passed\n[^]*\| lost \| none \|\n\| doubled \| none \|\n$/);
      await place.run(["receipt", "export", run.id, "--to", "evidence"]);
      const verified = await place.run([
        "verify",
        "evidence/receipt.json",
        "--trust-root",
        "evidence/trust-root.json",
        "--subject",
        "out/judge/report.md",
        "--status",
        "succeeded",
      ]);
      assert.equal(verified.code, 0, verified.err);
    } finally {
      await place.remove();
    }
  });

  it("finds out where workers do not look for an effect that happened already", async () => {
    const place = await Place.make();
    try {
      const { error } = await drill(place, 1, ["-i", "seed=17", "-i", "jobs=8", "-i", "careless=true"]);
      assert.equal(error?.code, "EXIT");
      assert.match(error.message, /lost: none; doubled: job-\d+/);
    } finally {
      await place.remove();
    }
  });

  it("goes on where the engine is killed in the middle, and loses and doubles nothing", async () => {
    const place = await Place.make();
    try {
      const changes = watch(place.dir, { recursive: true });
      const engine = place.start([...RUN, "-i", "seed=17", "-i", "jobs=8", "--wait"]);
      for await (const _ of changes) if (linesOf(place, "ledger.jsonl").length >= 2) break;
      engine.child.kill("SIGKILL");
      await once(engine.child, "close");
      const watched = await place.run(["watch", "@last"]);
      assert.equal(watched.code, 0, watched.err);
      const { outputs } = JSON.parse((await place.run(["show", "@last", "-o", "json"])).out) as Shown;
      assert.deepEqual([outputs["passed"], outputs["effects"]], [true, 8]);
      const jobs = linesOf(place, "ledger.jsonl").map(({ job }) => job);
      assert.equal(new Set(jobs).size, 8);
      assert.equal(jobs.length, 8);
    } finally {
      await place.remove();
    }
  });
});

async function drill(place: Place, code: number, more: readonly string[]): Promise<Shown> {
  const ended = await place.run([...RUN, ...more, "--wait", "-o", "json"]);
  assert.equal(ended.code, code, ended.out + ended.err);
  return JSON.parse(ended.out) as Shown;
}

/** Of the one run that has a folder here. */
function linesOf(place: Place, name: string): readonly Line[] {
  const folder = join(place.dir, "drill");
  const [run] = existsSync(folder) ? readdirSync(folder) : [];
  const path = run === undefined ? "" : join(folder, run, name);
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8").trimEnd();
  return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as Line);
}
