import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, it } from "node:test";
import { Place } from "./support/maestro.ts";

// Retention as its user meets it: by the real command, on a real data directory.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "type: demo, purposes: [test], budget: { wall: 1m }";
const FILES = {
  "hello.yaml": `${HEAD}metadata: { namespace: t, name: hello, version: 1.0.0 }
spec: { ${SPEC}, tasks: { say: { uses: exec@1, with: { argv: [sh, -c, "echo spoken; echo kept > file"] }, runner: { sandbox: none }, artifacts: [file] } } }
`,
  "sign.yaml": `${HEAD}metadata: { namespace: t, name: sign, version: 1.0.0 }
spec: { ${SPEC}, tasks: { hold: { uses: wait@1, with: { signal: go } } } }
`,
};

let place: Place;
before(async () => {
  place = await Place.make(FILES);
});
after(() => place.remove());

it("removes by the policy, honours holds, says what is gone, and receipts verify without their history", async () => {
  const started = await place.run(["run", "hello.yaml", "--wait", "-o", "name"]);
  assert.equal(started.code, 0, started.err + started.out);
  const id = started.out.trim();
  const kept = (await place.run(["run", "hello.yaml", "--wait", "-o", "name"])).out.trim();
  const waits = (await place.run(["run", "sign.yaml", "--detach", "-o", "name"])).out.trim();
  const held = await place.run(["hold", "set", kept, "--reason", "case 4711"]);
  assert.equal(held.code, 0, held.err);
  assert.match(held.out, /^h_[a-z0-9]{19}\n$/);
  assert.equal((await place.run(["hold", "set", kept])).code, 2, "a hold says why");

  const data = join(place.dir, "data");
  writeFileSync(
    join(data, "retention.yaml"),
    "retention: { default: { work: 0s, logs: 0s, artifacts: 0s, events: 0s, receipts: 3d } }\n",
  );
  const dry = await place.run(["gc", "--dry-run"]);
  assert.match(dry.out, /would remove {2}history of 1 run\n/);
  assert.match(dry.out, /kept {2}1 run under a legal hold\n/);

  const removed = await place.run(["gc", "-o", "json"]);
  assert.equal(removed.code, 0, removed.err);
  const report = JSON.parse(removed.out) as { readonly removed: Record<string, number>; readonly held: number };
  assert.deepEqual(
    [report.removed["logs"], report.removed["artifacts"], report.removed["events"], report.held],
    [1, 1, 1, 1],
  );
  assert.deepEqual(readdirSync(join(data, "logs")), [kept]);
  assert.ok(existsSync(join(data, "work", kept)) && !existsSync(join(data, "work", id)));

  for (const command of [
    ["logs", id],
    ["show", id, "--artifacts"],
    ["retry", id],
  ]) {
    const gone = await place.run(command);
    assert.equal(gone.code, 5, `${command.join(" ")}: ${gone.out}${gone.err}`);
    assert.match(gone.err, /error\[removed\]: The (logs|events|artifacts|history) .*(removed on|were removed on)/);
  }
  const shown = await place.run(["show", id]);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out + shown.err, /The history of run r_\w+ was removed on .* \(events 0s\)/);
  const receipt = await place.run(["receipt", "show", id]);
  assert.equal(receipt.code, 0, receipt.out);
  assert.match(receipt.out, /not checked {2}is about this history: The events of run r_\w+ were removed on/);
  assert.match(receipt.out, /Verified: \d+ checks passed; not checked: .*events, history/);
  assert.equal((await place.run(["receipt", "export", id, "--to", "out"])).code, 0);
  assert.deepEqual(readdirSync(join(place.dir, "out")).toSorted(), [
    "plan.json",
    "receipt.json",
    "receipt.tlog-proof",
    "trust-root.json",
  ]);

  const released = await place.run(["hold", "release", held.out.trim(), "--reason", "closed"]);
  assert.equal(released.code, 0, released.err);
  const holds = await place.run(["hold", "list", "--all", "-o", "json"]);
  assert.match(holds.out, /"releaseReason":"closed"/);
  assert.match((await place.run(["gc"])).out, /removed {2}history of 1 run\n/);
  assert.equal((await place.run(["show", waits, "--events"])).code, 0, "a run that waits is not touched");
});

it("tells a history that vanished without a record from one that was removed", async () => {
  const id = (await place.run(["run", "hello.yaml", "--wait", "-o", "name"])).out.trim();
  const db = new DatabaseSync(join(place.dir, "data/maestro.db"));
  const guard = String(db.prepare("select sql from sqlite_master where name = 'event_no_delete'").get()?.["sql"]);
  assert.throws(() => db.exec(`delete from event where run_id = '${id}'`), /append-only: events are never deleted/);
  db.exec(`drop trigger event_no_delete; delete from event where run_id = '${id}'; ${guard}`);
  db.close();
  const replay = await place.run(["replay", id]);
  assert.deepEqual([replay.code, /error\[store_corrupt\].*event 1 is missing/.test(replay.err)], [7, true]);
});
