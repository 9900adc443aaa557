import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { serveNetwork } from "../src/api/listen.ts";
import type { NetworkServer } from "../src/api/listen.ts";
import { tokenPath } from "../src/api/token.ts";
import { callerIn, OURS, Tenants, THEIRS } from "./support/tenants.ts";

// Bytes that no client of ours would send, on the socket of a real server: paths that climb, headers that say two things, bodies
// that two parsers would read differently.

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

describe("a control plane that is attacked by HTTP", () => {
  let tenants: Tenants;
  let server: NetworkServer;
  let token = "";
  before(async () => {
    tenants = await Tenants.open();
    server = await serveNetwork({
      address: { host: "127.0.0.1", port: 0 },
      authenticate: await tenants.plane.authenticate(),
      handle: tenants.plane.handle,
    });
    token = readFileSync(tokenPath(`${tenants.dir}/data`), "utf8").trim();
  });
  after(async () => {
    await server.close(0);
    await tenants[Symbol.asyncDispose]();
  });

  /** All that a connection answers to these bytes. */
  async function raw(bytes: string): Promise<string> {
    const { port, hostname } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    let text = "";
    for await (const part of socket.setEncoding("latin1")) text += part;
    return text;
  }

  async function send(line: string, headers: readonly string[] = [], body = ""): Promise<Answer> {
    const own = [`Authorization: Bearer ${token}`, "Connection: close", ...headers];
    const host = headers.some((one) => /^host:/i.test(one)) ? [] : ["Host: 127.0.0.1"];
    const text = await raw(`${line} HTTP/1.1\r\n${[...host, ...own].join("\r\n")}\r\n\r\n${body}`);
    const [head = "", ...rest] = text.split("\r\n\r\n");
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body: rest.join("\r\n\r\n") };
  }

  const json = (text: string): readonly string[] => [
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  const codeOf = ({ body }: Answer): string | undefined => (JSON.parse(body) as { readonly code?: string }).code;

  it("takes no step up or aside in a path, however it is written", async () => {
    for (const path of [
      "/v1/runs/..",
      "/v1/runs/../approvals",
      "/v1/./runs",
      "/v1\\runs",
      "/v1/runs/.%2E/approvals",
      "/v1/runs/%2e%2e/approvals",
      "/v1/runs/..%2fapprovals",
      "/v1/runs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
      "/v1/runs/..%5capprovals",
      "/v1/runs/%252e%252e",
      "/v1/runs/x%00y",
      "/v1/workflows/..%2f..%2f..%2fetc%2fpasswd",
      "/ledger/tile/..%2f..%2fcheckpoint",
      "/ledger/tile/entries/../../../../etc/passwd",
      `/v1/runs/${tenants.ours.run}/artifacts/..%2f..%2fkeys%2ftrust-root.json`,
      `/v1/runs/${tenants.ours.run}/logs/..%2f..%2fother`,
      "/v1/runs/%",
      "/v1/runs/%ff%fe",
      "//v1/runs",
      "/v1//runs",
      "/v1/runs/",
      "/V1/runs",
      "/v1/runs;x=1",
    ]) {
      const answer = await send(`GET ${path}`);
      assert.ok(
        answer.status === 404 || answer.status === 400,
        `${path}: ${answer.status} ${answer.body.slice(0, 200)}`,
      );
      assert.match(codeOf(answer) ?? "", /^(not_found|invalid_request)$/, path);
      assert.doesNotMatch(answer.body, /root:|BEGIN|"keys":/, path);
    }
  });

  it("does not take one method for another, and says nothing to preflights", async () => {
    const override = ["X-HTTP-Method-Override: PATCH", "X-Method-Override: DELETE", "X-HTTP-Method: DELETE"];
    assert.equal((await send(`GET /v1/runs/${tenants.ours.run}?_method=DELETE`, override)).status, 400);
    assert.equal((await send(`GET /v1/runs/${tenants.ours.run}`, override)).status, 200);
    const wrong = await send(`DELETE /v1/runs/${tenants.ours.run}`);
    assert.equal(wrong.status, 405);
    assert.match(wrong.head, /\r\nallow: GET, PATCH/);
    const own = [`Host: ${new URL(server.url).host}`, `Origin: ${server.url}`];
    const preflight = await send("OPTIONS /v1/runs", [...own, "Access-Control-Request-Method: POST"]);
    assert.equal(preflight.status, 405);
    for (const { head } of [preflight, await send("GET /v1/runs", own)]) assert.doesNotMatch(head, /access-control-/i);
  });

  it("lets nobody write headers or log lines by what it repeats", async () => {
    const id = "evil%0d%0aset-cookie:%20a=b";
    const answer = await send(`GET /v1/runs/${id}`, ["X-Request-Id: a b\tc"]);
    assert.doesNotMatch(answer.head, /set-cookie/i);
    assert.match(answer.head, /\r\nx-request-id: [0-9a-f-]{36}(\r\n|$)/);
    const challenge = await raw(
      `GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a"b\r\nConnection: close\r\n\r\n`,
    );
    assert.match(challenge, /\r\nwww-authenticate: Bearer realm="maestro"/i);
    const long = await send("GET /v1/runs", [`Maestro-Purpose: ${"x".repeat(1_001)}`]);
    assert.deepEqual([long.status, codeOf(long)], [400, "invalid_request"]);
  });

  it("refuses requests whose parts say two things", async () => {
    for (const [what, bytes] of [
      ["two hosts", "GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n"],
      ["two lengths", "POST /v1/plan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 9\r\n"],
      ["a list of lengths", "POST /v1/plan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2, 9\r\n"],
      [
        "length and chunks",
        "POST /v1/plan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
      ],
      ["chunks not last", "POST /v1/plan HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked, identity\r\n"],
      ["a space in a header's name", "GET /v1/runs HTTP/1.1\r\nHost : 127.0.0.1\r\n"],
      ["a folded header", "GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n"],
      ["a header without a colon", "GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nevil\r\n"],
      [
        "two credentials",
        `GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer x\r\nAuthorization: Bearer ${token}\r\n`,
      ],
      ["a target elsewhere", "GET http://evil.example/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
      ["a target of another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
    ] as const) {
      const text = await raw(`${bytes}Connection: close\r\n\r\n${bytes.startsWith("POST") ? "{}" : ""}`);
      assert.match(text, /^HTTP\/1\.1 4\d\d /, what);
      assert.doesNotMatch(text, /"kind":"RunList"|"kind":"Plan"/, what);
    }
  });

  it("reads one request out of a chunked body, and nothing behind it as another", async () => {
    const inner = `GET /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    for (const body of [
      `0\r\n\r\n${inner}`,
      `5;${"x".repeat(20_000)}\r\nhello\r\n0\r\n\r\n`,
      `-1\r\n${inner}`,
      `5 \r\nhello\r\n0\r\n\r\n`,
      `ffffffffffffffff\r\n{}`,
    ]) {
      const text = await raw(
        `POST /v1/nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
      );
      assert.equal(text.match(/HTTP\/1\.1 \d\d\d /g)?.length, 1, `${body.slice(0, 30)}: ${text.slice(0, 200)}`);
      assert.doesNotMatch(text, /RunList/);
    }
  });

  it("refuses bodies that two parsers read differently, and those that are too deep or too large", async () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    for (const [text, status] of [
      ['{"workflow":"a","workflow":"b"}', 400],
      ['{"workflow":"a","\\u0077orkflow":"b"}', 400],
      ['{"__proto__":{"workflow":"a"}}', 400],
      ['{"inputs":{"a":{"__proto__":{"isAdmin":true}}},"workflow":"a"}', 400],
      ['{"constructor":{"prototype":{}}}', 400],
      [`{"inputs":{"a":${deep}}}`, 400],
      ['{"workflow":"a",}', 400],
      ['{"workflow":"a"} // c', 400],
      ["{'workflow':'a'}", 400],
      ['{"inputs":{"n":NaN}}', 400],
      ['{"workflow":"\ud800"}', 400],
      ["null", 400],
      ["[]", 400],
      ['"text"', 400],
      [JSON.stringify({ workflow: "a".repeat(17_000_000) }), 413],
    ] as const) {
      const answer = await send("POST /v1/runs", json(text), text);
      assert.equal(answer.status, status, `${text.slice(0, 60)}: ${answer.body.slice(0, 200)}`);
      assert.match(codeOf(answer) ?? "", /^(invalid_request|payload_too_large)$/);
    }
    assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
    const form = await send(
      "POST /v1/runs",
      ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 10"],
      "workflow=a",
    );
    assert.deepEqual([form.status, codeOf(form)], [415, "unsupported_media_type"]);
  });

  it("gives an inventor of namespaces nothing", async () => {
    const somebody = callerIn(OURS);
    for (const namespace of [
      "*",
      "",
      `${OURS},${THEIRS}`,
      `${OURS}' or '1'='1`,
      "%",
      "__proto__",
      OURS.toUpperCase(),
    ]) {
      const response = await tenants.plane.handle(
        new Request(`http://maestro.local/v1/runs?namespace=${encodeURIComponent(namespace)}`),
        somebody,
      );
      const text = await response.text();
      assert.ok(response.status === 403 || response.status === 400, `${namespace}: ${text.slice(0, 200)}`);
      assert.ok(!text.includes(tenants.theirs.run));
    }
    const twice = await tenants.plane.handle(
      new Request(`http://maestro.local/v1/runs?namespace=${OURS}&namespace=${THEIRS}`),
      somebody,
    );
    assert.equal(twice.status, 403);
  });
});
