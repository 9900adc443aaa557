import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";
import { ORDERS } from "./support/orders.ts";

// The command `maestro test` as a user calls it.

const TESTS = `# yaml-language-server: $schema=workflow-test-v1.schema.json
apiVersion: maestro/v1
kind: WorkflowTest
defaults:
  files: { orders.csv: "id,total\\n1,20\\n2,250\\n" }
  fakes: { "exec@1": { output: { exit: 0 } } }
cases:
  - name: reports large orders # by hand
    expect: { status: succeeded, outputs: { large: 1 }, tasks: { report: { input: { argv: [echo, "1"] } } } }
  - name: says nothing
    inputs: { min: 500 }
    expect: { tasks: { report: { skipped: condition } } }
`;

describe("maestro test", () => {
  let place: Place;
  const write = (name: string, text: string): Promise<void> => writeFile(join(place.dir, name), text);
  before(async () => {
    place = await Place.make({ "orders.maestro.yaml": ORDERS, "orders.maestro.test.yaml": TESTS });
  });
  after(() => place.remove());

  it("runs the cases beside a manifest, tells what they did and what no case has seen", async () => {
    const { code, out, err } = await place.run(["test", "--cover"]);
    assert.equal(code, 0, out + err);
    assert.match(
      out,
      /^orders\.maestro\.test\.yaml\n {2}✓ reports large orders {2}2 attempts\n {2}✓ says nothing {2}1 attempt\n/,
    );
    assert.match(out, /orders\.maestro\.yaml {2}66 % covered: 2 of 2 tasks, 2 of 4 branches\n/);
    assert.match(
      out,
      /never seen: report fails\n.*never seen: report is retried\n1 file, 2 cases: 2 passed, 0 failed\n$/,
    );
    const low = await place.run(["test", "orders.maestro.yaml", "--min", "70"]);
    assert.equal(low.code, 1);
    assert.match(low.err, /orders\.maestro\.yaml: 66 % is covered, and --min asks for 70 %/);
  });

  it("shows what differs, writes JUnit, and ends with 1", async () => {
    await write(
      "wrong.maestro.test.yaml",
      TESTS.replace("large: 1", "large: 2").replace("kind:", "manifest: orders.maestro.yaml\nkind:"),
    );
    const { code, out } = await place.run([
      "test",
      "wrong.maestro.test.yaml",
      "--filter",
      "LARGE",
      "--junit",
      "out.xml",
    ]);
    assert.equal(code, 1);
    assert.match(
      out,
      /✗ reports large orders {2}wrong\.maestro\.test\.yaml:9:5\n {6}outputs\.large\n {8}- expected {2}2\n {8}\+ was {7}1\n1 file, 1 case: 0 passed, 1 failed/,
    );
    const xml = await readFile(join(place.dir, "out.xml"), "utf8");
    assert.match(xml, /<testsuite name="wrong\.maestro\.test\.yaml" tests="1" failures="1" errors="0" skipped="0"/);
    assert.match(xml, /<failure message="outputs\.large {3}- expected {2}2 {3}\+ was {7}1">/);
    const data = await place.run(["test", "wrong.maestro.test.yaml", "-o", "json"]);
    const report = JSON.parse(data.out) as {
      readonly passed: number;
      readonly failed: number;
      readonly reports: readonly { readonly cases: readonly { readonly differences: readonly object[] }[] }[];
    };
    assert.deepEqual([report.passed, report.failed], [1, 1]);
    assert.deepEqual(report.reports[0]?.cases[0]?.differences, [
      { path: ["outputs", "large"], expected: 2, actual: 1 },
    ]);
  });

  it("writes down what came out, and leaves comments and everything else as it was", async () => {
    const file = "update.maestro.test.yaml";
    const text = TESTS.replace("large: 1", "large: 2").replace("kind:", "manifest: orders.maestro.yaml\nkind:");
    await write(file, `${text}  - name: is new\n    inputs: { min: 10 }\n`);
    const { code, out } = await place.run(["test", file, "--update"]);
    assert.equal(code, 0, out);
    const after = await readFile(join(place.dir, file), "utf8");
    assert.match(after, /reports large orders # by hand\n.*large: 1/);
    assert.match(
      after,
      /is new\n {4}inputs: \{ min: 10 \}\n {4}expect:\n {6}status: succeeded\n {6}outputs:\n {8}large: 2\n/,
    );
    assert.equal((await place.run(["test", file])).code, 0);
    assert.equal((await place.run(["test", file, "--update"])).code, 0);
    assert.equal(await readFile(join(place.dir, file), "utf8"), after);
  });

  it("does not let a case pass that expects nothing, nor one whose decisions are other ones after an update", async () => {
    const file = "silent.maestro.test.yaml";
    const head = TESTS.slice(0, TESTS.indexOf("cases:")).replace("kind:", "manifest: orders.maestro.yaml\nkind:");
    await write(
      file,
      `${head}cases:\n  - name: silent\n  - { name: decided, expect: { decisions: [{ allow: false }] } }\n`,
    );
    const silent = await place.run(["test", file]);
    assert.equal(silent.code, 1, silent.out);
    assert.match(
      silent.out,
      /✗ silent {2}silent\.maestro\.test\.yaml:9:5\n {6}expect\n {8}it expects nothing; say what /,
    );
    const updated = await place.run(["test", file, "--update"]);
    assert.equal(updated.code, 1, updated.out);
    assert.match(updated.out, /✓ silent .*\n {2}✗ decided .*\n {6}decisions\[0\]\n/);
  });

  it("points at what is wrong in a test file, and ends with 2", async () => {
    const broken = TESTS.replace("kind:", "manifest: orders.maestro.yaml\nkind:")
      .replace('"exec@1"', "reprot")
      .replace("skipped:", "skiped:");
    await write("broken.maestro.test.yaml", broken);
    const form = await place.run(["test", "broken.maestro.test.yaml"]);
    assert.equal(form.code, 2);
    assert.match(form.out, /`reprot` is no task[^]*`skiped` is no field[^]*; 1 file cannot be run\n$/);
    assert.match(
      form.out,
      /broken\.maestro\.test\.yaml:13:34: error\[WF010\] `skiped` is no field here; .*\n.*\n.*\n.*\^~+ did you mean `skipped`\?/,
    );
    await write("broken.maestro.test.yaml", broken.replace("skiped:", "skipped:"));
    const names = await place.run(["test", "broken.maestro.test.yaml", "--junit", "broken.xml"]);
    assert.equal(names.code, 2);
    assert.match(
      names.out,
      /broken\.maestro\.test\.yaml:7:12: error\[WF012\] `reprot` is no task; there are pick, .*report.*\n.*\n.*\n.*did you mean `report`\?/,
    );
    assert.match(await readFile(join(place.dir, "broken.xml"), "utf8"), /errors="1"/);
    await write("broken.maestro.test.yaml", "cases: [\n");
    const yaml = await place.run(["test", "broken.maestro.test.yaml"]);
    assert.equal(yaml.code, 2);
    assert.match(yaml.out, /broken\.maestro\.test\.yaml:\d+:\d+: error\[WF003\]/);
    const none = await place.run(["test", "broken.maestro.test.yaml", "no-such.maestro.test.yaml"]);
    assert.equal(none.code, 2);
    assert.match(none.err, /error\[invalid_test\]: no-such\.maestro\.test\.yaml cannot be read/);
    const empty = await place.run(["test", "data", "--filter", "x"]);
    assert.equal(empty.code, 2);
  });

  it("runs TypeScript tests, also those that throw or cannot be loaded", async () => {
    await write(
      "orders.maestro.test.ts",
      `import { it } from "node:test";
import { fail, openWorld, testRunbook } from "@summit/maestro/testing";
const MANIFEST = new URL("orders.maestro.yaml", import.meta.url);
const files = { "orders.csv": "id,total\\n1,200\\n" };
it("tries twice", async () => {
  const report = ({ attempt }: { attempt: number }) => { if (attempt === 1) throw fail("BUSY"); return { exit: 0 }; };
  await testRunbook(MANIFEST, { files, fakes: { report }, expect: { status: "succeeded", tasks: { report: { attempts: 2 } } } });
});
it("is led by hand", async () => {
  await using world = await openWorld(MANIFEST, { files, fakes: { report: { takes: "10m" } } });
  await world.start();
  await world.pass("5m");
  await world.cancel({ reason: "enough" });
  world.expect({ status: "cancelled", took: "5m" });
});
it("is wrong", async () => { await testRunbook(MANIFEST, { files, fakes: { report: {} }, expect: { outputs: { large: 7 } } }); });
`,
    );
    await write(
      "typo.maestro.test.ts",
      `import { it } from "node:test";
import { testRunbook } from "@summit/maestro/testing";
const MANIFEST = new URL("orders.maestro.yaml", import.meta.url);
it("is misspelt", async () => {
  await testRunbook(MANIFEST, { fakes: { reprot: () => ({}) }, expect: { taks: {}, never: ["run_endet"] } as object });
});
`,
    );
    const typo = await place.run(["test", "typo.maestro.test.ts", "--min", "1"]);
    assert.equal(typo.code, 1);
    assert.match(
      typo.out,
      /expect\.taks: `taks` is no field .*did you mean `tasks`\?\n.*fakes\.reprot: .*did you mean `report`\?\n.*expect\.never\[0\]: .*did you mean `run_ended`\?\n.*fix: .*\n.*at typo\.maestro\.test\.ts:5:\d+\n/,
    );
    assert.match(typo.err, /Nothing is covered, and --min asks for 1 %\./);
    const covered = await place.run(["test", "orders.maestro.test.ts", "--cover", "-o", "json"]);
    const { coverage } = JSON.parse(covered.out) as { readonly coverage: readonly { readonly manifest: string }[] };
    assert.deepEqual(coverage, [
      {
        manifest: "orders.maestro.yaml",
        tasks: { total: 2, covered: 2 },
        branches: { total: 4, covered: 2 },
        percent: 66,
        missing: [
          { task: "report", branch: "when is false" },
          { task: "report", branch: "fails" },
        ],
      },
    ]);
    await write("sick.maestro.test.ts", `throw new Error("cannot be loaded");\n`);
    const { code, out } = await place.run(["test", "orders.maestro.test.ts", "sick.maestro.test.ts"]);
    assert.equal(code, 1, out);
    assert.match(out, /✓ tries twice\n {2}✓ is led by hand\n {2}✗ is wrong {2}orders\.maestro\.test\.ts:16:1\n/);
    assert.match(out, /outputs\.large\n {8}- expected {2}7\n {8}\+ was {7}1\n/);
    assert.match(out, /✗ sick\.maestro\.test\.ts .*\n.*ended before its tests were done\n[^]*cannot be loaded/);
    assert.match(out, /2 files, 4 cases: 2 passed, 2 failed\n$/);
  });
});
