import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { hasTerminal, Place } from "./support/maestro.ts";

// What only shows in a real terminal, and what several processes do to each other.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "  type: demo\n  purposes: [test]\n  license: internal\n  budget: { wall: 5m }\n";

const FILES = {
  "ok.yaml": `${HEAD}metadata: { namespace: t, name: ok, version: 1.0.0 }
spec:
${SPEC}  tasks:
    evil: { uses: exec@1, with: { argv: [printf, 'a\\033[2J\\033]0;title\\007b \\033[31mred\\n'] } }
    last: { uses: noop@1, needs: [evil], with: { value: 1 } }
`,
  "asks.yaml": `${HEAD}metadata: { namespace: t, name: asks, version: 1.0.0 }
spec:
${SPEC}  tasks:
    gate: { uses: approval@1, with: { message: "Ship it?", notRequester: false } }
    last: { uses: noop@1, needs: [gate], with: { value: 1 } }
`,
  "waits.yaml": `${HEAD}metadata: { namespace: t, name: waits, version: 1.0.0 }
spec:
${SPEC}  tasks:
    first: { uses: exec@1, with: { argv: [sh, -c, 'echo begun; exec sleep 300'] }, retry: { attempts: 5 } }
    go: { uses: wait@1, with: { signal: go } }
`,
};

/** What a terminal shows at the end, roughly: escape sequences taken out. */
function words(text: string): string {
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is taken out
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
}

