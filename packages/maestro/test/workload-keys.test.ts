import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { decodeProtectedHeader } from "jose";
import { Place } from "./support/maestro.ts";
import { need } from "./support/need.ts";
import { Server } from "./support/server.ts";
import { hold, holding, letGo, manifest, verified } from "./support/workload.ts";

describe("tokens for workloads", need("curl"), () => {
  let place: Place;
  let server: Server;
  before(async () => {
    place = await Place.make({ "none.yaml": manifest("none", holding("none")) });
    server = await Server.start(place);
  });
  after(async () => {
    await server.stop();
    await place.remove();
  });

  it("outlive a rotation of the key that signed them", async () => {
    const one = await hold(place, "none.yaml");
    const refused = await place.run(["key", "rotate", "--workload"]);
    assert.equal(refused.code, 9, "the engine has the keys");
    await letGo(place, one);
    await server.stop();
    const rotated = await place.run(["key", "rotate", "--workload"]);
    assert.equal(rotated.code, 0, rotated.err);
    assert.match(rotated.err, /signs tokens from \S+Z on; until then \S+ does/);
    const { port } = new URL(server.url);
    server = await Server.start(place, ["--listen", `127.0.0.1:${port}`]);
    const { keys } = (await server.ask({ path: "/.well-known/jwks.json", token: null })).json as {
      readonly keys: readonly Readonly<Record<string, unknown>>[];
    };
    const signedBy = decodeProtectedHeader(one.token).kid;
    assert.deepEqual(
      keys.map(({ kid }) => kid),
      [signedBy, rotated.out.trim()],
    );
    assert.ok(keys.every((key) => !("d" in key)));
    await verified(server, one.token);
    await server.stop();
    const stolen = await place.run(["key", "rotate", "--workload", "--now"]);
    assert.match(stolen.err, /count for nothing any more/);
    server = await Server.start(place, ["--listen", `127.0.0.1:${port}`]);
    await assert.rejects(verified(server, one.token), { code: "ERR_JWKS_NO_MATCHING_KEY" });
  });

  it("name the issuer that the operator names, and are refused where there is none", async () => {
    await server.stop();
    server = await Server.start(place, ["--issuer", "https://maestro.example/ci/"]);
    const { json } = await server.ask({ path: "/.well-known/openid-configuration", token: null });
    assert.deepEqual(
      [json["issuer"], json["jwks_uri"]],
      ["https://maestro.example/ci", "https://maestro.example/ci/.well-known/jwks.json"],
    );
    const wrong = await place.run(["up", "--issuer", "http://maestro.example"]);
    assert.deepEqual([wrong.code, /others must reach it by https/.test(wrong.err)], [2, true], wrong.err);
    await server.stop();
    const alone = await place.run(["run", "none.yaml", "--purpose", "release", "--wait"]);
    assert.equal(alone.code, 1, "curl fails where no token is given");
    server = await Server.start(place);
  });
});
