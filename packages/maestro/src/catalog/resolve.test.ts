import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { taskTypes } from "../task/catalogue.ts";
import type { ResolveEnv } from "./resolve.ts";
import { resolveManifest } from "./resolve.ts";

describe("resolveManifest()", () => {
  const dir = mkdtempSync(join(tmpdir(), "maestro-resolve-"));
  let store: Store;
  let env: ResolveEnv;
  before(async () => {
    store = await openSqlite({ path: join(dir, "data", "maestro.db") });
    const descriptions = new Map([...taskTypes()].map(([name, type]) => [name, type.description] as const));
    env = { store, descriptions, now: () => 1 };
  });
  after(async () => {
    await store.close();
    rmSync(dir, { recursive: true });
  });

  const manifest = (name: string, version: string, uses: string): string => `
apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: test, name: ${name}, version: ${version}, description: For a test. }
spec:
  type: ops
  purposes: [test]
  authority: { required: false }
  license: internal
  tasks:
    one: { uses: "${uses}", with: ${uses.startsWith("noop") ? "{ value: 1 }" : "{}"} }
`;

  it("finds a runbook beside the manifest by its version's beginning, and stores its plan", async () => {
    writeFileSync(join(dir, "child.maestro.yaml"), manifest("child", "2.1.3", "noop@1"));
    writeFileSync(join(dir, "notes.yaml"), "not: [a manifest");
    const parent = manifest("parent", "1.0.0", "runbook:test/child@2");
    const alone = await resolveManifest(parent, "parent.yaml", env);
    assert.equal(alone.plan, null);
    assert.match(JSON.stringify(alone.diagnostics), /child/);
    const found = await resolveManifest(parent, "parent.yaml", env, dir);
    assert.deepEqual(found.diagnostics, []);
    const use = found.plan?.tasks[0]?.uses;
    assert.ok(use?.kind === "runbook" && use.version === "2.1.3");
    assert.notEqual(await store.planGet(use.planDigest), undefined);
    // Once stored, the folder is not needed any more.
    assert.notEqual((await resolveManifest(parent, "parent.yaml", env)).plan, null);
  });

  it("gives up on runbooks that use one another", async () => {
    writeFileSync(join(dir, "a.maestro.yaml"), manifest("a", "1.0.0", "runbook:test/b@1"));
    writeFileSync(join(dir, "b.maestro.yaml"), manifest("b", "1.0.0", "runbook:test/a@1"));
    const result = await resolveManifest(manifest("top", "1.0.0", "runbook:test/a@1"), "top.yaml", env, dir);
    assert.equal(result.plan, null);
  });
});
