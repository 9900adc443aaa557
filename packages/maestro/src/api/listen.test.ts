import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import type { Authenticate } from "./guard.ts";
import { LIVE_HEADER } from "./http.ts";
import type { Handler } from "./http.ts";
import { isLoopback, parseListen } from "./listen-address.ts";
import { serveNetwork } from "./listen.ts";
import type { NetworkLimits, NetworkServer } from "./listen.ts";
import { lazyIdentity } from "./open-identity.ts";
import { openToken, readToken, rotateToken, TokenCheck } from "./token.ts";
import { WholeResponse } from "./whole.ts";

// A real server on a real port with a handler of our own: what the network may do to it, and what it answers.

let dir = "";
let tokenFile = "";
let token = "";
let authenticate: Authenticate;
let store: Store;
const servers: NetworkServer[] = [];

async function serve(handle: Handler, limits: Partial<NetworkLimits> = {}): Promise<NetworkServer> {
  const server = await serveNetwork({
    address: { host: "127.0.0.1", port: 0 },
    authenticate,
    handle,
    limits,
  });
  servers.push(server);
  return server;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly problem: {
    readonly code?: string;
    readonly status?: number;
    readonly detail?: string;
    readonly fix?: string;
  };
}

async function call(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
  body?: string,
): Promise<Answer> {
  const outgoing = request(url, {
    method,
    agent: false,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  outgoing.end(body);
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  return answerOf(incoming.statusCode ?? 0, incoming.headers, await text(incoming));
}

function answerOf(status: number, headers: IncomingMessage["headers"], body: string): Answer {
  const isProblem = headers["content-type"] === "application/problem+json";
  return { status, headers, body, problem: isProblem ? (JSON.parse(body) as Answer["problem"]) : {} };
}

/** Sends bytes as they stand and reads all that comes until the server ends the connection. */
async function raw(url: string, bytes: string): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(bytes);
  const [head = "", body = ""] = (await text(socket)).split(/\r\n\r\n(.*)/s);
  const [line = "", ...fields] = head.split("\r\n");
  const headers = Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf(":")).toLowerCase(),
      field.slice(field.indexOf(":") + 1).trim(),
    ]),
  );
  return answerOf(Number(line.split(" ")[1]), headers, body);
}

const ok: Handler = async ({ method, body }) => new Response(`${method} ${body === null ? "" : await text(body)}`);
const secret = (): string => `Authorization: Bearer ${token}\r\n`;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "maestro-listen-"));
  tokenFile = join(dir, "token");
  token = await openToken(tokenFile);
  store = await openSqlite({ path: ":memory:" });
  const parts = {
    dataDir: dir,
    store: store.sessions,
    owner: "anna",
    now: Date.now,
    randomBytes,
    failed: () => undefined,
  };
  authenticate = await lazyIdentity(parts).authenticate(() => undefined);
});
after(async () => {
  for (const server of servers) await server.close(0);
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

describe("the token", () => {
  it("is made once, of 256 bits, for its owner alone", async () => {
    const path = join(dir, "new", "token");
    const tokens = await Promise.all([openToken(path), openToken(path), openToken(path)]);
    assert.equal(new Set(tokens).size, 1);
    assert.match(tokens[0], /^maestro_[A-Za-z0-9_-]{43}$/);
    assert.equal(await readFile(path, "utf8"), `${tokens[0]}\n`);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(dir, "new"))).mode & 0o777, 0o700);
  });

  it("is refused when others may read it, when it is none, and is never shown", async () => {
    const path = join(dir, "wide");
    await openToken(path);
    await chmod(path, 0o640);
    await assert.rejects(readToken(path), { code: "token_unusable", message: /Others may read/, fix: /chmod 600/ });
    await writeFile(join(dir, "other"), "a secret of another kind", { mode: 0o600 });
    await assert.rejects(readToken(join(dir, "other")), (error: Error) => {
      assert.doesNotMatch(error.message, /another kind/);
      return "code" in error && error.code === "token_unusable";
    });
    await assert.rejects(readToken(join(dir, "nowhere")), { code: "token_unusable", message: /cannot be read/ });
  });

  it("is compared as a whole, and the old one is refused after a rotation", async () => {
    const path = join(dir, "rotating");
    let now = 0;
    const check = await TokenCheck.open(path, () => now);
    const old = await readToken(path);
    for (const wrong of [
      null,
      "",
      old,
      `Basic ${old}`,
      `Bearer ${old}x`,
      `Bearer ${old.slice(0, -1)}`,
      "Bearer ",
      `Bearer ${old} x`,
    ])
      assert.equal(await check.accepts(wrong), false, String(wrong));
    assert.equal(await check.accepts(`Bearer ${old}`), true);
    await rotateToken(path);
    now += 1000;
    assert.equal(await check.accepts(`Bearer ${old}`), false);
    assert.equal(await check.accepts(`bearer ${await readToken(path)}`), true);
    await rm(path);
    now += 1000;
    assert.equal(await check.accepts(`Bearer ${old}`), false);
  });
});

