import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MISBEHAVE } from "../../test/support/external.ts";
import type { JsonObject } from "../core/json.ts";
import { startResident } from "../runner/resident.ts";
import { checkProgram } from "./external-check.ts";
import type { Check } from "./external-check.ts";

const WORD_COUNT = fileURLToPath(new URL("../../../sdk/examples/word-count.ts", import.meta.url));

async function check(
  path: string,
  options: { readonly start?: string; readonly input?: JsonObject; readonly effects?: boolean } = {},
): Promise<readonly Check[]> {
  const { start = "", input, effects = false } = options;
  return checkProgram({
    path,
    env: ["MISBEHAVE"],
    effects,
    // Only what never answers waits so long.
    executeMs: input?.["do"] === "wait" ? 300 : 30_000,
    ...(input === undefined ? {} : { input }),
    start: (command) => startResident(command, { marker: `check-test.${process.pid}-1.1` }),
    environment: () => start,
  });
}

function failed(checks: readonly Check[]): readonly string[] {
  return checks.filter(({ result }) => result === "failed").map(({ name }) => name);
}

describe("the checks of a task program", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "maestro-check-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("all pass for a program of the SDK", async () => {
    writeFileSync(join(folder, "text.txt"), "one two");
    const checks = await check(WORD_COUNT, { input: { file: join(folder, "text.txt") } });
    assert.deepEqual(failed(checks), [], JSON.stringify(checks));
    assert.equal(checks.length, 12);
  });

  it("all pass for a program that is written by hand and validates", async () => {
    assert.deepEqual(failed(await check(MISBEHAVE, { start: "validates" })), []);
  });

  for (const [what, options, names] of [
    ["it says something else than messages", { start: "nonsense" }, ["says hello and describes itself"]],
    ["it exits at its start", { start: "exit" }, ["says hello and describes itself"]],
    ["it speaks another version", { start: "version" }, ["says hello and describes itself"]],
    ["its schema is none", { start: "schema" }, ["has a description that Maestro can use"]],
    ["it does not end", { start: "immortal" }, ["ends when it is told to", "ends when its input ends"]],
    ["its output does not fit", { input: { do: "schema" } }, ["executes the input"]],
    ["it never answers", { input: { do: "wait" } }, ["executes the input"]],
    ["it dies", { input: { do: "die" } }, ["executes the input"]],
  ] as const) {
    it(`find that ${what}`, async () => {
      const checks = await check(MISBEHAVE, options);
      assert.deepEqual(failed(checks), names, JSON.stringify(checks, null, 1));
      for (const { result, fix } of checks)
        assert.equal(fix !== undefined, result === "failed", "each that failed says how to mend it");
    });
  }

  it("find that it answers twice", async () => {
    const checks = await check(MISBEHAVE, { input: { do: "twice" } });
    assert.ok(failed(checks).includes("keeps stdout to messages"));
    assert.match(checks.find(({ result }) => result === "failed")?.detail ?? "", /answered already/);
  });

  it("say what is wrong with an input that they were given", async () => {
    const checks = await check(MISBEHAVE, { input: { do: 3 } });
    assert.deepEqual(failed(checks), ["executes the input"]);
    assert.match(checks.find(({ result }) => result === "failed")?.detail ?? "", /^input\/do must be string/);
  });

  it("show the log of an execution that failed", async () => {
    const checks = await check(WORD_COUNT, { input: { file: folder } });
    assert.match(checks.find(({ result }) => result === "failed")?.detail ?? "", /could not be read: EISDIR/);
    const breaks = join(folder, "breaks.ts");
    writeFileSync(
      breaks,
      `import { defineTask } from "@summit/maestro-sdk";
export default defineTask({ name: "breaks", version: 1, summary: "Breaks", effects: [], input: { type: "object" },
  output: {}, execute: () => { console.log("so far"); throw new RangeError("it broke"); } });\n`,
    );
    const found = (await check(breaks)).find(({ result }) => result === "failed");
    assert.equal(found?.name, "executes the input");
    assert.match(
      found.detail,
      /^RangeError: it broke, at breaks\.ts:3:\d+\..* Its log:\nso far\nRangeError: it broke\n {4}at /s,
    );
  });

  it("execute what has effects only where they are asked to", async () => {
    const careful = await check(MISBEHAVE, { start: "effects" });
    assert.deepEqual(failed(careful), []);
    const skipped = careful.filter(({ result }) => result === "skipped");
    assert.equal(skipped.length, 3);
    assert.match(skipped[0]?.detail ?? "", /it has effects \(network, write\); --effects executes it/);
    assert.ok((await check(MISBEHAVE, { start: "effects", effects: true })).every(({ result }) => result === "passed"));
  });

  it("say why a file cannot be a program", async () => {
    const file = join(folder, "notes.txt");
    writeFileSync(file, "hello");
    const [first] = await check(file);
    assert.equal(first?.result, "failed");
    assert.match(first?.detail ?? "", /neither executable .* nor a module/);
  });
});
