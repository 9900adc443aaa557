import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
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

  it("says who comes in: the owner alone and what to do about it, or by whose word others do", async () => {
    const says = async (...args: readonly string[]): Promise<string> => {
      const up = place.start(["up", "--listen", "127.0.0.1:0", ...args]);
      await up.shows(/is up: process/);
      up.child.kill("SIGTERM");
      assert.equal((await up.ended).code, 0);
      return up.err;
    };
    const alone =
      "only the owner, by the token file, or in a browser by `maestro login --link`; docs/guides/identity.md connects an identity provider for others";
    assert.ok((await says("--log-format", "text")).split("\n").includes(`  enter    ${alone}`));
    const line = (await says("--log-format", "json")).split("\n").find((one) => one.includes("Who comes in"));
    const { message, providers } = JSON.parse(line ?? "{}") as Readonly<Record<string, unknown>>;
    assert.deepEqual([message, providers], [`Who comes in: ${alone}.`, ""]);
    assert.doesNotMatch(await says("--log-format", "text", "--no-listen"), /  enter/, "nothing listens");

    const issuer = (name: string, more = ""): string =>
      `    ${name}: { issuer: "https://${name}.example", audience: "https://maestro.example", algorithms: [ES256], roles: [{ claim: groups, is: shop, namespaces: [shop], roles: [viewer] }]${more} }\n`;
    const identity = async (text: string): Promise<void> =>
      writeFile(join(place.dir, "data/identity.yaml"), text, { mode: 0o600 });
    await identity(
      `identity:\n  issuers:\n${issuer("company", ", login: { clientId: maestro-cli }")}${issuer("forge", ", callers: service")}`,
    );
    assert.match(
      await says("--log-format", "text"),
      /^ {2}enter {4}the owner, and whoever comes from the identity providers company, forge: `maestro login --server URL`$/m,
    );
    await identity(`identity:\n  issuers:\n${issuer("forge", ", callers: service")}`);
    assert.match(
      await says("--log-format", "text"),
      /^ {2}enter {4}the owner, and whoever comes from the identity provider forge$/m,
    );
    await identity("identity: { isuers: {} }\n");
    assert.match(
      await says("--log-format", "text"),
      /^ {2}enter {4}only the owner, since identity\.yaml cannot be used; `maestro doctor` says why$/m,
    );
  });
});
