import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, it } from "node:test";
import type { Started } from "./support/maestro.ts";
import { Place } from "./support/maestro.ts";

// Backup and restore as a person does them, beside an engine that is at work.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "spec:\n  type: demo\n  purposes: [test]\n  budget: { wall: 1d }\n";
const FILES = {
  "done.yaml": `${HEAD}metadata: { namespace: t, name: done, version: 1.0.0 }\n${SPEC}  tasks: { a: { uses: noop@1 } }\n`,
  "waits.yaml": `${HEAD}metadata: { namespace: t, name: waits, version: 1.0.0 }\n${SPEC}  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    after: { uses: noop@1, needs: [hold], with: { value: "\${{ tasks.hold.output }}" } }
`,
};

let place: Place;
let up: Started;
let file: string;
let waits: string;
before(async () => {
  place = await Place.make(FILES);
  up = place.start(["up"]);
  await up.shows(/is up/);
  await maestro("run", "done.yaml", "--wait");
  waits = (await maestro("run", "waits.yaml", "--detach", "-o", "name")).trim();
  file = (await maestro("backup", "create", "--to", "backups")).trim();
});
after(() => place.remove());

async function maestro(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await place.run(args);
  assert.equal(code, 0, `${args.join(" ")}\n${out}${err}`);
  return out;
}

it("is refused over the directory of an engine at work, which does not notice", async () => {
  const names = readdirSync(join(place.dir, "data")).toSorted();
  for (const args of [
    ["restore", file],
    ["restore", file, "--to", "data"],
    ["restore", file, "--to", "data/"],
    ["restore", file, "--data", "data"],
  ]) {
    const { code, err } = await place.run(args);
    assert.equal(code, 6, args.join(" "));
    assert.match(err, /error\[conflict\]: Nothing is restored to \S+\/data: it is a data directory already\.\n/);
    assert.match(err, /fix: Restore to a new folder with --to; or end its engine, move the folder away/);
  }
  assert.deepEqual(readdirSync(join(place.dir, "data")).toSorted(), names);
  assert.deepEqual(
    readdirSync(place.dir).filter((name) => name.includes("restoring")),
    [],
  );
  await maestro("replay", waits);
});

it("gives a directory whose runs are as they were, and go on there", async () => {
  await maestro("restore", file, "--to", "copy");
  const copy = ["--data", "copy"];
  assert.deepEqual((await maestro("runs", "--fields", "name,status", ...copy)).trim().split("\n"), [
    "waits\twaiting",
    "done\tsucceeded",
  ]);
  await maestro("replay", waits, ...copy);
  await maestro("signal", waits, "go", ...copy);
  await maestro("watch", waits, ...copy);
  await maestro("receipt", "export", waits, "--to", "proof", ...copy);
  // Signed by the copy's new key: the original's trust root does not know it.
  const old = await place.run(["verify", "proof/receipt.json", "--trust-root", "data/keys/trust-root.json"]);
  assert.equal(old.code, 7, old.out + old.err);
  await maestro("verify", "proof/receipt.json", "--trust-root", "copy/keys/trust-root.json");
  assert.equal(
    readFileSync(join(place.dir, "copy/installation"), "utf8"),
    readFileSync(join(place.dir, "data/installation"), "utf8"),
  );

  assert.match(await maestro("show", waits), /waiting/, "the original is where it was");
  await maestro("signal", waits, "go");
  await maestro("watch", waits);
  up.child.kill("SIGTERM");
  assert.equal((await up.ended).code, 0);
});
