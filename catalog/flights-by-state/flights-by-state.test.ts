import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "../../packages/maestro/test/support/maestro.ts";

// The runbook for real: the public dataset, SQLite, files, and a target that can be down.

const HERE = fileURLToPath(new URL(".", import.meta.url));
const RUNBOOK = join(HERE, "flights-by-state.maestro.yaml");
const DATASET = fileURLToPath(new URL("../../node_modules/vega-datasets/data", import.meta.url));

interface Shown {
  readonly run: { readonly id: string };
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly tasks: readonly { readonly id: string; readonly status: string; readonly cachedFrom: string | null }[];
}

interface Row {
  readonly state: string;
  readonly flights: number;
  readonly within: number;
}

describe("flights-by-state", () => {
  let place: Place;
  const bodies: { readonly key: string; readonly rows: readonly Row[] }[] = [];
  let status = 200;
  const target = createServer((request, response) => {
    void request.toArray().then((parts) => {
      if (status === 200)
        bodies.push({
          key: String(request.headers["idempotency-key"]),
          rows: JSON.parse(Buffer.concat(parts as Buffer[]).toString()) as Row[],
        });
      response.writeHead(status).end();
    });
  });
  before(async () => {
    place = await Place.make();
    for (const file of ["airports.csv", "flights-airport.csv"])
      cpSync(join(DATASET, file), join(place.dir, "dataset", file));
    await new Promise<void>((listening) => target.listen(0, "127.0.0.1", listening));
  });
  after(async () => {
    target.close();
    target.closeAllConnections();
    await place.remove();
  });

  async function run(code: number): Promise<Shown> {
    const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/reports`;
    const inputs = ["-i", "source=dataset", "-i", `target=${url}`];
    const ended = await place.run(["run", RUNBOOK, ...inputs, "--purpose", "reporting", "--wait", "-o", "json"]);
    assert.equal(ended.code, code, ended.err + ended.out);
    return JSON.parse(ended.out) as Shown;
  }

  const cached = ({ tasks }: Shown): readonly string[] =>
    tasks.filter(({ cachedFrom }) => cachedFrom !== null).map(({ id }) => id);

  it("keeps what it has when the target is down, and a retry delivers it alone", async () => {
    status = 503;
    const failed = await run(1);
    assert.equal(failed.error?.code, "UNAVAILABLE");
    assert.deepEqual(
      failed.tasks.filter((task) => task.status !== "succeeded").map(({ id }) => id),
      ["deliver"],
    );
    status = 200;
    const retried = await place.run(["retry", failed.run.id, "--wait", "-o", "json"]);
    assert.equal(retried.code, 0, retried.err);
    const events = await place.run(["show", failed.run.id, "--events", "-o", "jsonl"]);
    assert.equal(events.out.split("\n").filter((line) => /"attempt_started".*"aggregate"/.test(line)).length, 1);
    const report = JSON.parse(readFileSync(join(place.dir, "out/flights-by-state.json"), "utf8")) as Row[];
    assert.equal(bodies.length, 1);
    assert.deepEqual(bodies[0]?.rows, report);
    assert.deepEqual([report.length, report[0]?.state, report[0]?.flights], [51, "CA", 822_339]);
    assert.ok(report.every(({ flights, within }) => within <= flights));
  });

  it("does again only what depends on a file that has changed", async () => {
    const first = await run(0);
    assert.deepEqual(cached(first), ["airports", "flights"]);
    const path = join(place.dir, "dataset/airports.csv");
    // Los Angeles moves to Nevada.
    writeFileSync(path, readFileSync(path, "utf8").replace(/^(LAX,[^,]*,[^,]*),CA,/m, "$1,NV,"));
    const second = await run(0);
    assert.deepEqual(cached(second), ["flights"]);
    assert.equal(second.outputs["busiest"], "TX");
    assert.notEqual(second.outputs["report"], first.outputs["report"]);
    assert.deepEqual(
      bodies.slice(1).map(({ key }) => key),
      [first.outputs["report"], second.outputs["report"]],
    );
  });

  it("names a row that does not fit, and loads nothing", async () => {
    const path = join(place.dir, "dataset/flights-airport.csv");
    writeFileSync(path, `${readFileSync(path, "utf8").trimEnd()}\nLAX,SFO,many\n`);
    const { error, tasks } = await run(1);
    assert.equal(error?.code, "SCHEMA");
    assert.match(error.message, /row 5367\b/);
    assert.equal(tasks.find(({ id }) => id === "load_flights")?.status, "skipped");
  });
});
