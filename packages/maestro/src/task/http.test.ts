import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { sha256 } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import { http, httpType } from "./http.ts";
import type { TaskFailure } from "./task.ts";

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly seen: {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage["headers"];
    readonly body: string;
    readonly to: string;
  }[];
}

/** A real server on a free port of this machine that remembers what it was asked. */
async function serve(
  answer: (request: { url: string; method: string }, response: ServerResponse) => void,
): Promise<Server> {
  const seen: Server["seen"] = [];
  const listener: RequestListener = (request, response) => {
    const remember = async (): Promise<void> => {
      const { method = "", url = "", headers } = request;
      seen.push({ method, url, headers, body: await text(request), to: request.socket.localAddress ?? "" });
      answer({ url, method }, response);
    };
    void remember();
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const LOCAL = { allowPrivate: ["127.0.0.1"] };

async function get(server: Server, input: JsonObject = {}): Promise<JsonObject> {
  using bench = workbench();
  return (await bench.run(http, { url: `${server.url}/x`, ...LOCAL, ...input })) as JsonObject;
}

async function fail(input: JsonObject): Promise<TaskFailure> {
  using bench = workbench();
  return await bench.fail(http, input);
}

describe("http@1", () => {
  it("hands on status, headers and a JSON body", async () => {
    await using server = await serve((_, response) =>
      response
        .writeHead(200, {
          "content-type": "application/json; charset=utf-8",
          "set-cookie": "session=1",
          "x-a": ["1", "2"],
        })
        .end('{"a":[1]}'),
    );
    const output = await get(server);
    assert.deepEqual(output["json"], { a: [1] });
    assert.deepEqual(
      [output["status"], output["bytes"], output["digest"], output["url"]],
      [200, 9, sha256('{"a":[1]}'), `${server.url}/x`],
    );
    const headers = output["headers"] as JsonObject;
    assert.equal(headers["x-a"], "1, 2");
    assert.equal(headers["set-cookie"], undefined);
    assert.equal(output["body"], undefined);
  });

  it("hands on text by its charset, and what is no text as base64", async () => {
    await using server = await serve(({ url }, response) => {
      if (url === "/latin")
        response.writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" }).end(Buffer.from([0xfc]));
      else if (url === "/binary") response.writeHead(200).end(Buffer.from([0xff, 0xfe, 0x00]));
      else if (url === "/broken") response.writeHead(200, { "content-type": "application/json" }).end("{");
      else response.writeHead(204).end();
    });
    assert.equal((await get(server, { url: `${server.url}/latin` }))["body"], "ü");
    assert.equal((await get(server, { url: `${server.url}/binary` }))["base64"], "//4A");
    assert.equal((await get(server, { url: `${server.url}/broken` }))["body"], "{");
    assert.deepEqual((await get(server, { url: `${server.url}/none` }))["body"], "");
  });

  it("tells the trace it belongs to, unless its author names one, and only to the origin that was asked", async () => {
    const trace = {
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      tracestate: "a=1",
    };
    await using elsewhere = await serve((_, response) => response.end());
    await using server = await serve(({ url }, response) =>
      url === "/leave" ? response.writeHead(302, { location: `${elsewhere.url}/there` }).end() : response.end(),
    );
    using bench = workbench({ trace });
    await bench.run(http, { url: `${server.url}/own`, ...LOCAL });
    await bench.run(http, { url: `${server.url}/given`, headers: { Traceparent: "theirs" }, ...LOCAL });
    await bench.run(http, { url: `${server.url}/leave`, ...LOCAL });
    await get(server);
    assert.deepEqual(
      [...server.seen, ...elsewhere.seen].map(({ headers }) => [headers["traceparent"], headers["tracestate"]]),
      [
        [trace.traceparent, "a=1"],
        ["theirs", undefined],
        [trace.traceparent, "a=1"],
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
  });

  it("sends method, headers, query and JSON", async () => {
    await using server = await serve((_, response) => response.end());
    await get(server, {
      url: `${server.url}/x?a=1#frag`,
      method: "POST",
      json: { v: "ü" },
      query: { b: ["x y", 2], c: true },
      headers: { "X-Key": 7 },
    });
    const [seen] = server.seen;
    assert.deepEqual([seen?.method, seen?.url, seen?.body], ["POST", "/x?a=1&b=x+y&b=2&c=true", '{"v":"ü"}']);
    assert.deepEqual(
      [seen?.headers["x-key"], seen?.headers["content-type"], seen?.headers["host"]],
      ["7", "application/json", `127.0.0.1:${server.port}`],
    );
  });

  it("undoes content encodings, and counts the bytes after that", async () => {
    const plain = "a".repeat(5000);
    const encoded: Readonly<Record<string, Buffer>> = {
      gzip: gzipSync(plain),
      br: brotliCompressSync(plain),
      deflate: deflateSync(plain),
    };
    await using server = await serve(({ url }, response) =>
      response.writeHead(200, { "content-encoding": url.slice(1) }).end(encoded[url.slice(1)]),
    );
    for (const encoding of Object.keys(encoded)) {
      assert.equal((await get(server, { url: `${server.url}/${encoding}` }))["body"], plain);
      assert.equal(
        (await fail({ url: `${server.url}/${encoding}`, ...LOCAL, maxBytes: 4999 })).error.code,
        "BODY_TOO_LARGE",
      );
    }
  });

  it("follows redirects as browsers do", async () => {
    await using server = await serve(({ url }, response) => {
      const status = Number(url.slice(1));
      if (status >= 300) response.writeHead(status, { location: "/200" }).end();
      else response.end("there");
    });
    for (const [status, method] of [
      ["301", "GET"],
      ["302", "GET"],
      ["303", "GET"],
      ["307", "POST"],
      ["308", "POST"],
    ] as const) {
      server.seen.length = 0;
      const output = await get(server, {
        url: `${server.url}/${status}`,
        method: "POST",
        body: "hello",
        headers: { authorization: "Bearer t" },
      });
      assert.deepEqual([output["body"], output["url"]], ["there", `${server.url}/200`]);
      assert.deepEqual(
        [server.seen[1]?.method, server.seen[1]?.body, server.seen[1]?.headers["authorization"]],
        [method, method === "POST" ? "hello" : "", "Bearer t"],
        status,
      );
    }
  });

  it("drops credentials on the way to another origin", async () => {
    await using other = await serve((_, response) => response.end("other"));
    await using server = await serve((_, response) => response.writeHead(302, { location: `${other.url}/y` }).end());
    assert.equal(
      (
        await get(server, {
          headers: { authorization: "Bearer t", cookie: "c=1", "x-api-key": "k", accept: "text/plain" },
        })
      )["body"],
      "other",
    );
    const { headers } = other.seen[0]!;
    assert.deepEqual(
      [headers["authorization"], headers["cookie"], headers["x-api-key"], headers["accept"]],
      [undefined, undefined, undefined, "text/plain"],
    );
  });

  it("leaves redirects alone with redirects: 0", async () => {
    await using server = await serve((_, response) =>
      response.writeHead(302, { location: "http://169.254.169.254/" }).end(),
    );
    assert.equal((await get(server, { redirects: 0, expect: { status: ["3xx"] } }))["status"], 302);
  });

  it("goes to the address that was checked, though the name changes its mind", async () => {
    await using server = await serve((_, response) => response.end("public"));
    const answers = ["127.0.0.1", "127.0.0.2"];
    let asked = 0;
    const rebinding = httpType({ resolve: async () => [{ address: answers[asked++] ?? "127.0.0.3", family: 4 }] });
    using bench = workbench();
    const output = (await bench.run(rebinding, {
      url: `http://rebind.example:${server.port}/`,
      ...LOCAL,
    })) as JsonObject;
    assert.equal(output["body"], "public");
    assert.deepEqual(
      [asked, server.seen[0]?.to, server.seen[0]?.headers["host"]],
      [1, "127.0.0.1", `rebind.example:${server.port}`],
    );
    assert.equal(
      (await bench.fail(rebinding, { url: `http://rebind.example:${server.port}/`, ...LOCAL })).error.code,
      "BLOCKED_ADDRESS",
    );
  });

  it("says what it did in the log, without the query", async () => {
    await using server = await serve((_, response) => response.end("ok"));
    using bench = workbench();
    await bench.run(http, { url: `${server.url}/x`, query: { token: "secret" }, ...LOCAL });
    assert.deepEqual(bench.events, [
      { kind: "log", stream: "info", bytes: `GET ${server.url}/x answered 200, 2 bytes\n` },
    ]);
  });
});

describe("http@1 fails", () => {
  it("on a blocked address without connecting", async () => {
    await using server = await serve((_, response) => response.end());
    const { error } = await fail({ url: `${server.url}/` });
    assert.deepEqual([error.code, error.final, server.seen.length], ["BLOCKED_ADDRESS", true, 0]);
    assert.match(error.message, /^127\.0\.0\.1 is a loopback address, .* list "127\.0\.0\.1" under `allowPrivate`/);
  });

  it("on a redirect to a blocked address", async () => {
    await using server = await serve((_, response) =>
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end(),
    );
    assert.equal((await fail({ url: server.url, ...LOCAL })).error.code, "BLOCKED_ADDRESS");
  });

  it("on a redirect to another scheme, to no URL, and on one too many", async () => {
    await using server = await serve(({ url }, response) =>
      response
        .writeHead(302, {
          location:
            { "/file": "file:///etc/passwd", "/bad": "http://[", "/login": "http://me:pw@127.0.0.1/" }[url] ?? "/again",
        })
        .end(),
    );
    assert.equal((await fail({ url: `${server.url}/file`, ...LOCAL })).error.code, "BLOCKED_ADDRESS");
    assert.equal((await fail({ url: `${server.url}/login`, ...LOCAL })).error.code, "BLOCKED_ADDRESS");
    assert.equal((await fail({ url: `${server.url}/bad`, ...LOCAL })).error.code, "REDIRECT");
    server.seen.length = 0;
    const { error } = await fail({ url: `${server.url}/loop`, ...LOCAL, redirects: 3 });
    assert.deepEqual([error.code, error.final, server.seen.length], ["REDIRECT", true, 4]);
  });

  const statuses: readonly (readonly [number, string, boolean | undefined])[] = [
    [400, "HTTP_STATUS", true],
    [404, "HTTP_STATUS", true],
    [408, "HTTP_STATUS", undefined],
    [429, "UNAVAILABLE", undefined],
    [500, "HTTP_STATUS", undefined],
    [502, "UNAVAILABLE", undefined],
    [503, "UNAVAILABLE", undefined],
    [504, "UNAVAILABLE", undefined],
  ];
  for (const [status, code, final] of statuses) {
    it(`on ${status} with ${code}`, async () => {
      await using server = await serve((_, response) =>
        response.writeHead(status, { "retry-after": "3" }).end("out\u001b[31m of\n order"),
      );
      const { error, output } = await fail({ url: `${server.url}/x?token=secret`, ...LOCAL });
      assert.deepEqual([error.code, error.final, error.details], [code, final, { status, retryAfter: "3" }]);
      assert.equal(
        error.message,
        `GET ${server.url}/x answered ${status}; expected is 2xx. It said: out [31m of order`,
      );
      assert.equal((output as JsonObject)["status"], status);
      assert.equal((await get(server, { expect: { status: [status] } }))["status"], status);
    });
  }

  it("on a body that is too long, whether its length is told or not", async () => {
    await using server = await serve(({ url }, response) => {
      if (url === "/chunked") response.write("x".repeat(600));
      response.end("x".repeat(600));
    });
    for (const path of ["/told", "/chunked"]) {
      const { error } = await fail({ url: server.url + path, ...LOCAL, maxBytes: 599 });
      assert.deepEqual([error.code, error.final], ["BODY_TOO_LARGE", true]);
      assert.match(error.message, /more than 599 bytes\. Raise `maxBytes`/);
    }
  });

  it("on silence, with TIMEOUT", async () => {
    await using server = await serve(({ url }, response) => {
      if (url === "/body") response.writeHead(200).write("begun");
    });
    for (const path of ["/nothing", "/body"]) {
      const { error } = await fail({ url: server.url + path, ...LOCAL, timeoutMs: 50 });
      assert.deepEqual([error.code, error.final], ["TIMEOUT", undefined]);
      assert.match(error.message, /took longer than 50 ms/);
    }
  });

  it("on a name that takes too long to resolve", async () => {
    using bench = workbench();
    const slow = httpType({ resolve: () => new Promise(() => undefined) });
    assert.equal((await bench.fail(slow, { url: "http://slow.example/", timeoutMs: 20 })).error.code, "TIMEOUT");
  });

  it("where nobody listens, with UNAVAILABLE", async () => {
    const { error } = await fail({ url: "http://127.0.0.1:1", ...LOCAL });
    assert.deepEqual([error.code, error.final, error.details], ["UNAVAILABLE", undefined, { code: "ECONNREFUSED" }]);
    assert.match(error.message, /did not get through: connect ECONNREFUSED/);
  });

  it("when the other side hangs up or speaks another language", async () => {
    for (const bytes of ["", "220 smtp.example.com ESMTP\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"]) {
      const server = createTcpServer(
        (socket) =>
          void socket
            .on("error", () => socket.destroy())
            .resume()
            .end(bytes),
      );
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      assert.equal((await fail({ url: `http://127.0.0.1:${port}/`, ...LOCAL })).error.code, "UNAVAILABLE", bytes);
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("on a plain server where TLS was asked for", async () => {
    await using server = await serve((_, response) => response.end());
    const { error } = await fail({ url: `https://127.0.0.1:${server.port}/`, ...LOCAL });
    assert.deepEqual([error.code, error.final], ["TLS", true]);
  });

  it("on a body that must be JSON and is not", async () => {
    await using server = await serve((_, response) => response.end("<html>"));
    const { error, output } = await fail({ url: server.url, ...LOCAL, expect: { json: true } });
    assert.equal(error.code, "OUTPUT_INVALID");
    assert.match(
      error.message,
      /answered 200, but its body is not JSON: it cannot be read from "<html>" on \(line 1 column 1\)/,
    );
    assert.equal((output as JsonObject)["body"], "<html>");
  });

  it("with the reason it was called off for", async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await serve(() => asked.resolve());
    using bench = workbench();
    const running = bench.run(http, { url: server.url, ...LOCAL });
    await asked.promise;
    bench.abort.abort(new Error("cancelled by alice"));
    await assert.rejects(running, /cancelled by alice/);
  });

  const inputs: readonly (readonly [string, JsonObject, RegExp])[] = [
    ["no URL", { url: "example.com" }, /url: "example\.com" is not a URL/],
    [
      "a password in the URL",
      { url: "https://me:pw@example.com/" },
      /url: the URL of example\.com holds a user name or password.*Use a header/,
    ],
    ["another scheme", { url: "ftp://example.com/" }, /url: ftp:\/\/ is not called/],
    [
      "a header that splits",
      { url: "https://example.com/", headers: { a: "1\r\nHost: x" } },
      /the value of a holds a character/,
    ],
    ["a header name that is none", { url: "https://example.com/", headers: { "a b": "1" } }, /"a b" is no header name/],
    [
      "a header of the connection",
      { url: "https://example.com/", headers: { Host: "x" } },
      /Host is set by the client/,
    ],
    ["a body with GET", { url: "https://example.com/", json: {} }, /json: GET has no body; set `method`/],
    [
      "an allowance that is none",
      { url: "https://example.com/", allowPrivate: ["http://localhost"] },
      /allowPrivate: "http:\/\/localhost" is neither/,
    ],
  ];
  for (const [name, input, message] of inputs) {
    it(`before it starts, on ${name}`, async () => {
      const { error } = await fail(input);
      assert.equal(error.code, "INPUT_INVALID");
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /pw/);
    });
  }
});
