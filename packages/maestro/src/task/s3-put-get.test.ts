import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import { ENVIRONMENT, KEYS, at, digest, run } from "../../test/support/s3-input.ts";
import { refuse, s3Server } from "../../test/support/s3-server.ts";
import { s3 } from "./s3.ts";

const PART = 5 * 1024 * 1024;

describe("s3@1 put and get", () => {
  it("stores a file and fetches it again, with all that is known about it", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const bytes = randomBytes(100_000);
    writeFileSync(join(bench.base, "a.tgz"), bytes);
    const key = "releases/ü (1)+2 & 'three'~!*/a b?c#d%2F.tgz";
    const put = {
      key,
      file: "a.tgz",
      contentType: "application/gzip",
      metadata: { ticket: "OPS-1" },
      sha256: digest(bytes),
    };
    const stored = await run(bench, server, { put });
    const there = server.objects.get(`evidence/${key}`);
    assert.ok(there !== undefined);
    assert.deepEqual(stored, {
      key,
      bytes: 100_000,
      digest: digest(bytes),
      parts: 1,
      etag: there.etag,
      versionId: there.versionId,
    });
    assert.ok(there.bytes.equals(bytes));

    const fetched = await run(bench, server, { get: { key, to: "in/a.tgz", sha256: digest(bytes) } });
    assert.deepEqual(
      [fetched["bytes"], fetched["digest"], fetched["verified"]],
      [100_000, digest(bytes), ["input", "checksum", "metadata"]],
    );
    assert.deepEqual(fetched["metadata"], { ticket: "OPS-1", "maestro-sha256": digest(bytes).slice(7) });
    assert.deepEqual([fetched["contentType"], fetched["versionId"]], ["application/gzip", there.versionId]);
    assert.ok(readFileSync(join(bench.dir, "in/a.tgz")).equals(bytes));
    assert.deepEqual(
      bench.events.filter(({ kind }) => kind === "artifact"),
      [{ kind: "artifact", name: "in/a.tgz", path: join(bench.dir, "in/a.tgz") }],
    );
    assert.ok(!JSON.stringify(bench.events).includes(KEYS.secretAccessKey));
  });

  it("stores text, JSON and nothing at all", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    writeFileSync(join(bench.base, "empty"), "");
    for (const put of [
      { key: "t", text: "größe" },
      { key: "j", json: { a: [1] } },
      { key: "e", file: "empty" },
      { key: "n", text: "" },
    ] as JsonObject[])
      await run(bench, server, { put });
    const found = ["t", "j", "e", "n"].map((key) => server.objects.get(`evidence/${key}`));
    assert.deepEqual(
      found.map((one) => [one?.bytes.toString("utf8"), one?.headers["content-type"]]),
      [
        ["größe", "text/plain; charset=utf-8"],
        ['{"a":[1]}', "application/json"],
        ["", "application/octet-stream"],
        ["", "text/plain; charset=utf-8"],
      ],
    );
  });

  it("sends a large file in parts, each with its checksum, and fetches it whole", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const bytes = randomBytes(2 * PART + 12_345);
    writeFileSync(join(bench.base, "large"), bytes);
    const lock = { mode: "COMPLIANCE", retainUntil: "2099-01-01T00:00:00+01:00", legalHold: true };
    const stored = await run(bench, server, {
      put: { key: "large", file: "large", partBytes: PART, ifNoneMatch: "*", lock },
    });
    assert.deepEqual([stored["parts"], stored["bytes"], stored["digest"]], [3, bytes.length, digest(bytes)]);
    assert.match(JSON.stringify(stored["etag"]), /^"\\"[0-9a-f]{32}-3\\""$/);
    assert.ok(server.objects.get("evidence/large")?.bytes.equals(bytes));
    assert.equal(server.uploads.size, 0);
    assert.equal(bench.events.filter(({ kind }) => kind === "progress").length, 3);
    const fetched = await run(bench, server, { get: { key: "large", to: "large" } });
    assert.deepEqual([fetched["digest"], fetched["verified"]], [digest(bytes), ["metadata"]]);
    assert.deepEqual(fetched["lock"], { mode: "COMPLIANCE", retainUntil: "2098-12-31T23:00:00.000Z", legalHold: true });
    const again = await bench.fail(
      s3,
      at(server, { put: { key: "large", file: "large", partBytes: PART, ifNoneMatch: "*" } }),
    );
    assert.deepEqual([again.error.code, again.error.final], ["PRECONDITION", true]);
    assert.equal(server.uploads.size, 0, "what was not completed was taken back");
  });

  it("takes an upload back when a part fails, and says what failed", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    writeFileSync(join(bench.base, "large"), randomBytes(PART + 1));
    server.intervene = (request, response) => {
      if (request.url?.includes("partNumber=2") !== true) return false;
      refuse(response, 503, "SlowDown");
      return true;
    };
    const input = at(server, { put: { key: "large", file: "large", partBytes: PART } });
    const { error } = await bench.fail(s3, input);
    assert.deepEqual([error.code, error.final], ["UNAVAILABLE", undefined]);
    assert.deepEqual([server.uploads.size, server.objects.size], [0, 0]);
    server.intervene = (request, response) => {
      if (request.method !== "POST" || request.url?.includes("uploadId") !== true) return false;
      // S3 may only notice after it began to answer.
      response.writeHead(200).end("<Error><Code>InternalError</Code><Message>again</Message></Error>");
      return true;
    };
    const late = await bench.fail(s3, input);
    assert.deepEqual([late.error.code, late.error.details], ["UNAVAILABLE", { status: 200, code: "InternalError" }]);
    assert.equal(server.uploads.size, 0);
  });

  it("fetches a part, and no more than the limit", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    await run(bench, server, { put: { key: "k", text: "0123456789" } });
    const part = await run(bench, server, { get: { key: "k", to: "part", range: { start: 2, end: 4 } } });
    assert.deepEqual([readFileSync(join(bench.dir, "part"), "utf8"), part["bytes"], part["verified"]], ["234", 3, []]);
    await run(bench, server, { get: { key: "k", to: "rest", range: { start: 8 } } });
    assert.equal(readFileSync(join(bench.dir, "rest"), "utf8"), "89");
    const large = await bench.fail(s3, at(server, { get: { key: "k", to: "x", maxBytes: 9 } }));
    assert.deepEqual([large.error.code, large.error.final], ["TOO_LARGE", true]);
    server.intervene = (_request, response) => {
      response.writeHead(200).end("x".repeat(1000)); // Without a length.
      return true;
    };
    assert.equal(
      (await bench.fail(s3, at(server, { get: { key: "k", to: "x", maxBytes: 9 } }))).error.code,
      "TOO_LARGE",
    );
    const whole = await bench.fail(s3, at(server, { get: { key: "k", to: "x", range: { start: 1 } } }));
    assert.match(whole.error.message, /answered with the whole object although a part was asked for/);
    assert.deepEqual(readdirSync(bench.dir).sort(), ["part", "rest"], "nothing half is left");
  });

  it("keeps nothing that is not what it should be", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    await run(bench, server, { put: { key: "k", text: "right" } });
    const other = await bench.fail(s3, at(server, { get: { key: "k", to: "a", sha256: digest("wrong") } }));
    assert.deepEqual([other.error.code, other.error.final], ["CHECKSUM", true]);
    const stored = server.objects.get("evidence/k")!;
    server.objects.set("evidence/k", { ...stored, bytes: Buffer.from("ritgh") });
    const damaged = await bench.fail(s3, at(server, { get: { key: "k", to: "a" } }));
    assert.deepEqual([damaged.error.code, damaged.error.final], ["CHECKSUM", undefined]);
    assert.match(damaged.error.message, /the store's checksum says sha256:[0-9a-f]{64}/);
    server.intervene = (_request, response) => {
      response.writeHead(200, { "content-length": "100" }).write("half");
      response.destroy();
      return true;
    };
    assert.equal((await bench.fail(s3, at(server, { get: { key: "k", to: "a" } }))).error.code, "UNAVAILABLE");
    assert.ok(!existsSync(join(bench.dir, "a")));
    const nothing = await bench.fail(s3, at(server, { put: { key: "k", text: "right", sha256: digest("wrong") } }));
    assert.match(nothing.error.message, /Nothing was sent/);
  });

  it("notices a file that changes while it is sent", async () => {
    await using server = await s3Server(KEYS);
    using bench = workbench({ environment: ENVIRONMENT });
    const path = join(bench.base, "large");
    writeFileSync(path, Buffer.alloc(PART * 2, 1));
    server.intervene = (request) => {
      if (request.url?.includes("uploads") === true) writeFileSync(path, Buffer.alloc(PART * 2, 2));
      return false;
    };
    const changed = await bench.fail(s3, at(server, { put: { key: "k", file: "large", partBytes: PART } }));
    assert.equal(changed.error.code, "CHECKSUM");
    assert.match(changed.error.message, /did the file change meanwhile/);
    server.intervene = (request) => {
      if (request.url?.includes("uploads") === true) truncateSync(path, 10);
      return false;
    };
    const shorter = await bench.fail(s3, at(server, { put: { key: "k", file: "large", partBytes: PART } }));
    assert.deepEqual([shorter.error.code, shorter.error.final], ["UNAVAILABLE", undefined]);
    assert.deepEqual([server.objects.size, server.uploads.size], [0, 0]);
  });
});
