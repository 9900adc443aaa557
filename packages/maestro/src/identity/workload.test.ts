import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { decodeJwt } from "jose";
import { askToken } from "../../test/support/ask-token.ts";
import type { Decision } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import { builtinEvaluator } from "../policy/builtin.ts";
import type { Gate, GateRequest } from "../policy/gate.ts";
import { openGate } from "../policy/open-gate.ts";
import { openAudit } from "../provenance/audit.ts";
import type { AuditTrail } from "../provenance/audit.ts";
import type { AuditKind, StoredAuditRow } from "../store/audit.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { openIssuer } from "./issuer.ts";
import { TOKEN_LIMITS } from "./token-socket.ts";
import type { TokenSocket } from "./token-socket.ts";
import { tokenDesk } from "./workload.ts";
import type { Holder, Workload } from "./workload.ts";

const root = mkdtempSync(join(tmpdir(), "maestro-desk-"));
after(() => rmSync(root, { recursive: true, force: true }));

let now = 1_800_000_000_000;
let store: Store;
let audit: AuditTrail;
let decisions = 0;
const faults: unknown[] = [];
const opened: TokenSocket[] = [];

beforeEach(async () => {
  now = 1_800_000_000_000;
  store = await openSqlite({ path: ":memory:" });
  audit = openAudit({
    store,
    source: "https://installation.example",
    now: () => now,
    randomBytes,
    failed: assert.fail,
  });
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.close();
  await audit.close();
  await store.close();
  assert.deepEqual(faults.splice(0), [], "nothing was thrown that is no answer");
});

const BUILTIN = openGate({ evaluator: builtinEvaluator(), newId: () => `d_${(decisions += 1)}` });

function workload(roles: readonly string[]): Workload {
  const actor = { type: "user", id: "okta:ada", roles } as const;
  const digest = `sha256:${"00".repeat(32)}` as const;
  return {
    audiences: ["vault", "https://sts.example/a b?c=d&e"],
    workflow: { namespace: "shop", name: "deploy", version: "1.0.0", digest },
    planDigest: digest,
    environment: "test",
    purpose: "release",
    actor,
    origin: { request: "req-1" },
    question: (audience): GateRequest => ({
      subject: { type: "user", id: actor.id, properties: { roles } },
      action: { name: "identity.token" },
      resource: { type: "task", id: "shop/deploy/upload", properties: { namespace: "shop" } },
      context: { purpose: "release", authority: "", audience },
    }),
  };
}

interface Options {
  readonly roles?: readonly string[];
  readonly gate?: Gate;
  readonly audit?: AuditTrail;
  readonly url?: string | null;
  readonly keys?: string;
  readonly signal?: AbortSignal;
}

async function open(options: Options = {}): Promise<TokenSocket> {
  const url = options.url === undefined ? "https://maestro.example" : options.url;
  const desk = tokenDesk({
    issuer: openIssuer({
      dir: join(root, options.keys ?? "keys"),
      now: () => now,
      ...(url === null ? {} : { url }),
    }),
    gate: options.gate ?? BUILTIN,
    audit: options.audit ?? audit,
    folder: root,
    now: () => now,
    newId: () => randomBytes(8).toString("hex"),
    fault: (error) => faults.push(error),
  });
  const holder: Holder = {
    run: "r_1",
    namespace: "shop",
    task: "upload",
    item: -1,
    attempt: 1,
    workload: workload(options.roles ?? ["operator"]),
    signal: options.signal ?? new AbortController().signal,
    given: () => undefined,
    runner: () => Promise.resolve({ name: "process@test", sandbox: "none" }),
  };
  const socket = await desk(holder);
  opened.push(socket);
  return socket;
}

async function audited(kind: AuditKind): Promise<readonly StoredAuditRow[]> {
  await audit.flush();
  return store.audit.list({ limit: 100, kind });
}

