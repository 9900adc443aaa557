import assert from "node:assert/strict";
import { it } from "node:test";
import { digestOf, sha256 } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { samplePlan, samplePublished, START } from "../store/sample.ts";
import { openSqlite } from "../store/sqlite.ts";
import { noop } from "../task/noop.ts";
import { outdatedBy } from "./outdated.ts";

const added = { ...noop.description, name: "count", version: 2 };
const digest = digestOf(added);
const use = (changes: JsonObject = {}): JsonObject => ({ kind: "type", name: "count", version: 2, digest, ...changes });
const before = use({ digest: `sha256:${"0".repeat(64)}` });

it("names the newest versions that name another program, also to undo with", async () => {
  const store = await openSqlite({ path: ":memory:" });
  const published: readonly (readonly [name: string, version: string, tasks: readonly JsonObject[]])[] = [
    ["same", "1.0.0", [{ uses: use() }]],
    ["old", "1.0.0", [{ uses: use() }, { uses: before }]],
    ["mended", "1.0.0", [{ uses: before }]],
    ["mended", "1.0.1", [{ uses: use() }]],
    ["worse", "1.0.0", [{ uses: use() }]],
    ["worse", "2.0.0", [{ uses: before }]],
    ["undoes", "1.0.0", [{ uses: use({ name: "noop" }), undo: { uses: before } }]],
    ["other", "1.0.0", [{ uses: use({ name: "noop", digest: "sha256:1" }) }, { uses: { ...before, version: 1 } }]],
    [
      "parent",
      "1.0.0",
      [{ uses: { kind: "runbook", namespace: "ours", name: "count", version: "2", planDigest: "x" } }],
    ],
  ];
  for (const [n, [name, version, tasks]] of published.entries()) {
    const namespace = name === "undoes" ? "theirs" : "ours";
    const text = JSON.stringify({ n, tasks });
    const plan = samplePlan(n, { namespace, name, version, text, digest: sha256(text) });
    await store.planPut(plan);
    assert.equal(await store.publishedPut(samplePublished(plan, START + n)), true);
  }
  const found = async (namespaces?: readonly string[]): Promise<readonly string[]> =>
    (await outdatedBy(store, added, namespaces)).map((row) => `${row.namespace}/${row.name}@${row.version}`);
  assert.deepEqual(await found(), ["theirs/undoes@1.0.0", "ours/worse@2.0.0", "ours/old@1.0.0"]);
  assert.deepEqual(await found(["ours"]), ["ours/worse@2.0.0", "ours/old@1.0.0"]);
  assert.deepEqual(await found([]), []);
  await store.close();
});
