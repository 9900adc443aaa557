import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import type { App } from "./app.ts";
import type { Caller } from "../identity/caller.ts";
import { DEFAULT_NETWORK } from "./network-settings.ts";
import type { NetworkSettings } from "./network-settings.ts";
import { LIVE_HEADER } from "./http.ts";
import { serveNetwork } from "./listen.ts";
import type { NetworkServer } from "./listen.ts";
import { WholeResponse } from "./whole.ts";

// How often, how many at once, and for how long: on a real port, with callers named by their token.

const servers: NetworkServer[] = [];
after(async () => {
  for (const server of servers) await server.close(0);
});

function caller(id: string): Caller {
  return { type: "user", id, grants: [], properties: {}, via: "token" };
}

/** A server to which `Bearer NAME` is that user, and `Bearer bad…` is nobody. */
async function serve(handle: App, settings: Partial<NetworkSettings>): Promise<string> {
  const server = await serveNetwork({
    address: { host: "127.0.0.1", port: 0 },
    async authenticate(request) {
      const name = /^Bearer (?!bad)(\w+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
      if (name !== undefined) return Promise.resolve(caller(name));
      const error = new MaestroError("unauthorized", "Nobody.");
      return Promise.resolve({ error, status: 401, headers: { "www-authenticate": 'Bearer realm="maestro"' } });
    },
    handle,
    settings: { ...DEFAULT_NETWORK, ...settings },
  });
  servers.push(server);
  return server.url;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function ask(url: string, who: string, path = "/v1/runs"): Promise<Answer> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${who}` } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const codeOf = ({ text }: Answer): string | undefined => (JSON.parse(text) as { readonly code?: string }).code;
const fine: App = async () => Promise.resolve(new WholeResponse("fine", {}));

describe("limits of a server's callers", () => {
  it("answers 429 to who asks too often, says when to come again, and leaves others alone", async () => {
    // So few that no machine is slow enough to fill the bucket while it is emptied.
    const url = await serve(fine, {
      rates: { identity: { perSecond: 2, atOnce: 9, streams: 1 }, stranger: { perSecond: 2 } },
    });
    const answers: Answer[] = [];
    for (let n = 0; n < 50 && answers.at(-1)?.status !== 429; n++) answers.push(await ask(url, "anna"));
    const [first] = answers;
    const last = answers.at(-1);
    assert.ok(first !== undefined && last !== undefined);
    assert.equal(first.status, 200);
    assert.equal(first.headers.get("ratelimit-policy"), '"identity";q=2;w=1');
    assert.equal(first.headers.get("ratelimit"), '"identity";r=1;t=1');
    assert.deepEqual([last.status, codeOf(last), last.headers.get("retry-after")], [429, "rate_limited", "1"]);
    assert.equal(last.headers.get("ratelimit"), '"identity";r=0;t=1');
    assert.equal(last.headers.get("x-content-type-options"), "nosniff");
    assert.equal((await ask(url, "ben")).status, 200);
    for (let n = 0; n < 20; n++)
      assert.equal((await ask(url, "anna", "/healthz")).status, 200, "probes are not counted");
  });

  it("answers 429 to an address that guesses, and still lets a good proof from there in", async () => {
    const url = await serve(fine, {
      rates: { identity: { perSecond: 99, atOnce: 9, streams: 1 }, stranger: { perSecond: 2 } },
    });
    const answers: Answer[] = [];
    for (let n = 0; n < 50 && answers.at(-1)?.status !== 429; n++) answers.push(await ask(url, `bad${n}`));
    assert.deepEqual([answers[0]?.status, answers[0]?.headers.get("ratelimit-policy")], [401, '"stranger";q=2;w=1']);
    assert.equal(answers.at(-1)?.status, 429);
    assert.equal((await ask(url, "anna")).status, 200);
  });

  it("has so many of one caller at work at once, also when nobody waits for them any longer", async () => {
    const gates: (() => void)[] = [];
    const slow: App = async () => {
      await new Promise<void>((open) => gates.push(open));
      return new WholeResponse("late", {});
    };
    const url = await serve(slow, {
      rates: { identity: { perSecond: 1_000, atOnce: 2, streams: 1 }, stranger: { perSecond: 2 } },
      answerMs: 50,
    });
    const [one, two] = await Promise.all([ask(url, "anna"), ask(url, "anna")]);
    assert.deepEqual([one.status, codeOf(one), two.status], [504, "timed_out", 504]);
    assert.match(one.text, /no answer within 0.05 s.*Idempotency-Key/s);
    const refused = await ask(url, "anna");
    assert.deepEqual([refused.status, codeOf(refused)], [429, "rate_limited"]);
    assert.match(refused.text, /2 requests of user anna are being answered at once/);
    for (const open of gates.splice(0)) open();
    const third = await ask(url, "anna");
    assert.equal(third.status, 504, "their places are free again");
    for (const open of gates.splice(0)) open();
  });

  it("has so many live answers open to one caller, and one more when one of them is left", async () => {
    const live: App = async () =>
      Promise.resolve(
        new Response(
          new ReadableStream<Uint8Array>({ start: (all) => all.enqueue(new TextEncoder().encode("live")) }),
          {
            headers: { [LIVE_HEADER]: "no" },
          },
        ),
      );
    const url = await serve(live, {
      rates: { identity: { perSecond: 1_000, atOnce: 9, streams: 1 }, stranger: { perSecond: 2 } },
    });
    const follow = async (who: string): Promise<Response> =>
      fetch(`${url}/v1/runs/r/events`, { headers: { authorization: `Bearer ${who}` } });
    const first = await follow("anna");
    const refused = await follow("anna");
    assert.deepEqual([first.status, refused.status], [200, 429]);
    assert.match(await refused.text(), /1 live answers to user anna are open/);
    const other = await follow("ben");
    assert.equal(other.status, 200);
    await Promise.all([first.body?.cancel(), other.body?.cancel()]);
    for (let status = 429; status !== 200;) {
      const again = await follow("anna");
      ({ status } = again);
      await again.body?.cancel();
    }
  });

  for (const [how, now] of [
    ["is nobody any more", undefined],
    ["has other roles", { ...caller("anna"), grants: [{ namespace: "a", roles: ["viewer"] }] }],
  ] as const)
    it(`ends a live answer to who ${how}, and does not end the other's`, async () => {
      let anna: Caller | undefined = caller("anna");
      const live: App = async () =>
        Promise.resolve(
          new Response(
            new ReadableStream<Uint8Array>({ start: (all) => all.enqueue(new TextEncoder().encode("live")) }),
            { headers: { [LIVE_HEADER]: "no" } },
          ),
        );
      let asked = 0;
      const server = await serveNetwork({
        address: { host: "127.0.0.1", port: 0 },
        async authenticate(request) {
          const isBen = request.headers.get("authorization") === "Bearer ben";
          if (isBen) asked += 1;
          const who = isBen ? caller("ben") : anna;
          return Promise.resolve(who ?? { error: new MaestroError("unauthorized", "Nobody."), status: 401 });
        },
        handle: live,
        limits: { proveMs: 5 },
      });
      servers.push(server);
      const follow = async (who: string): Promise<Response> =>
        fetch(`${server.url}/v1/runs/r/events`, { headers: { authorization: `Bearer ${who}` } });
      const [hers, his] = [await follow("anna"), await follow("ben")];
      anna = now;
      assert.equal(await hers.text(), "live");
      const reader = his.body?.getReader();
      assert.equal(new TextDecoder().decode((await reader?.read())?.value), "live");
      const [ended, before] = [reader?.read().then(() => "ended"), asked];
      const proved = (async () => {
        while (asked < before + 3) await new Promise((next) => setImmediate(next));
        return "goes on";
      })();
      assert.equal(await Promise.race([ended, proved]), "goes on");
      await reader?.cancel();
    });

  it("has no time limit for an answer that has begun", async () => {
    const { promise: until, resolve } = Promise.withResolvers<undefined>();
    const stream: App = async () =>
      Promise.resolve(
        new Response(
          new ReadableStream<Uint8Array>({
            async pull(controller) {
              controller.enqueue(new TextEncoder().encode("begun "));
              await until;
              controller.enqueue(new TextEncoder().encode("ended"));
              controller.close();
            },
          }),
        ),
      );
    const url = await serve(stream, { answerMs: 20 });
    const other = await serve(async () => until.then(() => new WholeResponse("never", {})), { answerMs: 20 });
    const response = await fetch(`${url}/v1/runs`, { headers: { authorization: "Bearer anna" } });
    // Longer than the limit, told by another server's clock.
    assert.equal((await ask(other, "anna")).status, 504);
    resolve(undefined);
    assert.equal(await response.text(), "begun ended");
  });
});
