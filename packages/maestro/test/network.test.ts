import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";
import { Server } from "./support/server.ts";

// `maestro up` in a process of its own, and what reaches it over TCP: a person's commands, a program, and who should not.

const WAITS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: waits, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 5m }
  inputs: { n: { type: integer, default: 1 } }
  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    say: { uses: exec@1, needs: [hold], with: { argv: [echo, said so] } }
  outputs: { n: "\${{ inputs.n }}" }
`;

describe("maestro up on the network", () => {
  let place: Place;
  let server: Server;
  before(async () => {
    place = await Place.make({ "waits.yaml": WAITS });
    // One test asks with a new token until it is noticed.
    await place.configure("network.yaml", "network: { stranger: { perSecond: 1000000 } }\n");
    server = await Server.start(place);
  });
  after(async () => {
    await server.stop();
    await place.remove();
  });

  it("says where it listens and where the token is, and never the token", async () => {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.match(server.up.err, /token +in .*\/data\/token/);
    assert.ok(!`${server.up.out}${server.up.err}`.includes(server.token));
    assert.equal((await stat(server.tokenFile)).mode & 0o777, 0o600);
  });

  it("answers probes to everybody, and the rest to who has the token", async () => {
    const live = await server.ask({ path: "/healthz", token: null });
    assert.deepEqual([live.status, live.json["status"]], [200, "live"]);
    const ready = await server.ask({ path: "/readyz", token: null });
    assert.deepEqual([ready.status, ready.json["status"]], [200, "ready"]);
    assert.equal((await server.ask({ path: "/v1/runs" })).status, 200);
    const refused = await server.ask({ path: "/v1/runs", token: null });
    assert.deepEqual([refused.status, refused.json["code"]], [401, "unauthorized"]);
  });

  it("serves commands that name it: run, watch, logs, receipts", async () => {
    const named = ["--server", server.url, "--token-file", server.tokenFile];
    const started = await place.run(["run", "waits.yaml", "-i", "n=3", "--detach", "-o", "name", ...named]);
    assert.equal(started.code, 0, started.err);
    const id = started.out.trim();
    const watching = place.start(["watch", id, ...named]);
    const signalled = await place.run(["signal", id, "go", ...named]);
    assert.equal(signalled.code, 0, signalled.err);
    const watched = await watching.ended;
    assert.equal(watched.code, 0, watched.err);
    assert.match(watched.err, /n = 3/);
    assert.match((await place.run(["logs", id, "say", ...named])).out, /said so/);
    const listed = await place.run(["runs", "-o", "name", ...named]);
    assert.match(listed.out, new RegExp(id));
    const exported = await place.run(["receipt", "export", id, "--to", "evidence", ...named]);
    assert.equal(exported.code, 0, exported.err);
    const verified = await place.run(["verify", "evidence/receipt.json", "--trust-root", "evidence/trust-root.json"]);
    assert.equal(verified.code, 0, verified.err);
  });

  it("is found by a context, and config says which and why", async () => {
    const env = { XDG_CONFIG_HOME: join(place.dir, "contexts"), MAESTRO_DATA: "" };
    const config = async (...args: readonly string[]): Promise<string> => {
      const { code, err, out } = await place.run(["config", ...args], { env });
      assert.equal(code, 0, err);
      return out;
    };
    await config("set", "contexts.here.server", server.url);
    await config("set", "contexts.here.tokenFile", server.tokenFile);
    await config("use", "here");
    assert.equal(await config("get", "contexts.here.server"), `${server.url}\n`);
    const view = await config("view", "--origin", "-o", "jsonl");
    const settings = view
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly key: string; readonly value: string; readonly origin: string });
    const at = (key: string): readonly (string | undefined)[] => {
      const found = settings.find((one) => one.key === key);
      return [found?.value, found?.origin.replace(place.dir, "")];
    };
    assert.deepEqual(at("context"), ["here", "/contexts/maestro/config.yaml"]);
    assert.deepEqual(at("server"), [server.url, "/contexts/maestro/config.yaml, context here"]);
    assert.deepEqual(at("tokenFile"), [server.tokenFile, "/contexts/maestro/config.yaml, context here"]);
    const runs = await place.run(["runs"], { env });
    assert.equal(runs.code, 0, runs.err);
    const local = await place.run(["key", "rotate"], { env });
    assert.equal(local.code, 2);
    assert.match(local.err, /works on a data directory of this machine, and .*config.yaml names the server/);
  });

  it("is refused in words, with an exit code: no token, a wrong one, nobody there", async () => {
    const none = await place.run(["runs", "--server", server.url]);
    assert.equal(none.code, 4);
    assert.match(
      none.err,
      /error\[unauthorized\]: The control plane at http.* wants a token, and none was named for it/,
    );
    const wrong = await place.run(["runs", "--server", server.url], { env: { MAESTRO_TOKEN: "maestro_wrong" } });
    assert.equal(wrong.code, 4);
    assert.match(wrong.err, /does not accept the token of MAESTRO_TOKEN/);
    assert.ok(!wrong.err.includes("maestro_wrong"));
    const nowhere = await place.run(["runs", "--server", "http://127.0.0.1:1"], { env: { MAESTRO_TOKEN: "x" } });
    assert.equal(nowhere.code, 9);
    assert.match(
      nowhere.err,
      /error\[server_unreachable\]: Nobody answers for the control plane at http:\/\/127.0.0.1:1/,
    );
    const missing = await place.run(["runs", "--server", server.url, "--token-file", "no.such"]);
    assert.equal(missing.code, 4);
    assert.match(missing.err, /error\[token_unusable\]: The token file .*no.such cannot be read/);
  });

  it("refuses a port that is taken and an address that others reach, and opens none when told so", async () => {
    const other = await Place.make();
    try {
      const taken = await other.run(["up", "--listen", new URL(server.url).host]);
      assert.equal(taken.code, 9);
      assert.match(taken.err, /error\[address_unusable\]: Another process listens on 127.0.0.1:\d+ already/);
      assert.match(taken.err, /fix: Choose another address with `--listen HOST:PORT`/);
      const exposed = await other.run(["up", "--listen", "0.0.0.0:0"]);
      assert.equal(exposed.code, 2);
      assert.match(exposed.err, /0\.0\.0\.0 can be reached from other machines/);
      const closed = other.start(["up", "--no-listen", "--data", "quiet"]);
      await closed.shows(/is up: process/);
      assert.doesNotMatch(closed.err, /listens/);
      await assert.rejects(stat(join(other.dir, "quiet/token")), { code: "ENOENT" });
      closed.child.kill("SIGTERM");
      assert.equal((await closed.ended).code, 0);
    } finally {
      await other.remove();
    }
  });

  it("takes a new token while it is up", async () => {
    // Its file has just been looked at: until it is again, a second later at most, the new token is nobody's.
    await server.ask({ path: "/v1/health" });
    const rotated = await place.run(["token", "rotate"]);
    assert.deepEqual([rotated.code, rotated.out.trim()], [0, server.tokenFile]);
    const now = (await readFile(server.tokenFile, "utf8")).trim();
    assert.notEqual(now, server.token);
    while ((await server.ask({ path: "/v1/health", token: now })).status !== 200);
    assert.equal((await server.ask({ path: "/v1/health", token: server.token })).status, 401);
    server.token = now;
  });
});
