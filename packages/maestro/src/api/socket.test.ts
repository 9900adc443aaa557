import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { LIVE_HEADER } from "./http.ts";
import { openTokenFolder, serveSocket, socketTransport, SOCKET_ORIGIN, socketPath } from "./socket.ts";

describe("the control socket", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-socket-"));
  });
  after(() => rm(dir, { recursive: true }));

  it("carries requests and answers, bodies both ways, and only its owner may open it", async () => {
    const path = join(dir, "a.sock");
    const socket = await serveSocket(path, async (request) => {
      const url = new URL(request.url);
      return new Response(
        `${request.method} ${url.pathname}${url.search} ${request.headers.get("x-test")} ${await text(request.body ?? assert.fail())}`,
        { status: 201, headers: { "x-answer": "42" } },
      );
    });
    const response = await socketTransport(path)(
      new Request(`${SOCKET_ORIGIN}/v1/x%2Fy?a=b`, { method: "POST", body: "grüße", headers: { "x-test": "1" } }),
    );
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-answer"), "42");
    assert.equal(await response.text(), "POST /v1/x%2Fy?a=b 1 grüße");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await socket.close(0);
    await assert.rejects(stat(path), { code: "ENOENT" });
  });

  it("streams what comes, and tells the handler when the reader has gone", async () => {
    const path = join(dir, "b.sock");
    const gone = Promise.withResolvers<void>();
    const socket = await serveSocket(path, () => {
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new TextEncoder().encode("tick\n")),
        cancel: () => gone.resolve(),
      });
      return Promise.resolve(new Response(body));
    });
    const response = await socketTransport(path)(new Request(`${SOCKET_ORIGIN}/`));
    const reader = response.body?.getReader();
    const first = await reader?.read();
    assert.match(Buffer.from(first?.value ?? []).toString(), /^tick/);
    await reader?.cancel();
    await gone.promise;
    await socket.close(0);
  });

  it("breaks live streams off at once when it closes, and lets answers that are under way be complete", async () => {
    const path = join(dir, "c.sock");
    const finish = Promise.withResolvers<void>();
    const socket = await serveSocket(path, (request) => {
      const live = request.url.endsWith("/live");
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode("begun "));
          if (live) return;
          await finish.promise;
          controller.enqueue(new TextEncoder().encode("ended"));
          controller.close();
        },
      });
      return Promise.resolve(new Response(body, live ? { headers: { [LIVE_HEADER]: "no" } } : {}));
    });
    const [live, short] = await Promise.all([
      socketTransport(path)(new Request(`${SOCKET_ORIGIN}/live`)),
      socketTransport(path)(new Request(`${SOCKET_ORIGIN}/short`)),
    ]);
    const closed = socket.close(10_000);
    await assert.rejects(live.text());
    finish.resolve();
    assert.equal(await short.text(), "begun ended");
    await closed;
  });

  it("replaces what a crash left behind", async () => {
    const path = join(dir, "d.sock");
    await writeFile(path, "");
    const socket = await serveSocket(path, () => Promise.resolve(new Response("ok")));
    assert.equal(await (await socketTransport(path)(new Request(`${SOCKET_ORIGIN}/`))).text(), "ok");
    await socket.close(0);
  });

  it("says ENOENT or ECONNREFUSED when nobody is there", async () => {
    const path = join(dir, "e.sock");
    await assert.rejects(socketTransport(path)(new Request(`${SOCKET_ORIGIN}/`)), { code: "ENOENT" });
    await writeFile(path, "");
    await assert.rejects(socketTransport(path)(new Request(`${SOCKET_ORIGIN}/`)), { code: "ECONNREFUSED" });
  });

  it("refuses a request whose target is another host", async () => {
    const path = join(dir, "f.sock");
    const socket = await serveSocket(path, () => Promise.resolve(new Response("ok")));
    const { request } = await import("node:http");
    const status = await new Promise((resolve, reject) => {
      request({ socketPath: path, path: "http://evil.example/v1/runs" }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    assert.equal(status, 400);
    await socket.close(0);
  });

  it("has a short name of its own for a data directory with a long path", () => {
    assert.equal(socketPath("/data"), "/data/control.sock");
    const long = socketPath(`/data/${"x".repeat(200)}`);
    assert.ok(Buffer.byteLength(long) <= 103, long);
    assert.notEqual(long, socketPath(`/data/${"x".repeat(201)}`));
  });

  it("works under such a path", async () => {
    const path = socketPath(join(dir, "y".repeat(120)));
    const socket = await serveSocket(path, () => Promise.resolve(new Response("ok")));
    assert.equal(await (await socketTransport(path)(new Request(`${SOCKET_ORIGIN}/`))).text(), "ok");
    await socket.close(0);
  });

  it("says why it cannot be made", async () => {
    const taken = createServer();
    await assert.rejects(
      serveSocket(join(dir, "none", "g.sock"), () => Promise.resolve(new Response())),
      { code: "storage_failed", message: /control socket .* could not be made/ },
    );
    taken.close();
  });
});

describe("the folder of attempts' sockets", () => {
  it("lies in the data directory, private and empty, or elsewhere where a socket's name would be too long", async () => {
    const dir = await mkdtemp(join(tmpdir(), "maestro-sockets-"));
    try {
      const short = await openTokenFolder(dir);
      assert.equal(short, join(dir, "sockets"));
      await writeFile(join(short, "left"), "by an engine that died");
      const again = await openTokenFolder(dir);
      assert.deepEqual([await readdir(again), (await stat(again)).mode & 0o777], [[], 0o700]);
      const long = await openTokenFolder(join(dir, "x".repeat(90)));
      assert.match(long, new RegExp(`/maestro-${process.getuid?.() ?? 0}/[0-9a-f]{24}\\.d$`));
      assert.ok(Buffer.byteLength(long) + 28 <= 100);
      assert.equal((await stat(long)).mode & 0o777, 0o700);
      await rm(long, { recursive: true });
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
