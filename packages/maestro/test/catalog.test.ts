import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";

function manifest(version: string, value = 1, name = "orders"): string {
  return `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: ${name}, version: ${version}, description: For a test. }
spec:
  type: demo
  purposes: [test]
  license: internal
  budget: { wall: 5m }
  tasks:
    say: { uses: noop@1, with: { value: ${value} } }
`;
}

describe("maestro catalog", async () => {
  const place = await Place.make({
    "orders.maestro.yaml": manifest("1.0.0"),
    "next.maestro.yaml": manifest("1.1.0", 2),
    "broken.maestro.yaml": manifest("1.0.0", 1, "broken").replace("noop@1", "nop@1"),
  });
  after(() => place.remove());

  it("publishes nothing when one of the manifests is broken", async () => {
    const { code, err } = await place.run(["catalog", "publish", "orders.maestro.yaml", "broken.maestro.yaml"]);
    assert.equal(code, 2);
    assert.match(err, /broken\.maestro\.yaml:10:18: error\[WF\d+\]/);
    assert.match(err, /The manifests have 1 problem; nothing was published\./);
    const list = await place.run(["catalog", "list", "-o", "name"]);
    assert.deepEqual([list.code, list.out], [0, ""]);
  });

  it("publishes, says what came of it, and lists it", async () => {
    const first = await place.run(["catalog", "publish", "orders.maestro.yaml", "next.maestro.yaml"]);
    assert.equal(first.code, 0, first.err);
    assert.match(
      first.out,
      /^shop\/orders@1\.0\.0\tsha256:[0-9a-f]{12}…?\tpublished\nshop\/orders@1\.1\.0\t.*\tpublished\n$/,
    );
    const again = await place.run(["catalog", "publish", "orders.maestro.yaml"]);
    assert.match(again.out, /was published before/);
    const list = await place.run(["catalog", "list", "orders", "-o", "name"]);
    assert.equal(list.out, "shop/orders@1.1.0\nshop/orders@1.0.0\n");
    const none = await place.run(["catalog", "publish", "nowhere"]);
    assert.equal(none.code, 2);
  });

  it("shows one, with what others need to believe it", async () => {
    const shown = await place.run(["catalog", "show", "orders"]);
    assert.match(shown.out, /^shop\/orders@1\.1\.0 {2}1 task/);
    assert.match(shown.out, /source {4}published at .*, signed and verified/);
    assert.match(shown.out, /versions {2}1\.1\.0, 1\.0\.0/);
    const text = await place.run(["catalog", "show", "orders@1.0.0", "--manifest"]);
    assert.equal(text.out, manifest("1.0.0"));
    const both = await place.run(["catalog", "show", "orders", "--manifest", "--plan"]);
    assert.deepEqual([both.code, /Give one of --manifest, --plan/.test(both.err)], [2, true]);
  });

  it("has signatures that verify offline, against the manifest and the plan, and refuses others", async () => {
    for (const what of ["signature", "plan"]) {
      const { out } = await place.run(["catalog", "show", "orders@1.0.0", `--${what}`]);
      await writeFile(join(place.dir, `${what}.json`), out);
    }
    const against = ["--trust-root", "data/keys/trust-root.json", "--plan", "plan.json"];
    const env = { MAESTRO_DATA: join(place.dir, "none") };
    const good = await place.run(
      ["verify", "signature.json", ...against, "--subject", "orders.maestro.yaml", "--workflow", "shop/orders@1.0.0"],
      { env },
    );
    assert.equal(good.code, 0, good.out + good.err);
    assert.match(good.out, /workflow: shop\/orders@1\.0\.0, published by /);
    assert.match(good.out, /wrote exactly this about this workflow/);
    assert.match(good.out, /Verified: 10 checks passed; not checked: digest\./);
    const other = await place.run(["verify", "signature.json", ...against, "--subject", "next.maestro.yaml"], { env });
    assert.equal(other.code, 7);
    assert.match(other.out, /Failed: subjects: .*next\.maestro\.yaml has the digest sha256:.*neither/);
    const run = await place.run(["verify", "signature.json", ...against, "--status", "succeeded"], { env });
    assert.deepEqual([run.code, /--status: this is the statement of a published workflow/.test(run.err)], [2, true]);
  });

  it("says in words in what two plans differ", async () => {
    const words = await place.run(["catalog", "diff", "orders@1.0.0", "orders@1.1.0"]);
    assert.equal(words.code, 1, words.err);
    assert.equal(words.out, "shop/orders@1.0.0 is shop/orders@1.1.0\ntask say: with.value is 2, and was 1\n");
    const same = await place.run(["catalog", "diff", "orders@1.0.0", "orders.maestro.yaml"]);
    assert.deepEqual([same.code, same.out, same.err], [0, "", "They do the same.\n"]);
    const data = await place.run(["catalog", "diff", "orders@1.0.0", "next.maestro.yaml", "--json"]);
    assert.deepEqual(
      (JSON.parse(data.out) as { changes: { path: string }[] }).changes.map(({ path }) => path),
      ["workflow", "tasks.say.with.value"],
    );
  });
});
