import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Client, textOf } from "../../packages/maestro/src/cli/client.ts";
import { demoScenes } from "../../packages/maestro/src/cli/demo-scenes.ts";
import { readTrustRoot } from "../../packages/maestro/src/provenance/trust.ts";
import { verifyReceipt } from "../../packages/maestro/src/provenance/verify.ts";
import { Place } from "../../packages/maestro/test/support/maestro.ts";
import type { RunView } from "../../packages/maestro/src/engine/engine.ts";
import type { RunPage, RunRow } from "../../packages/maestro/src/store/store.ts";

// The demo for real, twice with one seed: the command makes it, and the API of what it left is asked what is there.

const STATUSES = ["cancelled", "cancelling", "denied", "failed", "queued", "running", "succeeded"];
const WAITS = ["approval", "key", "poll", "retry", "signal", "timer"];

describe("maestro up --demo", () => {
  let place: Place;
  before(async () => (place = await Place.make()));
  after(() => place.remove());

  it("fills an empty installation with runs of every status, the same for the same seed, whose receipts verify", async () => {
    const [logged, shown] = await Promise.all([make("one", "json"), make("two", "text")]);
    assert.match(logged, /"message":"The demo is made".*"runs":22,"seed":7/);
    assert.doesNotMatch(shown, /an attempt failed/, "what fails on purpose is no news");
    assert.match(shown, /◫ waiting +deploy 1\.\d+\.3 +waits for you to approve$/m);
    assert.match(shown, /◐ cancelling +parcel A-\d+ +cancelled, and not over before the parcel is back$/m);
    assert.match(shown, /^ {2}maestro approve \w+ --data \S+ +let a deploy go on, and the one queued behind it$/m);

    const [one, two] = [await look("one"), await look("two")];
    assert.deepEqual(one.content, two.content);
    assert.deepEqual([...new Set(one.runs.map(({ status }) => status))].toSorted(), STATUSES);
    assert.deepEqual([...new Set(one.runs.flatMap(({ waiting }) => waiting ?? []))].toSorted(), WAITS);
    assert.equal(
      one.verified,
      one.runs.filter(({ endedAt }) => endedAt !== null).length + 1,
      "one run has ended twice",
    );

    const again = await place.run(["up", "--demo", "--once", "--no-listen", "--data", "one"]);
    assert.equal(again.code, 6, again.err);
    assert.match(again.err, /error\[conflict\]: There are runs here already, and the demo would be mixed with them\./);
  });

  it("is what --seed and --once go with", async () => {
    const alone = await place.run(["up", "--seed", "7"]);
    assert.equal(alone.code, 2);
    assert.match(alone.err, /--seed and --once go with --demo/);
  });

  it("keeps what its scenes claim, whatever the seed", () => {
    assert.deepEqual(demoScenes(1), demoScenes(1));
    assert.notDeepEqual(demoScenes(1), demoScenes(2));
    for (let seed = 0; seed < 500; seed++) {
      const scenes = demoScenes(seed);
      assert.equal(new Set(scenes.map(({ name }) => name)).size, scenes.length, `seed ${seed}: names are told apart`);
      for (const { inputs, shows } of scenes.filter(({ workflow }) => workflow === "orders")) {
        const orders = inputs?.["orders"] as { readonly pieces: number }[];
        const bad = orders.filter(({ pieces }) => pieces < 1).length;
        assert.ok(bad > 0 && bad < orders.length, `seed ${seed}: ${shows}`);
      }
    }
  });

  async function make(folder: string, format: string): Promise<string> {
    const log = ["--log-format", format, "--no-listen"];
    const ended = await place.run(["up", "--demo", "--once", "--seed", "7", ...log, "--data", folder]);
    assert.equal(ended.code, 0, ended.err);
    return ended.err;
  }

  /** All that was made, with every receipt verified against the run's events. */
  async function look(folder: string): Promise<{
    readonly runs: readonly RunRow[];
    readonly content: readonly object[];
    readonly verified: number;
  }> {
    const client = await Client.connect({ dataDir: join(place.dir, folder), need: "look" });
    try {
      const { runs } = await client.get<RunPage>("/v1/runs", { limit: 100 });
      const trustRoot = readTrustRoot(textOf((await client.read("/v1/trust-root")).bytes), "the trust root");
      const content: object[] = [];
      let verified = 0;
      for (const { id } of runs) {
        const { run, inputs, outputs, tasks, receipts } = await client.get<RunView>(`/v1/runs/${id}`);
        const { artifacts } = await client.get<{ readonly artifacts: readonly { name: string; digest: string }[] }>(
          `/v1/runs/${id}/artifacts`,
        );
        content.push({
          stands: [run.name, run.workflow, run.status, run.waiting, inputs, outputs],
          tasks: tasks.map((task) => [task.id, task.status, task.counts, task.cachedFrom !== null]),
          artifacts: artifacts.map(({ name, digest }) => [name, digest]),
        });
        for (const { ordinal } of receipts) {
          const { bytes } = await client.read(`/v1/runs/${id}/receipt?ordinal=${ordinal}`);
          const { verified: good, checks } = await verifyReceipt(bytes, { trustRoot, expected: { run: id } });
          assert.ok(good, JSON.stringify(checks));
          verified++;
        }
        if (run.endedAt !== null) assert.ok(receipts.length > 0, `${run.name} has a receipt`);
      }
      return { runs, content, verified };
    } finally {
      await client.close();
    }
  }
});
