import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MISBEHAVE } from "./support/external.ts";
import { Place } from "./support/maestro.ts";

const WORD_COUNT = fileURLToPath(new URL("../../sdk/examples/word-count.ts", import.meta.url));

const MANIFEST = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: test, name: count, version: 1.0.0, description: Counts words. }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 5m }
  tasks:
    count: { uses: word-count@1, with: { file: words.txt }, timeout: { run: 1m } }
  outputs: { words: "\${{ tasks.count.output.words }}" }
`;

describe("programs as task types, by the command", () => {
  let place: Place;
  before(async () => {
    place = await Place.make({ "count.maestro.yaml": MANIFEST, "words.txt": "to be or not to be\n" });
    copyFileSync(WORD_COUNT, join(place.dir, "word-count.ts"));
  });
  after(() => place.remove());

  it("are unknown before they are added", async () => {
    const lint = await place.run(["lint", "count.maestro.yaml"]);
    assert.equal(lint.code, 1);
    assert.match(lint.out, /there is no task type `word-count`/);
  });

  it("are added from a single file, listed, shown and linted with their schema", async () => {
    const added = await place.run(["task", "add", "word-count.ts"]);
    assert.deepEqual([added.code, added.out], [0, "word-count@1\n"], added.err);
    assert.match(
      (await place.run(["task", "list", "-o", "wide"])).out,
      /^word-count@1\t\tCounts the words of a text file\t.*word-count\.ts$/m,
    );
    assert.match((await place.run(["task", "show", "word-count"])).out, /digest: {2}sha256:[0-9a-f]{64}/);
    assert.equal(JSON.parse((await place.run(["task", "schema", "word-count"])).out).name, "word-count");
    const lint = await place.run(["lint", "--strict", "count.maestro.yaml"]);
    assert.equal(lint.code, 0, lint.out + lint.err);
  });

  it("run, and the receipt pins description and program", async () => {
    const run = await place.run(["run", "count.maestro.yaml", "-o", "json"]);
    assert.equal(run.code, 0, run.err);
    const plan = await place.run(["plan", "count.maestro.yaml", "-o", "json"]);
    const { digest } = JSON.parse(plan.out).plan.tasks[0].uses as { digest: string };
    const receipt = await place.run(["receipt", "export", "@last"]);
    const statement = Buffer.from(JSON.parse(receipt.out).dsseEnvelope.payload as string, "base64").toString("utf8");
    assert.ok(
      statement.includes(digest.slice("sha256:".length)),
      "the digest of the description, which holds the program's",
    );
    assert.match(statement, /task\/word-count@1/);
  });

  it("are refused when they were changed, with what to do, and taken again", async () => {
    const path = join(place.dir, "word-count.ts");
    const before = (await place.run(["plan", "count.maestro.yaml", "-o", "name"])).out;
    writeFileSync(path, `${readFileSync(path, "utf8")}\n// changed\n`);
    const refused = await place.run(["run", "count.maestro.yaml"]);
    assert.equal(refused.code, 1);
    assert.match(refused.err + refused.out, /PROGRAM_CHANGED[\s\S]*maestro task add/);
    assert.match((await place.run(["task", "list", "-o", "wide"])).out, /word-count\.ts \(changed: add it again\)/);
    assert.equal((await place.run(["task", "add", "word-count.ts"])).code, 0);
    assert.equal((await place.run(["run", "count.maestro.yaml"])).code, 0);
    assert.notEqual(
      (await place.run(["plan", "count.maestro.yaml", "-o", "name"])).out,
      before,
      "another program is another plan",
    );
  });

  it("stay what they were to a published workflow, which is told to publish again", async () => {
    assert.equal((await place.run(["catalog", "publish", "count.maestro.yaml"])).code, 0);
    const path = join(place.dir, "word-count.ts");
    const same = await place.run(["task", "add", "word-count.ts"]);
    assert.deepEqual([same.code, same.err.includes("outdated")], [0, false]);
    writeFileSync(path, `${readFileSync(path, "utf8")}\n// changed again\n`);
    const added = await place.run(["task", "add", "word-count.ts"]);
    assert.deepEqual([added.code, added.out], [0, "word-count@1\n"]);
    assert.match(
      added.err,
      /outdated test\/count@1\.0\.0\n +They name the program that was here before[^\n]*publish them again/,
    );
    const refused = await place.run(["run", "test/count"]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /PROGRAM_CHANGED[\s\S]*published workflow keeps its plan: raise metadata\.version/);
    const raised = readFileSync(join(place.dir, "count.maestro.yaml"), "utf8").replace("1.0.0", "1.0.1");
    writeFileSync(join(place.dir, "raised.maestro.yaml"), raised);
    assert.equal((await place.run(["catalog", "publish", "raised.maestro.yaml"])).code, 0);
    assert.equal((await place.run(["run", "test/count"])).code, 0);
    const data = await place.run(["task", "add", "word-count.ts", "-o", "json"]);
    assert.deepEqual(JSON.parse(data.out).outdated, [], "its newest version is up to date");
  });

  it("are known at once to an engine that is up", async () => {
    const up = place.start(["up"]);
    await up.shows(/is up/);
    copyFileSync(MISBEHAVE, join(place.dir, "other.mjs"));
    assert.equal((await place.run(["task", "add", MISBEHAVE])).out, "misbehave@1\n");
    writeFileSync(
      join(place.dir, "other.maestro.yaml"),
      MANIFEST.replace("word-count@1, with: { file: words.txt }", "misbehave@1, with: { do: well }").replace(
        "output.words",
        "output.ok",
      ),
    );
    const run = await place.run(["run", "other.maestro.yaml"]);
    assert.equal(run.code, 0, run.err);
    assert.equal((await place.run(["task", "remove", "misbehave@1"])).out, "misbehave@1\n");
    assert.equal((await place.run(["task", "remove", "misbehave@1"])).code, 5);
    const without = await place.run(["run", "--from-run", "@last"]);
    assert.equal(without.code, 1, without.err);
    assert.match(without.err, /UNAVAILABLE: count: this installation has no task type misbehave@1; add the program/);
    up.child.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
  });

  it("are checked by `task test`", async () => {
    const good = await place.run(["task", "test", "word-count.ts", "--input", '{"file":"/etc/passwd"}']);
    assert.equal(good.code, 0, good.out);
    assert.match(good.err, /12 checks: none failed/);
    const bad = await place.run(["task", "test", MISBEHAVE, "--input", '{"do":"schema"}']);
    assert.equal(bad.code, 1);
    assert.match(bad.out, /✗ failed {3}executes the input\n {4}found {2}output\/ok must be boolean/);
    assert.equal((await place.run(["task", "test", MISBEHAVE, "--input", "{"])).code, 2);
  });
});
