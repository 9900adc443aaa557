import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import { ENVIRONMENT, KEYS, at, run } from "../../test/support/s3-input.ts";
import { refuse, s3Server } from "../../test/support/s3-server.ts";
import { compileSchema } from "./json-schema.ts";
import { s3, s3Type } from "./s3.ts";

describe("s3@1 head, list, copy and delete", () => {
  it("looks whether something is there", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    assert.deepEqual(await run(bench, server, { head: { key: "k" } }), { key: "k", found: false });
    const { versionId = "" } = await run(bench, server, { put: { key: "k", text: "12345" } });
    const found = await run(bench, server, { head: { key: "k", versionId } });
    assert.deepEqual([found["found"], found["bytes"], found["modified"]], [true, 5, "Sat, 21 Nov 2026 08:00:00 GMT"]);
    assert.deepEqual((await run(bench, server, { head: { key: "k", versionId: "other" } }))["found"], false);
  });

  it("lists page by page, up to the limit", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const object = { bytes: Buffer.from("x"), etag: '"e"', versionId: "v", checksum: "", headers: {} };
    for (let i = 0; i < 2500; i++) server.objects.set(`evidence/logs/${String(i).padStart(4, "0")} ü+&<.txt`, object);
    for (const key of ["a/1", "a/2", "b/1", "c"]) server.objects.set(`evidence/${key}`, object);
    const all = await run(bench, server, { list: { prefix: "logs/", limit: 10_000 } });
    const objects = all["objects"] as JsonObject[];
    assert.deepEqual([objects.length, all["truncated"], server.seen.length], [2500, false, 3]);
    assert.deepEqual(objects[2499], {
      key: "logs/2499 ü+&<.txt",
      bytes: 1,
      etag: '"e"',
      modified: "2026-11-21T08:00:00.000Z",
    });
    const some = await run(bench, server, { list: { prefix: "logs/", startAfter: "logs/1000", limit: 1500 } });
    assert.deepEqual([(some["objects"] as JsonObject[]).length, some["truncated"]], [1500, false]);
    const few = await run(bench, server, { list: { limit: 2, delimiter: "/" } });
    assert.deepEqual([few["objects"], few["prefixes"], few["truncated"]], [[], ["a/", "b/"], true]);
    const top = await run(bench, server, { list: { delimiter: "/" } });
    assert.deepEqual(
      [(top["objects"] as JsonObject[]).map(({ key }) => key), top["prefixes"], top["truncated"]],
      [["c"], ["a/", "b/", "logs/"], false],
    );
  });

  it("does not follow a list that leads nowhere", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    for (const more of ["", "<NextContinuationToken>a</NextContinuationToken>"]) {
      server.intervene = (_request, response) => {
        response.end(
          `<ListBucketResult><IsTruncated>true</IsTruncated>${more}<Contents><Key>k</Key></Contents></ListBucketResult>`,
        );
        return true;
      };
      const { error } = await bench.fail(s3, at(server, { list: {} }));
      assert.match(error.message, /does not say where it goes on/);
    }
  });

  it("copies and deletes, by version and condition, and not what is locked", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const { etag = "", versionId = "" } = await run(bench, server, { put: { key: "from/ü 1", text: "x" } });
    const lock = { legalHold: true };
    const copied = await run(bench, server, {
      copy: { from: { key: "from/ü 1", ifMatch: etag, versionId }, key: "to", lock },
    });
    assert.equal(copied["etag"], etag);
    assert.equal(server.objects.get("evidence/to")?.bytes.toString(), "x");
    const other = await bench.fail(
      s3,
      at(server, { copy: { from: { key: "from/ü 1", ifMatch: '"other"' }, key: "to" } }),
    );
    assert.equal(other.error.code, "PRECONDITION");
    const locked = await bench.fail(s3, at(server, { delete: { key: "to", versionId: copied["versionId"] ?? "" } }));
    assert.deepEqual([locked.error.code, locked.error.final], ["ACCESS_DENIED", true]);
    assert.match(locked.error.message, /the object is locked/);
    assert.equal((await run(bench, server, { delete: { key: "from/ü 1" } }))["deleteMarker"], true);
    assert.equal((await run(bench, server, { delete: { key: "never there" } }))["key"], "never there");
    assert.equal(server.objects.has("evidence/from/ü 1"), false);
  });

  it("stores only what a condition allows", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const put = async (more: JsonObject): Promise<string> => {
      await run(bench, server, { put: { key: "k", text: "x", ...more } });
      return "stored";
    };
    assert.equal(await put({ ifNoneMatch: "*" }), "stored");
    await assert.rejects(put({ ifNoneMatch: "*" }), /PreconditionFailed.*The object is not as the condition says/);
    await assert.rejects(put({ ifMatch: '"other"' }), /PreconditionFailed/);
    assert.equal(await put({ ifMatch: server.objects.get("evidence/k")!.etag }), "stored");
  });
});

