import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { need } from "../../../test/support/need.ts";
import { TimestampAuthority } from "../../../test/support/timestamp-authority.ts";
import { timestampRequest } from "./request.ts";
import type { CheckTimestamp } from "./verify.ts";
import { timestampCheck } from "./verify.ts";

const DATA = Buffer.from("example.com/ledger\n3\nrrazvidqcKFPsGel5VeCZNsPqbUa9eoVkViPMp4G53c=\n");

describe("a timestamp", need("openssl"), () => {
  let dir: string;
  let authority: TimestampAuthority;
  let check: CheckTimestamp;
  const nonce = randomBytes(16);
  let reply: Buffer;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-tsa-"));
    authority = TimestampAuthority.make(join(dir, "a"));
    check = await timestampCheck(authority.root);
    reply = authority.reply(timestampRequest(DATA, nonce));
  });
  after(() => rmSync(dir, { recursive: true }));

  it("is asked for in words that OpenSSL understands", () => {
    const path = join(dir, "request.tsq");
    for (const odd of [nonce, Buffer.alloc(16), Buffer.alloc(16, 0xff), Buffer.from(`00${"01".repeat(15)}`, "hex")]) {
      writeFileSync(path, timestampRequest(DATA, odd));
      const text = execFileSync("openssl", ["ts", "-query", "-in", path, "-text"], { encoding: "utf8" });
      assert.match(text, /Hash Algorithm: sha256/);
      assert.match(text, /Certificate required: yes/);
      const shown = /Nonce: 0x([0-9A-F]+)/.exec(text)?.[1] ?? "0";
      assert.equal(BigInt(`0x${shown}`), BigInt(`0x${odd.toString("hex")}`));
    }
  });

  it("says when the data was there, and who says so", () => {
    const { at, authority: who } = check(reply, DATA, nonce);
    assert.ok(Math.abs(at - Date.now()) < 120_000);
    assert.equal(who, "O=Test, CN=Test Timestamps");
  });

  it("is believed of authorities with RSA keys too, and where the signer itself is trusted", async () => {
    const other = TimestampAuthority.make(join(dir, "rsa"), { key: "rsa" });
    const told = other.reply(timestampRequest(DATA, nonce));
    assert.ok((await timestampCheck(other.root))(told, DATA, nonce).at > 0);
    const pinned = await timestampCheck(readFileSync(join(dir, "rsa", "signer.pem"), "utf8"));
    assert.ok(pinned(told, DATA).at > 0);
  });

  it("is about these bytes and this question only", () => {
    assert.throws(() => check(reply, Buffer.from("other"), nonce), /message imprint does not match/);
    assert.throws(() => check(reply, DATA, randomBytes(16)), /the nonce is not the one that was sent/);
  });

  it("is worth nothing from somebody who is not trusted", async () => {
    const stranger = TimestampAuthority.make(join(dir, "stranger"));
    const told = stranger.reply(timestampRequest(DATA, nonce));
    assert.throws(() => check(told, DATA, nonce), /no trusted certificate stands behind O=Test, CN=Test Timestamps/);
    await assert.rejects(timestampCheck("nonsense"), /there is no certificate in it/);
  });

  it("is worth nothing from a certificate that may do more, or was not valid, or is not named", async () => {
    const { RFC3161Timestamp } = await import("@sigstore/core");
    const info = RFC3161Timestamp.parse(reply as Buffer<ArrayBuffer>).tstInfo.raw;
    assert.ok(check(authority.forge(info), DATA, nonce).at > 0, "what is forged here is sound but for one thing");
    const long = Buffer.from(info.toString("latin1").replace(/20\d{12}Z/, "20010101000000Z"), "latin1");
    assert.throws(
      () => check(authority.forge(long), DATA),
      /CN=Test Timestamps was not valid at 2001-01-01T00:00:00.000Z/,
    );
    for (const usage of ["timeStamping", "critical,timeStamping,codeSigning", "critical,emailProtection"]) {
      const wide = TimestampAuthority.make(join(dir, "wide"), { usage });
      const checkWide = await timestampCheck(wide.root);
      assert.throws(() => checkWide(wide.forge(info), DATA), /is not for timestamps alone/, usage);
    }
  });

  it("survives no flipped bit", () => {
    fc.assert(
      fc.property(fc.nat({ max: reply.length - 1 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const changed = Buffer.from(reply);
        changed[at] = changed[at]! ^ (1 << bit);
        let said: unknown;
        try {
          said = check(changed, DATA, nonce);
        } catch (error) {
          assert.ok(error instanceof SyntaxError, String(error));
          return;
        }
        // What is not signed may change: the words beside the status, a second certificate. The time may not.
        assert.deepEqual(said, check(reply, DATA, nonce));
      }),
      { numRuns: 400 },
    );
  });

  for (const [name, bytes] of [
    ["nothing", Buffer.alloc(0)],
    ["no DER", Buffer.from("<html>")],
    ["a refusal", Buffer.from("30053003020102", "hex")],
    ["a grant without a token", Buffer.from("30053003020100", "hex")],
    ["too much", Buffer.alloc(70_000)],
  ] as const) {
    it(`is not ${name}`, () => assert.throws(() => check(bytes, DATA), SyntaxError));
  }
});
