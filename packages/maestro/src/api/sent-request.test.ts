import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { sendRequest } from "./outgoing.ts";
import { SentRequest } from "./sent-request.ts";
import { WholeResponse } from "./whole.ts";

const URL_HERE = "http://maestro.local/v1/x%2Fy?a=b";

describe("SentRequest", () => {
  it("is what fetch's would be, to who reads it", async () => {
    const init = { method: "POST", headers: { "X-Test": "1" }, body: "grüße" };
    const [ours, theirs] = [new SentRequest(URL_HERE, init), new Request(URL_HERE, init)];
    assert.deepEqual([ours.method, ours.url], [theirs.method, theirs.url]);
    assert.equal(ours.headers.get("x-test"), theirs.headers.get("x-test"));
    assert.equal(await text(ours.body ?? assert.fail()), await text(theirs.body ?? assert.fail()));
    assert.equal(Buffer.from(await ours.arrayBuffer()).toString(), "grüße");
  });

  it("has no body where none was given", async () => {
    const request = new SentRequest(new URL(URL_HERE));
    assert.deepEqual([request.method, request.body], ["GET", null]);
    assert.equal((await request.arrayBuffer()).byteLength, 0);
  });
});

describe("sendRequest()", () => {
  let dir: string;
  let server: Server;
  let answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void = () => undefined;
  const ask = (init: { readonly signal?: AbortSignal; readonly body?: string; readonly method?: string } = {}) =>
    sendRequest(new SentRequest(URL_HERE, init), { socketPath: join(dir, "s.sock"), agent: false });

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-sent-"));
    server = createServer((incoming, outgoing) => answer(incoming, outgoing));
    await new Promise<void>((listening) => server.listen(join(dir, "s.sock"), listening));
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await rm(dir, { recursive: true });
  });

  it("gives an answer that says how short it is as a whole, and any other as a stream", async () => {
    answer = (_, outgoing) => outgoing.writeHead(201, { "content-length": 5, "x-answer": "42" }).end("whole");
    const whole = await ask({ method: "POST", body: "x" });
    assert.ok(whole instanceof WholeResponse);
    assert.deepEqual([whole.status, whole.headers.get("x-answer"), await whole.text()], [201, "42", "whole"]);

    answer = (_, outgoing) => outgoing.writeHead(200, { "content-length": (1 << 20) + 1 }).flushHeaders();
    const long = await ask();
    assert.ok(!(long instanceof WholeResponse));
    await long.body?.cancel();

    answer = (_, outgoing) => void outgoing.write("begun");
    const open = await ask();
    const reader = open.body?.getReader();
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "begun");
    await reader?.cancel();
  });

  it("gives answers without a body", async () => {
    for (const status of [204, 304]) {
      answer = (_, outgoing) => outgoing.writeHead(status, { etag: '"1"' }).end();
      const response = await ask();
      assert.deepEqual([response.status, response.body, response.headers.get("etag")], [status, null, '"1"']);
    }
  });

  it("rejects where the connection ends in the middle of a whole answer", async () => {
    answer = (_, outgoing) => {
      outgoing.writeHead(200, { "content-length": 10 });
      outgoing.write("half", () => outgoing.destroy());
    };
    await assert.rejects(ask(), { code: "ECONNRESET" });
  });

  it("rejects where nobody waits any more, before the answer and in the middle of it", async () => {
    const reason = { name: "AbortError" };
    await assert.rejects(ask({ signal: AbortSignal.abort() }), reason);
    const leaving = new AbortController();
    answer = (_, outgoing) => {
      outgoing.writeHead(200, { "content-length": 10 });
      outgoing.write("half", () => leaving.abort());
    };
    await assert.rejects(ask({ signal: leaving.signal }), reason);
  });
});