describe("a token", () => {
  it("is given for an audience of the runbook, and the audit has it before the task has", async () => {
    const { path } = await open();
    const { status, token = "", expiresAt } = await askToken(path);
    assert.equal(status, 200);
    assert.equal(expiresAt, now + 300_000);
    const [row, ...more] = await audited("security");
    assert.equal(more.length, 0);
    assert.deepEqual(
      [row?.actor, row?.action, row?.resource, row?.namespace, row?.allow],
      ["okta:ada", "identity.token", "task/shop/deploy/upload", "shop", true],
    );
    const text = JSON.parse(row?.text ?? "") as {
      readonly run: string;
      readonly request: string;
      readonly decision: Decision;
      readonly detail: Readonly<Record<string, unknown>>;
    };
    assert.deepEqual([text.run, text.request], ["r_1", "req-1"]);
    assert.equal(text.detail["token"], decodeJwt(token).jti, "which token it was, by its id");
    assert.equal(text.detail["subject"], "run:shop:deploy:env:test:task:upload");
    const asked = await store.audit.question(text.decision.requestDigest);
    assert.match(asked?.text ?? "", /"action":\{"name":"identity.token"\}.*"audience":"vault"/);
    const entries = await store.ledger.entries({ from: 0, limit: 10, run: "r_1" });
    assert.equal(entries.length, 1, "the ledger has it, too");
    for (const part of token.split("."))
      assert.ok(
        ![row?.text, ...entries.map((entry) => entry.text)].some((one) => one?.includes(part)),
        "no part of it",
      );
  });

  it("is a new one each time", async () => {
    const { path } = await open();
    const [one, two] = [await askToken(path), await askToken(path)];
    assert.notEqual(decodeJwt(one.token ?? "").jti, decodeJwt(two.token ?? "").jti);
  });

  it("may be for an audience of any characters", async () => {
    const { path } = await open();
    const audience = "https://sts.example/a b?c=d&e";
    const { token = "" } = await askToken(path, `/token?audience=${encodeURIComponent(audience)}`);
    assert.equal(decodeJwt(token).aud, audience);
  });

  it("is refused for any other, and the audit has that", async () => {
    const { path } = await open();
    const { status, code, detail, fix } = await askToken(path, "/token?audience=vault2");
    assert.deepEqual([status, code], [403, "denied"]);
    assert.match(detail ?? "", /Task upload may have no token for "vault2"/);
    assert.match(fix ?? "", /`identity.audiences`/);
    const [row] = await audited("refused");
    assert.deepEqual([row?.action, row?.allow], ["identity.token", false]);
    assert.equal((await audited("security")).length, 0);
  });

  it("is refused where policy says no, with its reasons", async () => {
    const { path } = await open({ roles: ["viewer"] });
    const { status, code, detail } = await askToken(path);
    assert.deepEqual([status, code], [403, "denied"]);
    assert.match(detail ?? "", /Policy denies a token for "vault": .*identity\.token/);
    const [row] = await audited("refused");
    assert.match(row?.text ?? "", /"decision":\{"allow":false/);
  });

  it("is refused where the yes depends on something that nobody does, and given where the gate has done it", async () => {
    const owing = (type: string): Gate => ({
      decide: (request, occasion) => {
        const decision = BUILTIN.decide(request, occasion) as Decision;
        return { ...decision, obligations: [{ id: "a-rule", type, properties: {} }] };
      },
    });
    for (const type of ["approval", "redact", "whatever"]) {
      const { status, detail } = await askToken((await open({ gate: owing(type) })).path);
      assert.equal(status, 403);
      assert.match(detail ?? "", new RegExp(`it depends on ${type}, which nobody can do for a token`));
    }
    for (const type of ["notify", "step-up"])
      assert.equal((await askToken((await open({ gate: owing(type) })).path)).status, 200);
  });

  it("is not given where the audit cannot take it", async () => {
    const broken: AuditTrail = {
      ...audit,
      note: () => undefined,
      write: () => Promise.reject(new MaestroError("storage_full", "The disk is full.")),
    };
    const { path } = await open({ audit: broken });
    const { status, code, token } = await askToken(path);
    assert.deepEqual([status, code, token], [503, "storage_full", undefined]);
  });

  it("is not given where nobody could verify it", async () => {
    const { path } = await open({ url: null });
    const { status, code, fix } = await askToken(path);
    assert.deepEqual([status, code], [503, "no_issuer"]);
    assert.match(fix ?? "", /--issuer URL/);
  });

  it("is not given to an attempt that was called off, nor after its end", async () => {
    const stop = new AbortController();
    const socket = await open({ signal: stop.signal });
    stop.abort();
    const { status, code } = await askToken(socket.path);
    assert.deepEqual([status, code], [409, "conflict"]);
    socket.close();
    await assert.rejects(askToken(socket.path), { code: "ENOENT" });
    assert.ok(!existsSync(socket.folder), "nothing of it is left");
  });

  it("is not handed out when the attempt ends while the audit is written", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const writing = Promise.withResolvers<void>();
    const slow: AuditTrail = {
      ...audit,
      note: () => undefined,
      write: () => {
        writing.resolve();
        return promise;
      },
    };
    const stop = new AbortController();
    const { path } = await open({ audit: slow, signal: stop.signal });
    const asked = askToken(path);
    await writing.promise;
    stop.abort();
    resolve();
    assert.deepEqual([(await asked).code, (await asked).token], ["conflict", undefined]);
  });
});

