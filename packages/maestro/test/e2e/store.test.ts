import assert from "node:assert/strict";
import { cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, beforeEach, describe, it } from "node:test";
import { MaestroError } from "../../src/core/problem.ts";
import { openControlPlane } from "../../src/serve.ts";
import { Place } from "../support/maestro.ts";

// A data directory that was damaged, edited or written by another version, as its user meets it.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "  type: demo\n  purposes: [test]\n  license: internal\n  budget: { wall: 5m }\n";
const FILES = {
  "ok.yaml": `${HEAD}metadata: { namespace: t, name: ok, version: 1.0.0 }
spec:
${SPEC}  tasks:
    hello: { uses: noop@1, with: { value: hello } }
    again: { uses: noop@1, with: { value: "\${{ tasks.hello.output }} again" } }
`,
  "waits.yaml": `${HEAD}metadata: { namespace: t, name: waits, version: 1.0.0 }
spec:
${SPEC}  tasks:
    hold: { uses: wait@1, with: { signal: go } }
`,
};

const THE_WAY_BACK =
  /^fix: Keep a copy of the data directory, then restore a backup or use `sqlite3 maestro\.db \.recover`\.$/m;

describe("a data directory", () => {
  let place: Place;
  /** Ended, the one that will be edited, and one that waits. */
  const ids = { good: "", victim: "", waits: "" };
  const data = (): string => join(place.dir, "data");
  const database = (): string => join(data(), "maestro.db");

  before(async () => {
    place = await Place.make(FILES);
    ids.good = (await place.run(["run", "ok.yaml", "-o", "name"])).out.trim();
    ids.victim = (await place.run(["run", "ok.yaml", "-o", "name"])).out.trim();
    ids.waits = (await place.run(["run", "waits.yaml", "--detach", "-o", "name"])).out.trim();
    await cp(data(), join(place.dir, "kept"), { recursive: true });
  });
  beforeEach(async () => {
    await rm(data(), { recursive: true });
    await cp(join(place.dir, "kept"), data(), { recursive: true });
  });
  after(() => place.remove());

  function edit(sql: string): void {
    const db = new DatabaseSync(database());
    db.exec(sql);
    db.close();
  }

  /** Takes the guard away, edits, and puts it back, so that only the edit itself can be noticed. */
  function editEvent(run: string): void {
    const db = new DatabaseSync(database());
    const guard = String(db.prepare("select sql from sqlite_master where name = 'event_no_update'").get()?.["sql"]);
    db.exec(
      `drop trigger event_no_update; update event set text = replace(text, '"test"', '"toast"') where run_id = '${run}' and seq = 1; ${guard}`,
    );
    db.close();
  }

  it("with an edited event: the run is named and refused, the others live", async () => {
    editEvent(ids.victim);
    for (const args of [
      ["show", ids.victim],
      ["replay", ids.victim],
      ["receipt", "export", ids.victim, "--to", "ev"],
      ["run", "--from-run", ids.victim],
    ]) {
      const refused = await place.run(args);
      assert.equal(refused.code, 7, `${args.join(" ")}: ${refused.err}`);
      assert.match(
        refused.err,
        new RegExp(
          `error\\[store_corrupt\\]: .*maestro\\.db does not hold event 1 of run ${ids.victim} as it was committed`,
        ),
      );
      assert.match(refused.err, THE_WAY_BACK);
    }
    assert.equal((await place.run(["show", ids.good])).code, 0);
    assert.equal((await place.run(["runs"])).code, 0);
    assert.equal((await place.run(["run", "ok.yaml"])).code, 0);
  });

  it("with an edited event of a run that waits: it is named, and the engine works for the others", async () => {
    editEvent(ids.waits);
    const ran = await place.run(["run", "ok.yaml"]);
    assert.equal(ran.code, 0, ran.err);
    const signalled = await place.run(["signal", ids.waits, "go"]);
    assert.equal(signalled.code, 7, signalled.err);
    assert.match(signalled.err, new RegExp(`does not hold event 1 of run ${ids.waits}`));
    assert.match(signalled.err, THE_WAY_BACK);
    const watched = await place.run(["watch", ids.waits]);
    assert.equal(watched.code, 7, watched.err);
  });

  const broken: readonly (readonly [string, () => Promise<void>, number, RegExp, RegExp])[] = [
    [
      "that was cut short",
      async () => truncate(database(), 8192),
      7,
      /error\[store_corrupt\]: .*maestro\.db has been cut short: it holds 8192 of \d+ bytes\./,
      THE_WAY_BACK,
    ],
    [
      "with a flipped byte in a page",
      async () => {
        const bytes = await readFile(database());
        bytes[4096]! ^= 0x20;
        await writeFile(database(), bytes);
      },
      7,
      /error\[store_corrupt\]: .*maestro\.db (?:is damaged|was edited)/,
      THE_WAY_BACK,
    ],
    [
      "that is another file",
      async () => writeFile(database(), "not a database, but long enough to be looked at: ".repeat(50)),
      7,
      /error\[store_corrupt\]: .*maestro\.db is not a database of Maestro\./,
      THE_WAY_BACK,
    ],
    [
      "without its guard against edits",
      async () => edit("drop trigger event_no_update"),
      7,
      /error\[store_corrupt\]: .*maestro\.db was edited: TRIGGER event_no_update is missing or is another one\./,
      THE_WAY_BACK,
    ],
    [
      "of a newer version",
      async () => edit("pragma user_version = 99"),
      6,
      /error\[schema_newer\]: .*maestro\.db has schema 99; this version of Maestro knows schemas up to \d+\./,
      /^fix: Use that version or a newer one; to go back, take the copy that the upgrade kept .*\.$/m,
    ],
  ];
  for (const [what, harm, code, message, fix] of broken) {
    it(`with a database ${what}: every command says so, and nothing is changed`, async () => {
      await harm();
      const left = await readFile(database());
      const commands = [["runs"], ["show", ids.good], ["run", "ok.yaml"]];
      for (const refused of await Promise.all(commands.map((args) => place.run(args)))) {
        assert.equal(refused.code, code, refused.err);
        assert.match(refused.err, message);
        assert.match(refused.err, fix);
        assert.equal(refused.out, "");
      }
      assert.ok((await readFile(database())).equals(left));
    });
  }

  it("that another process holds: a second engine is refused by name, and let in when the first was killed", async () => {
    const first = place.start(["up"]);
    await first.shows(/is up/);
    await assert.rejects(openControlPlane({ dataDir: data() }), (error: unknown) => {
      assert.ok(error instanceof MaestroError);
      assert.equal(error.code, "data_locked");
      assert.match(error.message, new RegExp(`^Process ${first.child.pid} has been using the data directory `));
      return true;
    });
    assert.equal((await place.run(["run", "ok.yaml"])).code, 0, "its socket serves whoever comes");
    first.child.kill("SIGKILL");
    await first.ended;
    const second = await openControlPlane({ dataDir: data() });
    await second.close();
  });
});
