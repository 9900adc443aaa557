import assert from "node:assert/strict";
import { chmodSync, existsSync, globSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { askToken } from "./support/ask-token.ts";
import { Place } from "./support/maestro.ts";
import { need } from "./support/need.ts";
import { Server } from "./support/server.ts";
import { held, hold, holding, letGo, manifest, verified } from "./support/workload.ts";
import type { Held } from "./support/workload.ts";

// Tokens for workloads as a task gets them and others verify them: `maestro up` in a process of its own, real sandboxes.

/** Looks for the socket of its neighbour, which holds one. */
const NEIGHBOUR = `
    neighbour:
      uses: exec@1
      runner: { sandbox: strict }
      with:
        script: |
          test -z "$MAESTRO_TOKEN_SOCKET" && test ! -e /run/maestro && echo "the neighbour has none"
          find "$(dirname "$MAESTRO_DIR")" "$MAESTRO_BASE" / -xdev -type s 2>/dev/null | grep token.sock || echo "the neighbour finds none"
`;

const PLAIN = `
    ask: { uses: exec@1, with: { script: 'echo "socket=$MAESTRO_TOKEN_SOCKET"' } }
`;

describe("tokens for workloads", need("curl"), () => {
  let place: Place;
  let server: Server;
  before(async () => {
    place = await Place.make({
      "none.yaml": manifest("none", holding("none")),
      "strict.yaml": manifest("strict", holding("strict") + NEIGHBOUR),
      "plain.yaml": manifest("plain", PLAIN),
    });
    // In the sandbox of a root engine a command reads what everybody may read.
    chmodSync(place.dir, 0o755);
    server = await Server.start(place);
  });
  after(async () => {
    await server.stop();
    await place.remove();
  });

  /** The token is nowhere but in the file that the task has put it in, although the task tells it to everybody. */
  async function leftNoTrace({ run, token }: Held): Promise<void> {
    // Its signature is what makes it one.
    const [signature = ""] = token.split(".").slice(2);
    assert.ok(signature.length > 80);
    const secrets = [token, signature];
    const data = join(place.dir, "data");
    const files = globSync("**", { cwd: data, exclude: (path) => path === "work" }).filter((path) =>
      statSync(join(data, path)).isFile(),
    );
    assert.ok(files.some((path) => path.startsWith("maestro.db")) && files.some((path) => path.startsWith("logs/")));
    for (const path of files) {
      const text = readFileSync(join(data, path), "latin1");
      assert.ok(!secrets.some((secret) => text.includes(secret)), `${path} holds a token`);
    }
    const events = (await server.ask({ path: `/v1/runs/${run}/events` })).bytes.toString("latin1");
    const receipt = (await server.ask({ path: `/v1/runs/${run}/receipt` })).bytes.toString("latin1");
    const statement = /"payload":"([^"]*)"/.exec(receipt)?.[1] ?? "";
    const said = [server.up.out, server.up.err, events, receipt, Buffer.from(statement, "base64").toString("latin1")];
    assert.ok(!secrets.some((secret) => said.some((text) => text.includes(secret))));
    assert.match(said.join("\n"), /run_created/);
    const shown = await place.run(["logs", run]);
    assert.equal(shown.out.match(/"token":"[\w-]+\.[\w-]+\.\*\*\*"/g)?.length, 2, shown.out);
    assert.match(events, /"token":"[\w-]+\.[\w-]+\.\*\*\*"/, "nor in what it gave as its output");
  }

  it("are verified by what this control plane publishes, and say what the task is", async () => {
    const one = await hold(place, "none.yaml");
    const claims = await verified(server, one.token);
    assert.equal(claims["sub"], "run:shop:none:env:local:task:ask");
    assert.deepEqual([claims["run_id"], claims["task_id"], claims["attempt"]], [one.run, "ask", 1]);
    assert.equal(claims["workflow_ref"], "shop/none@1.0.0");
    assert.equal(claims["purpose"], "release");
    assert.match(String(claims["plan_sha"]), /^sha256:/);
    const { sandbox, isolation } = claims["runner"] as Readonly<Record<string, unknown>>;
    assert.deepEqual([sandbox, isolation], ["none", "none"]);
    assert.deepEqual([one.refused["code"], one.refused["status"]], ["denied", 403]);
    assert.deepEqual(environments(one.run, one.token), [], "no process has it in its environment");
    await letGo(place, one);
    await assert.rejects(askToken(one.socket), { code: "ENOENT" }, "what ended has no way to ask any more");
    await leftNoTrace(one);
  });

  it("reach a strict sandbox, and no other", need("bwrap"), async () => {
    const one = await hold(place, "strict.yaml");
    await one.logs.shows(/the neighbour has none/);
    await one.logs.shows(/the neighbour finds none/);
    const claims = await verified(server, one.token);
    const { sandbox, isolation } = claims["runner"] as Readonly<Record<string, unknown>>;
    assert.deepEqual([sandbox, isolation], ["strict", "strict"]);
    assert.equal(one.socket, "/run/maestro/token.sock");
    assert.deepEqual(environments(one.run, one.token), []);
    await letGo(place, one);
    await leftNoTrace(one);
    assert.deepEqual(readdirSync(join(place.dir, "data/sockets")), [], "no socket is left");
  });

  it("are not there for a task whose runbook names no audience", async () => {
    const { code, out } = await place.run(["run", "plain.yaml", "--purpose", "release", "--wait"]);
    assert.equal(code, 0);
    const logs = await place.run(["logs", out.split("\t")[0]?.trim() ?? ""]);
    assert.match(logs.out, /socket=$/m);
    assert.deepEqual(readdirSync(join(place.dir, "data/sockets")), []);
  });

  it("leave a usable socket neither behind a killed engine nor behind a cancelled run", async () => {
    const one = await hold(place, "none.yaml");
    // It would take over.
    one.logs.child.kill();
    await one.logs.ended;
    server.up.child.kill("SIGKILL");
    await server.up.ended;
    await assert.rejects(askToken(one.socket), { code: "ECONNREFUSED" });
    server = await Server.start(place);
    assert.ok(!existsSync(one.socket), "the next engine takes it away");
    const again = await held(place, one.run, 2);
    assert.notEqual(again.socket, one.socket);
    assert.equal((await verified(server, again.token))["attempt"], 2);
    const { status } = await askToken(again.socket);
    assert.equal(status, 200, "outside a sandbox this user's other processes can ask, too, as the guide says");
    const cancelled = await place.run(["cancel", one.run, "--force"]);
    assert.equal(cancelled.code, 0, cancelled.err);
    await place.run(["watch", one.run]);
    await assert.rejects(askToken(again.socket), { code: "ENOENT" });
  });
});

/** Processes of a run that have the text in their environment. */
function environments(run: string, text: string): readonly string[] {
  const found: string[] = [];
  let seen = 0;
  for (const path of globSync("/proc/[0-9]*/environ")) {
    let environment: string;
    try {
      environment = readFileSync(path, "latin1");
    } catch {
      continue; // It has ended, or is another user's.
    }
    if (!environment.includes(run)) continue;
    seen += 1;
    if (environment.includes(text) || environment.includes(text.split(".")[2] ?? text)) found.push(path);
  }
  assert.ok(seen > 0, "the run has processes");
  return found;
}
