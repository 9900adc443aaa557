import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { sha256 } from "../core/digest.ts";
import type { Run } from "../core/run.ts";
import { cacheKeyOf, isUsable } from "./cache.ts";

const base = mkdtempSync(join(tmpdir(), "maestro-cache-"));
after(() => rmSync(base, { recursive: true }));
const run = { created: { base, namespace: "test" } } as unknown as Run;
const key = async (...files: string[]): Promise<string> => cacheKeyOf(run, { material: "m", files });

describe("the key of a cached result", () => {
  it("changes with the content of a declared file, wherever it lies", async () => {
    const path = join(base, "a.csv");
    writeFileSync(path, "1");
    const [before, absolute, none] = [await key("*.csv"), await key(path), await key()];
    writeFileSync(path, "2");
    assert.notEqual(await key("*.csv"), before);
    assert.notEqual(await key(path), absolute);
    assert.equal(await key(), none);
  });

  it("is not made where a declared file is not there", async () => {
    await assert.rejects(key("no-such-file.csv"), /no file fits no-such-file\.csv/);
    const nowhere = { created: { namespace: "test" } } as unknown as Run;
    await assert.rejects(cacheKeyOf(nowhere, { material: "m", files: ["a.csv"] }), /which folder a\.csv is meant from/);
  });
});

describe("an earlier result", () => {
  it("is used while the files it left are there", async () => {
    const path = join(base, "out.txt");
    writeFileSync(path, "1234");
    const artifact = { name: "out.txt", path, digest: sha256("1234"), size: 4 };
    assert.equal(await isUsable({ output: 1 }), true);
    assert.equal(await isUsable({ output: 1, artifacts: [artifact] }), true);
    assert.equal(await isUsable({ output: 1, artifacts: [{ ...artifact, size: 5 }] }), false);
    rmSync(path);
    assert.equal(await isUsable({ output: 1, artifacts: [artifact] }), false);
  });
});