describe("a server on the network", () => {
  it("answers who has the token, and carries bodies", async () => {
    const { url } = await serve(ok);
    const answer = await call(`${url}/v1/x`, {}, "POST", "hello");
    assert.deepEqual([answer.status, answer.body], [200, "POST hello"]);
    for (const name of ["x-content-type-options", "x-frame-options", "content-security-policy", "referrer-policy"])
      assert.ok(answer.headers[name] !== undefined, name);
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
  });

  it("gives a sane correlation id back and makes one otherwise", async () => {
    const { url } = await serve(ok);
    assert.equal((await call(url, { "x-request-id": "trace-1.a:b" })).headers["x-request-id"], "trace-1.a:b");
    for (const odd of ["a b", "<script>", "x".repeat(101), '"'])
      assert.match((await call(url, { "x-request-id": odd })).headers["x-request-id"] as string, /^[0-9a-f-]{36}$/);
  });

  const refusals: readonly (readonly [string, Readonly<Record<string, string>>, number, string, RegExp])[] = [
    ["without a token", { authorization: "" }, 401, "unauthorized", /no Authorization|not this server's/],
    [
      "with a wrong token",
      { authorization: `Bearer maestro_${"x".repeat(43)}` },
      401,
      "unauthorized",
      /not this server's/,
    ],
    ["by a name that is not ours", { host: "evil.example" }, 421, "invalid_request", /not called "evil.example"/],
    ["by a name that only begins like ours", { host: "127.0.0.1.evil.example" }, 421, "invalid_request", /not called/],
    ["by a host that is none", { host: "user@127.0.0.1/x" }, 421, "invalid_request", /not called/],
    ["from a page of another origin", { origin: "https://evil.example" }, 403, "denied", /other origins/],
    ["from a page without an origin", { origin: "null" }, 403, "denied", /other origins/],
    ["from another site by a link", { "sec-fetch-site": "cross-site" }, 403, "denied", /other origins/],
  ];
  for (const [name, headers, status, code, detail] of refusals) {
    it(`refuses a request ${name}: ${status}`, async () => {
      const { url } = await serve(ok);
      const { problem, ...answer } = await call(`${url}/v1/runs`, headers);
      assert.deepEqual([answer.status, problem.code, problem.status], [status, code, status]);
      assert.match(problem.detail ?? "", detail);
      assert.equal(status === 401, answer.headers["www-authenticate"]?.startsWith("Bearer") === true);
      assert.ok(answer.headers["x-request-id"] !== undefined);
    });
  }

  it("answers probes without a token, and to its own origin", async () => {
    const { url } = await serve(ok);
    assert.equal((await call(`${url}/healthz`, { authorization: "x" })).status, 200);
    assert.equal((await call(`${url}/readyz`, { authorization: "x" })).status, 200);
    assert.equal((await call(`${url}/healthz/x`, { authorization: "x" })).status, 401);
    assert.equal((await call(url, { origin: url, "sec-fetch-site": "same-origin" })).status, 200);
    assert.equal((await call(url, { host: `localhost:${new URL(url).port}` })).status, 200);
  });

  it("tells by a problem what never became a request", async () => {
    const { url } = await serve(ok, { headersMs: 300, requestMs: 300 });
    const cases: readonly (readonly [string, number, string])[] = [
      ["hello\r\n\r\n", 400, "invalid_request"],
      ["GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "invalid_request"],
      [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, 431, "payload_too_large"],
      [`GET /${"y".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, "payload_too_large"],
      ["GET http://evil.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400, "invalid_request"],
      ["TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405, "invalid_request"],
      ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: wonders\r\nConnection: close\r\n\r\n", 417, "invalid_request"],
      [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "invalid_request",
      ],
      // Slow loris: headers that never end, and a body that never does.
      ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", 408, "timed_out"],
      [`POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n${secret()}Content-Length: 9\r\n\r\nslow`, 408, "timed_out"],
    ];
    const answers = await Promise.all(cases.map(([bytes]) => raw(url, bytes)));
    for (const [i, [bytes, status, code]] of cases.entries())
      assert.deepEqual(
        [answers[i]?.status, answers[i]?.problem.code, answers[i]?.problem.status],
        [status, code, status],
        bytes.slice(0, 60),
      );
  });

  it("lets a refusal arrive although the body goes on", async () => {
    const { url } = await serve(() => Promise.resolve(new Response("no", { status: 413 })));
    const answer = await call(url, {}, "POST", "y".repeat(5_000_000));
    assert.deepEqual([answer.status, answer.body], [413, "no"]);
  });

  it("is limited in requests at once, politely", async () => {
    const finish = Promise.withResolvers<void>();
    const { url } = await serve(
      async () => {
        await finish.promise;
        return new Response("done");
      },
      { requests: 3 },
    );
    let refusals = 0;
    const answers = Array.from({ length: 10 }, async () => {
      const { status, problem, headers } = await call(url);
      // Three are held, and they are let go when every other one was answered.
      if (status === 503) refusals += 1;
      if (refusals === 7) finish.resolve();
      return [status, problem.code, headers["retry-after"]] as const;
    });
    const got = (await Promise.all(answers)).toSorted(([a], [b]) => a - b);
    assert.deepEqual(got, [
      ...Array.from({ length: 3 }, () => [200, undefined, undefined]),
      ...Array.from({ length: 7 }, () => [503, "overloaded", "2"]),
    ]);
    assert.equal((await call(url)).status, 200);
  });

  describe("with live streams", () => {
    let open = 0;
    const handle: Handler = () => {
      open += 1;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: () => void (open -= 1),
      });
      return Promise.resolve(new Response(body, { headers: { [LIVE_HEADER]: "no" } }));
    };
    /** None is open any more. */
    const over = async (): Promise<void> => {
      while (open > 0) await new Promise((resolve) => setImmediate(resolve));
    };

    it("is limited in them, and gives their places back", async () => {
      const { url } = await serve(handle, { streams: 2, requests: 2 });
      const readers = await Promise.all([stall(url), stall(url)]);
      const third = await call(url);
      assert.deepEqual([third.status, third.problem.code, third.headers["connection"]], [503, "overloaded", "close"]);
      assert.ok(Number(third.headers["retry-after"]) >= 1);
      assert.equal(open, 2);
      for (const reader of readers) reader.destroy();
      await over();
      const next = await stall(url);
      assert.match(String(next.read()), /^HTTP\/1\.1 200 /);
      next.destroy();
      await over();
    });

    it("cuts a reader off that takes nothing", async () => {
      const { url } = await serve(handle, { stallMs: 200 });
      const readers = await Promise.all([stall(url), stall(url)]);
      // Neither reads: the server ends both connections by itself, and only then they learn of it.
      await over();
      await Promise.all(readers.map((reader) => ended(reader)));
    });
  });

  it("cuts off who asks on and on and reads none of the answers", async () => {
    const handle: Handler = () => Promise.resolve(new WholeResponse("x".repeat(15_000), {}));
    const { url } = await serve(handle, { stallMs: 200 });
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.on("error", () => socket.destroy());
    const closed = new Promise((resolve) => socket.once("close", resolve));
    // More than the system keeps for either: who reads nothing learns of the end by what it still wants to send.
    socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${secret()}\r\n`.repeat(200_000));
    await closed;
  });

  it("is limited in connections, and says so", async () => {
    const { url } = await serve(ok, { connections: 2 });
    const held = await Promise.all([idle(url), idle(url)]);
    const refused = await raw(url, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert.deepEqual([refused.status, refused.problem.code], [503, "overloaded"]);
    for (const socket of held) socket.destroy();
  });

  it("says which address it cannot have, and what to do", async () => {
    const { url } = await serve(ok);
    const port = Number(new URL(url).port);
    await assert.rejects(serveNetwork({ address: { host: "127.0.0.1", port }, authenticate, handle: ok }), {
      code: "address_unusable",
      message: new RegExp(`Another process listens on 127.0.0.1:${port}`),
      fix: /--listen HOST:PORT.*--no-listen/,
    });
    await assert.rejects(
      serveNetwork({ address: { host: "no.such.host.invalid", port: 0 }, authenticate, handle: ok }),
      {
        code: "address_unusable",
      },
    );
  });
});

describe("parseListen()", () => {
  it("reads what people write", () => {
    assert.deepEqual(parseListen("127.0.0.1:0"), { host: "127.0.0.1", port: 0 });
    assert.deepEqual(parseListen(":8080"), { host: "127.0.0.1", port: 8080 });
    assert.deepEqual(parseListen("LOCALHOST"), { host: "localhost", port: 7717 });
    assert.deepEqual(parseListen("[::1]:1"), { host: "::1", port: 1 });
    for (const odd of ["a:b", "a:99999", "::1:80", "http://x", "[x]:1", "a b"])
      assert.throws(() => parseListen(odd), { code: "invalid_request", message: /not an address/ }, odd);
  });

  it("knows what stays on this machine", () => {
    assert.deepEqual(["127.0.0.1", "127.9.9.9", "::1", "localhost"].map(isLoopback), [true, true, true, true]);
    assert.deepEqual(["0.0.0.0", "10.0.0.1", "::", "127.evil.example", "example.org"].map(isLoopback), [
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

/** A connection whose answer has begun, and that reads nothing of it. */
async function stall(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${secret()}\r\n`);
  await once(socket, "readable");
  return socket;
}

async function idle(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  return socket;
}

/** Reads what was on its way and waits for the end of the connection. */
async function ended(socket: Socket): Promise<void> {
  socket.on("error", () => socket.destroy());
  const closed = once(socket, "close");
  socket.resume();
  await closed;
}
