import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, it } from "node:test";
import { Place } from "./support/maestro.ts";

const HELLO = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: hello, version: 1.0.0 }
spec: { type: demo, purposes: [test], budget: { wall: 1m }, tasks: { hello: { uses: noop@1 } } }
`;

it("rotates the key: old and new receipts verify by the new trust root, and an engine that is up refuses", async () => {
  const place = await Place.make({ "hello.yaml": HELLO });
  after(() => place.remove());
  const rotate = ["key", "rotate"];
  assert.equal((await place.run(rotate)).code, 5, "there is no key before the first start");

  assert.equal((await place.run(["run", "hello.yaml", "--wait"])).code, 0);
  await place.run(["receipt", "export", "@last", "--to", "old"]);
  const rotated = await place.run(rotate);
  assert.equal(rotated.code, 0, rotated.err);
  assert.match(rotated.out, /^SHA256:\S+\n$/);
  assert.match(rotated.err, /is retired, and its receipts stay verifiable/);

  assert.equal((await place.run(["run", "hello.yaml", "--wait"])).code, 0);
  await place.run(["receipt", "export", "@last", "--to", "new"]);
  await copyFile(join(place.dir, "new/trust-root.json"), join(place.dir, "root.json"));
  const byNew = await place.run(["verify", "old/receipt.json", "new/receipt.json", "--trust-root", "root.json"]);
  assert.equal(byNew.code, 0, byNew.out);
  assert.equal((await place.run(["verify", "new/receipt.json", "--trust-root", "old/trust-root.json"])).code, 7);

  const up = place.start(["up"]);
  await up.shows(/is up/);
  const refused = await place.run(rotate);
  assert.equal(refused.code, 9, refused.err);
  assert.match(refused.err, /error\[data_locked\]/);
  up.child.kill("SIGTERM");
  await up.ended;
});
