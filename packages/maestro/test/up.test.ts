import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";

const WAITS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: waits, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 5m }
  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    say: { uses: noop@1, needs: [hold], with: { value: gone } }
  outputs: { said: "\${{ tasks.say.output }}" }
`;

describe("maestro up", async () => {
  const place = await Place.make({ "waits.yaml": WAITS });
  after(() => place.remove());

  it("carries runs on that nobody watches, and ends well by a signal", async () => {
    const up = place.start(["up"]);
    await up.shows(/The engine of .* is up: process \d+/);
    const started = await place.run(["run", "waits.yaml", "--purpose", "test", "--detach"]);
    assert.equal(started.code, 0, started.err);
    assert.doesNotMatch(started.err, /no engine stays behind/);
    const signalled = await place.run(["signal", "@last", "go"]);
    assert.equal(signalled.code, 0, signalled.err);
    const watched = await place.run(["watch", "@last"]);
    assert.equal(watched.code, 0, watched.err);
    assert.match(watched.err, /said = gone/);
    up.child.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
    assert.match(up.err, /handed back/);
  });

  it("stands by while another process is the engine, and takes over when that was killed", async () => {
    const first = place.start(["up"]);
    await first.shows(/is up/);
    const second = place.start(["up"]);
    await second.shows(new RegExp(`Process ${first.child.pid} is the engine already`));
    first.child.kill("SIGKILL");
    await second.shows(new RegExp(`is up: process ${second.child.pid}`));
    assert.doesNotMatch(second.err, new RegExp(`Process ${second.child.pid} is the engine already`));
    second.child.kill("SIGINT");
    assert.equal((await second.ended).code, 0);
  });
});
