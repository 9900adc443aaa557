import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openControlPlane } from "../src/serve.ts";
import { Place } from "./support/maestro.ts";
import { ORDERS } from "./support/orders.ts";

// Histories of real runs, decided again by versions of their runbook that never ran.

describe("maestro test --replay", () => {
  let place: Place;
  const version = (name: string, text: string): Promise<void> => writeFile(join(place.dir, name), text);
  before(async () => {
    place = await Place.make({ "orders.maestro.yaml": ORDERS, "orders.csv": "id,total\n1,20\n2,250\n" });
    for (const min of ["100", "500"]) {
      const { code, err } = await place.run(["run", "orders.maestro.yaml", "-i", `min=${min}`, "--wait"]);
      assert.equal(code, 0, err);
    }
  });
  after(() => place.remove());

  it("agrees where nothing that matters is another, also where the plan's digest is", async () => {
    await version("next.maestro.yaml", ORDERS.replace("1.0.0", "1.1.0").replace("Picks", "Chooses"));
    const { code, out, err } = await place.run(["test", "--replay", "all", "next.maestro.yaml"]);
    assert.deepEqual([code, out], [0, ""], err);
    assert.match(err, /2 runs decided again: 2 the same, 0 another way, 0 cannot be compared/);
  });

  it("names the runs that would have gone another way, where and why", async () => {
    await version("next.maestro.yaml", ORDERS.replace("kept > 0", "kept > 1"));
    const all = await place.run(["test", "--replay", "next.maestro.yaml"]);
    assert.equal(all.code, 1, all.err);
    assert.match(
      all.out,
      /^✗ \w+ {2}succeeded {2}at event \d+ of \d+: the record says policy_decided report allow, and the new version says task_skipped report condition\n$/,
    );
    assert.match(all.err, /2 runs decided again: 1 the same, 1 another way/);
    const last = await place.run(["test", "--replay", "@last", "next.maestro.yaml", "-o", "json"]);
    assert.equal(last.code, 0, last.out);
    assert.deepEqual(JSON.parse(last.out), {
      apiVersion: "maestro/v1",
      kind: "ReplaySummary",
      runs: 1,
      same: 1,
      differs: 0,
      incomparable: 0,
    });
  });

  it("says which cannot be compared, and of which task it may be the new name", async () => {
    await version("next.maestro.yaml", ORDERS.replaceAll("report:", "reports:"));
    const { code, out } = await place.run(["test", "--replay", "all", "next.maestro.yaml"]);
    assert.equal(code, 0, out);
    assert.match(out, /cannot be compared: the new version has no task report; report is perhaps reports now\n/);
  });

  it("sees tasks that are new, inputs that are other ones, types that are others", async () => {
    const differs = async (text: string, why: RegExp): Promise<void> => {
      await version("next.maestro.yaml", text);
      const { code, out } = await place.run(["test", "--replay", "@last", "next.maestro.yaml"]);
      assert.equal(code, 1, out);
      assert.match(out, why);
    };
    await differs(
      ORDERS.replace("  outputs:", "    more: { uses: noop@1, needs: [pick] }\n  outputs:"),
      /the record says run_ended succeeded, and the new version does not; open in it: more/,
    );
    await differs(ORDERS.replace("int(row.total) >=", "int(row.total) >"), /pick would have been given another input/);
    await differs(
      ORDERS.replace(
        /uses: transform@1\n {6}with:\n[^]*?(?= {4}report)/,
        "uses: noop@1\n      with: { value: { kept: 0 } }\n",
      ).replaceAll(".output.kept", ".output.value.kept"),
      /pick would have run noop@1, not transform@1|another input/,
    );
  });

  it("goes through all pages of a long history, and through runs that were found by words", async () => {
    const many = await Place.make();
    try {
      const plane = await openControlPlane({ dataDir: join(many.dir, "data") });
      const manifest = ORDERS.replace(
        / {4}pick:[^]*?(?= {2}outputs)/,
        '    pick: { uses: noop@1, with: { value: { kept: "${{ inputs.min }}" } } }\n',
      );
      const body = (min: number): string => JSON.stringify({ manifest: manifest, inputs: { min } });
      for (let min = 0; min < 120; min++) {
        const request = new Request("http://maestro/v1/runs", {
          method: "POST",
          body: body(min),
          headers: { "content-type": "application/json" },
        });
        assert.equal((await plane.asOwner(request)).status, 201);
      }
      await plane.engine.idle();
      await plane.close();
      await writeFile(
        join(many.dir, "next.maestro.yaml"),
        manifest.replace("noop@1, with", "noop@1, when: inputs.min < 100, with"),
      );
      const all = await many.run(["test", "--replay", "all", "next.maestro.yaml", "-o", "json"]);
      assert.equal(all.code, 1, all.err);
      const lines = all.out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { readonly kind: string });
      assert.equal(lines.filter(({ kind }) => kind === "differs").length, 20);
      assert.deepEqual(lines.at(-1), {
        apiVersion: "maestro/v1",
        kind: "ReplaySummary",
        runs: 120,
        same: 100,
        differs: 20,
        incomparable: 0,
      });
      const none = await many.run(["test", "--replay", "nothing is called so", "next.maestro.yaml"]);
      assert.deepEqual([none.code, /There is no run of this workflow/.test(none.err)], [0, true]);
    } finally {
      await many.remove();
    }
  });

  it("refuses what it cannot compare with", async () => {
    assert.equal((await place.run(["test", "--replay", "all"])).code, 2);
    await version("bad.maestro.yaml", ORDERS.replace("exec@1", "exce@1"));
    const { code, err } = await place.run(["test", "--replay", "all", "bad.maestro.yaml"]);
    assert.equal(code, 2);
    assert.match(err, /bad\.maestro\.yaml has 1 problem/);
  });
});