describe("maestro in a terminal", { skip: hasTerminal ? false : "needs util-linux script" }, () => {
  let place: Place;
  before(async () => {
    place = await Place.make(FILES);
  });
  after(() => place.remove());

  it("draws the tree in place, then replaces it by a summary", async () => {
    const { out, code } = await place.startInTerminal(["run", "ok.yaml"]).ended;
    assert.equal(code, 0, out);
    assert.match(out, /\r\x1b\[\d+A/); // oxlint-disable-line no-control-regex -- drawn again in place
    assert.match(out, /\x1b\[3[24]m[✓◐]\x1b\[39m evil/); // oxlint-disable-line no-control-regex -- glyph in colour
    const end = words(out.slice(out.lastIndexOf("\x1b[J")));
    assert.match(end, /^✓ succeeded {2}ok \w{6} .*\n {2}receipt {2}sha256:.* verified/);
    assert.doesNotMatch(end, /\tsucceeded\t/, "the row is for programs");
  });

  it("draws nothing in place for TERM=dumb and in CI", async () => {
    const [dumb, ci] = await Promise.all([
      place.startInTerminal(["run", "ok.yaml"], { TERM: "dumb" }).ended,
      place.startInTerminal(["run", "ok.yaml"], { CI: "true" }).ended,
    ]);
    for (const { out } of [dumb, ci]) {
      assert.ok(!out.includes("\x1b[J"), out);
      assert.match(out, /last succeeded attempt=1/);
    }
    assert.match(words(dumb.out), /^\+ succeeded/m);
  });

  it("shows task output without obeying it, and tables with heads", async () => {
    const logs = await place.startInTerminal(["logs", "@last", "evil"]).ended;
    assert.equal(logs.out, "ab \x1b[31mred\x1b[0m\r\n");
    const runs = await place.startInTerminal(["runs"]).ended;
    assert.match(words(runs.out), /^ID {6}STATUS +NAME/);
    assert.match(words(runs.out), /✓ succeeded/);
  });

  it("leaves a run on Ctrl-C and says how it goes on", async () => {
    const run = place.startInTerminal(["run", "asks.yaml"]);
    await run.shows(/Ship it|approval/);
    run.child.stdin.write("\x03");
    const { code, out } = await run.ended;
    assert.equal(code, 130, out);
    assert.match(words(out), /handed back and goes on with the next `maestro watch`\n {2}next {5}maestro watch \w+\n/);
  });

  it("shows the effect of an approval and asks for reason and answer", async () => {
    const asked = await place.run(["run", "asks.yaml", "--no-wait", "-o", "name"]);
    assert.equal(asked.code, 10, asked.err);
    const run = asked.out.trim();
    const approve = place.startInTerminal(["approve", run]);
    await approve.shows(/reason: /);
    approve.child.stdin.write("looked at it\r");
    await approve.shows(/\[y\/N\] /);
    assert.match(words(approve.out), /message {3}Ship it\?/);
    assert.match(words(approve.out), /plan {6}sha256:[0-9a-f]{64}/);
    approve.child.stdin.write("n\r");
    const { code, out } = await approve.ended;
    assert.deepEqual([code, /nothing was answered/.test(out)], [1, true], out);
    const plan = /plan {6}(sha256:[0-9a-f]{64})/.exec(words(out))?.[1] ?? "";
    const denied = await place.run(["deny", run, "--plan", plan, "--reason", "freeze"]);
    assert.equal(denied.code, 0, denied.err);
    assert.match(
      denied.err,
      /gate denied; (?:failed|denied)|no engine is running on this data directory: `maestro watch \w+`/,
    );
  });
});

describe("two processes on one data directory", () => {
  let place: Place;
  before(async () => {
    place = await Place.make(FILES);
  });
  after(() => place.remove());

  it("the second reaches the engine of the first, and carries on when that is killed", async () => {
    const owner = place.start(["run", "waits.yaml"]);
    await owner.shows(/first started attempt=1/);
    await owner.shows(/go waits signal=go/);
    const follower = place.start(["logs", "@last", "first", "-f"]);
    await follower.shows(/begun/);
    const watcher = place.start(["watch", "@last"]);
    await watcher.shows(/first started attempt=1/);
    const listed = await place.run(["runs", "--fields", "status"]);

    assert.match(listed.out, /^(running|waiting)$/m);

    owner.child.kill("SIGKILL");
    await watcher.shows(/the process that ran the engine has ended; carrying on here/);
    // Lost with its engine, so it is tried again; nothing is told twice.
    await watcher.shows(/first started attempt=2/);
    assert.equal(watcher.err.match(/first started attempt=1/g)?.length, 1);

    const signalled = await place.run(["signal", "@last", "go"]);
    assert.equal(signalled.code, 0, signalled.err);
    await watcher.shows(/go goes on/);
    const cancelled = await place.run(["cancel", "@last", "--force", "--reason", "enough"]);
    assert.equal(cancelled.code, 0, cancelled.err);
    const { code, out } = await watcher.ended;
    assert.equal(code, 1, watcher.err);
    assert.match(out, /\tcancelled\tsha256:/);
    assert.equal((await follower.ended).code, 0);
    const replay = await place.run(["replay", "@last"]);
    assert.equal(replay.code, 0, replay.out + replay.err);
  });

  it("a follower of logs that carries on hands back at Ctrl-C", async () => {
    const owner = place.start(["run", "waits.yaml", "--name", "handed"]);
    await owner.shows(/go waits signal=go/);
    // Alone: what it follows the run by and what it follows the lines by notice at the same time that the engine is gone.
    const follower = place.start(["logs", "@last", "-f"]);
    await follower.shows(/begun/);
    owner.child.kill("SIGKILL");
    await follower.shows(/carrying on here/);
    await follower.shows(/begun[^]*begun/);
    follower.child.kill("SIGINT");
    assert.equal((await follower.ended).code, 130, follower.err);
    const cancelled = await place.run(["cancel", "@last", "--force"]);
    assert.equal(cancelled.code, 0, cancelled.err);
  });

  it("cancels on Ctrl-C where that was asked for", async () => {
    const run = place.start(["run", "waits.yaml", "--cancel-on-interrupt"]);
    await run.shows(/first started attempt=1/);
    run.child.kill("SIGINT");
    const { code, out } = await run.ended;
    assert.equal(code, 130, run.err);
    assert.match(out, /\tcancelled\tsha256:/);
  });

  it("ends quietly when its reader has gone", async () => {
    const piped = place.start(["help", "environment"]);
    piped.child.stdout.destroy();
    const { code, err } = await piped.ended;
    assert.deepEqual([code, err], [0, ""]);
  });

  it("lets several commands start runs at once, whoever is the engine", async () => {
    const all = await Promise.all(
      Array.from({ length: 6 }, (_, i) => place.run(["run", "ok.yaml", "--wait", "--name", `n${i}`, "-o", "name"])),
    );
    for (const { code, err } of all) assert.equal(code, 0, err);
    assert.equal(new Set(all.map(({ out }) => out)).size, 6);
  });
});
