import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Place } from "../support/maestro.ts";
import type { Ended, Started } from "../support/maestro.ts";

// What is no manifest, at the command line: named with its place, refused by `run`, and nothing of it is recorded.

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\nmetadata: { namespace: t, name: bad, version: 1.0.0 }\n";
const SPEC = `${HEAD}spec:\n  type: demo\n  purposes: [test]\n`;

const CASES: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  ["nothing", "", /error\[WF003\].*is empty/],
  ["malformed", "spec: [a", /malformed\.yaml:1:\d+: error\[WF003\]/],
  ["of-the-wrong-type", `${HEAD}spec: 5\n`, /:4:7: error\[WF011\] `spec` must be a map, is 5/],
  [
    "cyclic",
    `${SPEC}  tasks:\n    a: { uses: noop@1, needs: [b] }\n    b: { uses: noop@1, needs: [a] }\n`,
    /error\[WF020\] tasks wait for each other: a → b → a/,
  ],
  [
    "huge",
    `# ${"x".repeat(2_000_000)}\n`,
    /error\[WF002\] the manifest has 2000003 bytes, and 1048576 \(1 MiB\) are allowed/,
  ],
  ["huger", "x".repeat(5_000_000), /error\[WF002\]|error\[payload_too_large\]: .* is larger than \d+ bytes/],
  ["deep", `a: ${"[".repeat(100)}${"]".repeat(100)}`, /error\[WF006\] .*deeper than 64/],
  ["aliased", "a: &x [1]\nb: *x\n", /:1:4: error\[WF005\] .*anchors/],
  ["duplicate", `${SPEC}  type: ops\n  tasks: {}\n`, /:7:3: error\[WF004\] `type` is given twice/],
  ["latin-1", new Uint8Array([0x61, 0x3a, 0x20, 0xe4]), /not UTF-8|not text in UTF-8/],
  ["utf-16", new Uint8Array([0xff, 0xfe, 0x61, 0x00]), /UTF-16|not text in UTF-8/],
  ["two-documents", "a: 1\n---\nb: 2\n", /:2:1: error\[WF005\] .*second document/],
  [
    "unknown-field",
    `${SPEC}  taks:\n    a: { uses: noop@1 }\n`,
    /:7:3: error\[WF010\] `taks` is no field here[^]*did you mean `tasks`\?/,
  ],
  [
    "exploding",
    `${SPEC}  tasks:\n    a: { uses: noop@1, when: "${"(".repeat(2000)}true${")".repeat(2000)}" }\n`,
    /:8:\d+: error\[WF030\] the expression is nested deeper than 32 levels/,
  ],
];

describe("what is no manifest", () => {
  let place: Place;
  let engine: Started;
  let linted: Ended;
  before(async () => {
    place = await Place.make();
    for (const [name, text] of CASES) await writeFile(join(place.dir, `${name}.yaml`), text);
    engine = place.start(["up"]);
    linted = await place.run(["lint", ...CASES.map(([name]) => `${name}.yaml`)]);
    assert.equal(linted.code, 1, linted.err);
    await engine.shows(/is up/);
  });
  after(async () => {
    engine.child.kill("SIGTERM");
    await engine.ended;
    await place.remove();
  });

  for (const [name, , message] of CASES) {
    it(`${name} is refused by lint and run, with the place`, async () => {
      const ran = await place.run(["run", `${name}.yaml`, "--purpose", "test"]);
      assert.equal(ran.code, 2, ran.err);
      assert.match(ran.err, message);
      assert.match(ran.err, /^fix: .+$/m);
      assert.equal(ran.out, "");
      const said = linted.out
        .split("\n\n")
        .filter((one) => one.startsWith(`${name}.yaml:`))
        .join("\n\n");
      assert.match(said, message);
      for (const text of [said, ran.err]) assert.ok(text.length < 20_000, `${text.length} characters of complaint`);
    });
  }

  it("and none of it is remembered", async () => {
    const runs = await place.run(["runs", "-o", "name"]);
    assert.deepEqual([runs.code, runs.out], [0, ""]);
  });
});