describe("the socket", () => {
  it("is its owner's, in a folder of its own that holds nothing else", async () => {
    const { path, folder } = await open();
    assert.equal(dirname(path), folder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder), ["token.sock"]);
  });

  it("answers nothing but a request for a token", async () => {
    const { path } = await open();
    for (const [where, method, status, code] of [
      ["/", "GET", 404, "not_found"],
      ["/token/", "GET", 404, "not_found"],
      ["/token", "GET", 400, "invalid_request"],
      ["/token?audience=", "GET", 400, "invalid_request"],
      ["/token?audience=vault&audience=other", "GET", 400, "invalid_request"],
      ["/token?audience=vault&sub=admin", "GET", 400, "invalid_request"],
      ["/token?audience=vault", "POST", 400, "invalid_request"],
      ["/token?audience=vault", "DELETE", 400, "invalid_request"],
      ["/token?audience=%00", "GET", 403, "denied"],
    ] as const) {
      const answer = await askToken(path, where, { method });
      assert.deepEqual([answer.status, answer.code], [status, code], `${method} ${where}`);
    }
    const withBody = await askToken(path, undefined, { headers: { "content-length": "5" } });
    assert.equal(withBody.status, 400);
  });

  it("answers so many times a minute", async () => {
    const { path } = await open();
    const asked = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const codes: (string | undefined)[] = [];
        for (let i = 0; i < TOKEN_LIMITS.perMinute / 8 + 1; i++) codes.push((await askToken(path)).code);
        return codes;
      }),
    );
    const codes = asked.flat();
    assert.equal(codes.filter((code) => code === undefined).length, TOKEN_LIMITS.perMinute);
    assert.ok(codes.every((code) => code === undefined || code === "overloaded"));
    assert.equal((await askToken(path)).status, 429);
    now += 60_000;
    assert.equal((await askToken(path)).status, 200, "a minute later it does again");
  });

  it("outlives what is no HTTP, headers without end and connections without number", async () => {
    const { path } = await open();
    const send = async (text: string): Promise<string> => {
      const socket = connect(path);
      let got = "";
      socket.on("data", (bytes: Buffer) => (got += bytes.toString("latin1")));
      // Cut off while it writes: that is the answer.
      socket.on("error", () => undefined);
      socket.write(text);
      await closed(socket);
      return got.split("\r\n")[0] ?? "";
    };
    assert.equal(await send("\0\u0001\u0002 nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    assert.match(await send(`GET /token?audience=${"x".repeat(100_000)} HTTP/1.1\r\n\r\n`), /^(HTTP\/1\.1 4\d\d .*)?$/);
    const many = "a".repeat(1_000);
    assert.match(
      await send(`GET /token HTTP/1.1\r\nhost: x\r\n${`x: ${many}\r\n`.repeat(50)}\r\n`),
      /^(HTTP\/1\.1 431 .*)?$/,
    );
    assert.match(
      await send(
        "GET /token?audience=vault HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz",
      ),
      /^HTTP\/1\.1 400/,
    );
    const idle: Socket[] = [];
    for (let i = 0; i < TOKEN_LIMITS.connections * 3; i++) {
      const socket = connect(path);
      socket.on("error", () => undefined);
      idle.push(socket);
    }
    // Those beyond the limit are cut off at once.
    await Promise.all(idle.slice(TOKEN_LIMITS.connections).map(closed));
    for (const socket of idle) socket.destroy();
    await Promise.all(idle.map(closed));
    const again = async (): Promise<number> => (await askToken(path).catch(() => ({ status: 0 }))).status;
    let status = await again();
    // The other side may not have seen yet that they are gone.
    while (status === 0) status = await again();
    assert.equal(status, 200);
  });

  it("cuts off who says nothing, and who ends does not wait for it", async () => {
    const socket = await open();
    const silent = connect(socket.path);
    await once(silent, "connect");
    silent.write("GET /tok");
    silent.on("error", () => undefined);
    socket.close();
    await closed(silent);
  });
});

/** However it ended. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once("close", () => resolve()));
}