describe("s3@1", () => {
  it("speaks to a bucket in the host name, and with the token of a session", async () => {
    await using server = await s3Server({ ...KEYS, sessionToken: ENVIRONMENT.TOKEN });
    using bench = workbench({ environment: ENVIRONMENT });
    const hosts: string[] = [];
    const type = s3Type({
      resolve: async (host) => {
        hosts.push(host);
        return [{ address: "127.0.0.1", family: 4 }];
      },
    });
    const credentials = {
      accessKeyId: { env: "ID" },
      secretAccessKey: { env: "SECRET" },
      sessionToken: { env: "TOKEN" },
    };
    const input = {
      ...at(server, { put: { key: "a/b", text: "x" } }),
      endpoint: `http://s3.test:${server.port}`,
      style: "virtual",
      credentials,
    };
    await bench.run(type, input);
    assert.deepEqual([hosts, server.seen], [["evidence.s3.test"], ["PUT /a/b"]]);
    assert.ok(server.objects.has("evidence/a/b"));
  });

  it("tells what may work later from what will not", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    for (const [status, code, expected, final] of [
      [503, "SlowDown", "UNAVAILABLE", undefined],
      [500, "InternalError", "UNAVAILABLE", undefined],
      [400, "RequestTimeout", "UNAVAILABLE", undefined],
      [429, "TooManyRequests", "UNAVAILABLE", undefined],
      [409, "ConditionalRequestConflict", "PRECONDITION", undefined],
      [403, "AccessDenied", "ACCESS_DENIED", true],
      [403, "RequestTimeTooSkewed", "ACCESS_DENIED", true],
      [404, "NoSuchBucket", "NOT_FOUND", true],
      [301, "PermanentRedirect", "S3", true],
      [400, "InvalidRequest", "S3", true],
      [501, "NotImplemented", "S3", true],
    ] as const) {
      server.intervene = (_request, response) => {
        refuse(response, status, code);
        return true;
      };
      const { error } = await bench.fail(s3, at(server, { list: {} }));
      assert.deepEqual([error.code, error.final, (error.details as JsonObject)["code"]], [expected, final, code]);
      assert.match(error.message, new RegExp(`^GET evidence/ answered ${status} ${code}: told to\\. `));
    }
    server.intervene = (_request, response) => {
      response.writeHead(502, { "content-type": "text/html" }).end("<html><br>Bad gateway");
      return true;
    };
    assert.equal((await bench.fail(s3, at(server, { list: {} }))).error.code, "UNAVAILABLE");
    server.intervene = (_request, response) => {
      response.end('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><ListBucketResult>&x;</ListBucketResult>');
      return true;
    };
    assert.match(
      (await bench.fail(s3, at(server, { list: {} }))).error.message,
      /something else than ListBucketResult/,
    );
  });

  it("is refused with the wrong secret, the wrong region or the wrong bucket, and says so", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const wrong = { credentials: { accessKeyId: { env: "ID" }, secretAccessKey: { env: "WRONG" } } };
    for (const [more, message] of [
      [wrong, /SignatureDoesNotMatch/],
      [{ region: "us-east-1" }, /AuthorizationHeaderMalformed: the region is not eu-central-1/],
    ] as const) {
      const { error } = await bench.fail(s3, at(server, { head: { key: "k" }, ...more }));
      assert.equal(
        error.code,
        error.details !== undefined && (error.details as JsonObject)["status"] === 400 ? "S3" : "ACCESS_DENIED",
      );
      const listed = await bench.fail(s3, at(server, { list: {}, ...more }));
      assert.deepEqual(
        [listed.error.code, message.test(listed.error.message)],
        ["ACCESS_DENIED", true],
        listed.error.message,
      );
      assert.ok(!listed.error.message.includes(KEYS.secretAccessKey));
    }
    const missing = await bench.fail(s3, { ...at(server, { list: {} }), bucket: "other" });
    assert.deepEqual([missing.error.code, missing.error.final], ["NOT_FOUND", true]);
    const unset = await bench.fail(
      s3,
      at(server, { list: {}, credentials: { accessKeyId: { env: "NONE" }, secretAccessKey: { env: "SECRET" } } }),
    );
    assert.equal(unset.error.code, "CREDENTIAL");
  });

  it("cuts off a store that hangs, and stops when it is called off", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    server.intervene = (_request, response) => {
      response.writeHead(200).write("so far");
      return true;
    };
    for (const operation of [{ get: { key: "k", to: "a" } }, { list: {} }] as JsonObject[]) {
      const { error } = await bench.fail(s3, at(server, { ...operation, timeoutMs: 150 }));
      assert.deepEqual([error.code, error.final], ["TIMEOUT", undefined]);
    }
    assert.deepEqual(readdirSync(bench.dir), []);
    server.intervene = () => {
      bench.abort.abort(new Error("cancelled"));
      return true;
    };
    await assert.rejects(bench.run(s3, at(server, { put: { key: "k", text: "x" } })), /cancelled/);
  });

  it("refuses what it could not keep its word about", async () => {
    using bench = workbench({ environment: ENVIRONMENT });
    const nowhere = { port: 1 };
    for (const [more, message] of [
      [{ head: { key: "a/../b" } }, /key: "a\/\.\.\/b" has a part that is/],
      [{ head: { key: "ü".repeat(600) } }, /more than 1024 bytes/],
      [{ head: { key: "k" }, endpoint: "http://127.0.0.1/path" }, /endpoint: .* has a path or a query/],
      [{ head: { key: "k" }, endpoint: "http://user:pass@127.0.0.1/" }, /holds a user name or password/],
      [{ get: { key: "k", to: "../out" } }, /leads out of the attempt's folder/],
      [{ get: { key: "k", to: "a", range: { start: 5, end: 4 } } }, /ends before it begins/],
      [{ put: { key: "k" } }, /exactly one of `file`, `text` and `json`/],
      [{ put: { key: "k", text: "a", ifMatch: "a", ifNoneMatch: "*" } }, /not both/],
    ] as const) {
      const { error } = await bench.fail(s3, at(nowhere, more));
      assert.deepEqual([error.code, message.test(error.message)], ["INPUT_INVALID", true], error.message);
    }
    const check = compileSchema(s3.description.input);
    for (const operation of [
      {},
      { put: { key: "k", text: "x" }, get: { key: "k", to: "a" } },
      { put: { key: "k", text: "x", metadata: { a: "two\r\nlines" } } },
      { put: { key: "k", text: "x", contentType: "a\r\nb" } },
      { put: { key: "k", text: "x", lock: { mode: "COMPLIANCE" } } },
      { put: { key: "k", text: "x", partBytes: 1 } },
      { head: { key: "" } },
      { list: { limit: 10_001 } },
    ] as JsonObject[])
      assert.notDeepEqual(check(at(nowhere, operation)), [], JSON.stringify(operation));
    const blocked = await bench.fail(s3, { ...at(nowhere, { list: {} }), allowPrivate: [] });
    assert.equal(blocked.error.code, "BLOCKED_ADDRESS");
  });
});
