import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ROUTES } from "../src/api/routes.ts";
import { attempts, namesOf } from "./support/attempts.ts";
import { manifestOf, OURS, Tenants } from "./support/tenants.ts";

// What is asked for again: not sent again where nothing changed, and not done again under the same key.

describe("a request that is sent again", () => {
  let tenants: Tenants;
  before(async () => {
    tenants = await Tenants.open();
  });
  after(async () => tenants[Symbol.asyncDispose]());

  const ask = async (method: string, path: string, headers: Record<string, string>, body?: object): Promise<Response> =>
    tenants.plane.asOwner(
      new Request(`http://maestro.local${path}`, {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );

  const tagged = ROUTES.filter(({ headers }) => headers.some(({ name }) => name === "if-none-match"));
  it("has routes with a tag", () => assert.ok(tagged.length >= 6, String(tagged.length)));
  for (const route of tagged) {
    it(`${route.operation} sends nothing that the client has`, async () => {
      const names = namesOf(OURS, tenants.ours);
      const path = attempts(route, names, names)[0]?.path ?? "";
      const first = await ask("GET", path, {});
      const tag = first.headers.get("etag") ?? "";
      assert.deepEqual([first.status, /^"[\w:]{20,}"$/.test(tag)], [200, true], tag);
      const whole = await first.text();
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, "*"]) {
        const again = await ask("GET", path, { "if-none-match": known });
        assert.deepEqual([again.status, again.headers.get("etag"), await again.text()], [304, tag, ""], known);
      }
      for (const other of ['"other"', tag.toUpperCase(), tag.slice(1, -1)]) {
        const again = await ask("GET", path, { "if-none-match": other });
        assert.equal(await again.text(), whole, other);
      }
    });
  }

  it("tags a run anew when something happened to it", async () => {
    const path = `/v1/runs/${tenants.ours.waiting}`;
    const tag = (await ask("GET", path, {})).headers.get("etag") ?? "";
    assert.equal((await ask("PATCH", path, {}, { action: "cancel" })).status, 200);
    await tenants.plane.engine.idle();
    assert.equal((await ask("GET", path, { "if-none-match": tag })).status, 200);
  });

  it("begins a run once for a key, and is a conflict with another content", async () => {
    const idOf = async (response: Response): Promise<string> =>
      ((await response.json()) as { readonly run: { readonly id: string } }).run.id;
    const body = { manifest: manifestOf(OURS) };
    const key = { "idempotency-key": "again" };
    const first = await idOf(await ask("POST", "/v1/runs", key, body));
    assert.equal(await idOf(await ask("POST", "/v1/runs", key, body)), first);
    const other = await ask("POST", "/v1/runs", key, { ...body, inputs: { ask: true } });
    assert.equal(((await other.json()) as { readonly code: string }).code, "conflict");
    await tenants.plane.engine.idle();
    const rerun = { "idempotency-key": "rerun" };
    const second = await idOf(await ask("POST", `/v1/runs/${first}/rerun`, rerun, {}));
    assert.notEqual(second, first);
    assert.equal(await idOf(await ask("POST", `/v1/runs/${first}/rerun`, rerun, {})), second);
    assert.notEqual(await idOf(await ask("POST", `/v1/runs/${first}/rerun`, {}, {})), second);
    for (const bad of ["", "x".repeat(201)]) {
      const refused = await ask("POST", `/v1/runs/${first}/rerun`, { "idempotency-key": bad }, {});
      assert.equal(refused.status, 400, bad.slice(0, 5));
    }
  });
});
