import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { WholeResponse } from "./whole.ts";

describe("an answer that is whole", () => {
  const make = (): WholeResponse =>
    new WholeResponse('{"ä":1}', { status: 201, headers: { "content-type": "application/json" } });

  it("is a Response to who reads it as one, once", async () => {
    const response = make();
    assert.deepEqual([response.status, response.ok, response.bodyUsed], [201, true, false]);
    assert.deepEqual(await response.json(), { ä: 1 });
    assert.equal(response.bodyUsed, true);
    await assert.rejects(response.text(), TypeError);
    assert.equal(await make().text(), '{"ä":1}');
    assert.equal((await make().arrayBuffer()).byteLength, 8);
    assert.equal((await make().bytes()).byteLength, 8);
    assert.equal((await make().blob()).type, "application/json");
    assert.equal(await text(make().body ?? assert.fail()), '{"ä":1}');
    const copy = make().clone();
    assert.deepEqual(
      [copy.status, copy.headers.get("content-type"), await copy.text()],
      [201, "application/json", '{"ä":1}'],
    );
  });

  it("has its head as a Response of fetch's has", () => {
    const [mine, fetched] = [make(), new Response("x", { status: 201 })];
    for (const name of ["status", "ok", "statusText", "type", "url", "redirected"] as const)
      assert.equal(mine[name], fetched[name], name);
  });

  it("is taken as it is by a server", () => {
    assert.equal(make().content, '{"ä":1}');
    // What a server tells them apart by.
    assert.equal(new Response("x") instanceof WholeResponse, false);
  });

  it("has no body where it has none", async () => {
    const none = new WholeResponse(null, { status: 304 });
    assert.deepEqual([none.status, none.ok, none.body, await none.text()], [304, false, null, ""]);
  });
});
