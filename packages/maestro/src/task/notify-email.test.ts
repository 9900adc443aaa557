import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { SMTPServer } from "smtp-server";
import type { SMTPServerOptions } from "smtp-server";
import type { JsonObject } from "../core/json.ts";
import { certificateFor } from "../../test/support/certificate.ts";
import { need } from "../../test/support/need.ts";
import { workbench } from "../../test/support/run-task.ts";
import { compileSchema } from "./json-schema.ts";
import { notify } from "./notify.ts";

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly secure: boolean;
  readonly user: string | undefined;
  readonly message: string;
}

interface MailServer extends AsyncDisposable {
  readonly port: number;
  readonly mails: Mail[];
}

/** A real SMTP server on a free port; who refuses, says so with a status and words. */
async function mailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    onAuth: ({ username = "", password }, _session, callback) =>
      password === "correct" ? callback(null, { user: username }) : callback(refusal(535, "Wrong password")),
    onRcptTo: ({ address }, _session, callback) => {
      if (address.startsWith("nobody")) callback(refusal(550, "No such user"));
      else if (address.startsWith("full")) callback(refusal(452, "Mailbox full"));
      else callback();
    },
    onData: (stream, session, callback) => {
      const take = async (): Promise<void> => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          secure: session.secure,
          user: session.user,
          message: await text(stream),
        });
        callback();
      };
      void take();
    },
    ...options,
  });
  // A client that turns away from a certificate is what some of these tests are about.
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** A server that speaks no SMTP. */
async function tcpServer(greet: (socket: Socket) => void): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => socket.destroy()));
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function refusal(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}

const ENVIRONMENT = { SMTP_USER: "maestro", SMTP_PASSWORD: "correct", WRONG: "incorrect" };
const AUTH = { user: { env: "SMTP_USER" }, password: { env: "SMTP_PASSWORD" } };

function mail(server: JsonObject, more: JsonObject = {}, notification: JsonObject = { title: "Down" }): JsonObject {
  return {
    notification,
    to: {
      email: {
        server: { host: "127.0.0.1", ...server },
        from: "Maestro <maestro@example.com>",
        to: ["ops@example.com"],
        ...more,
      },
    },
    allowPrivate: ["127.0.0.1"],
  };
}

describe("notify@1 by mail", () => {
  it("sends plain text and escaped HTML, with headers that programs go by", async () => {
    await using server = await mailServer({ hideSTARTTLS: true });
    using bench = workbench();
    const input = mail(
      { port: server.port, security: "none" },
      { to: ["Ops Übersee <ops@example.com>", "second@example.com"], html: true },
      {
        title: "Größe <b>over</b> limit",
        text: "first line\n.\nsecond <script>",
        severity: "critical",
        fields: [{ name: "Host", value: "a&b" }],
        link: { url: "https://shop.example.com/?a=1&b=2" },
      },
    );
    const output = (await bench.run(notify, input)) as JsonObject;
    assert.deepEqual([output["channel"], output["accepted"]], ["email", 2]);
    const [seen] = server.mails;
    assert.ok(seen !== undefined);
    assert.deepEqual([seen.from, seen.to], ["maestro@example.com", ["ops@example.com", "second@example.com"]]);
    const header = seen.message.slice(0, seen.message.indexOf("\r\n\r\n"));
    assert.match(header, /^From: Maestro <maestro@example\.com>\r$/m);
    assert.match(header, /^Message-ID: <[0-9a-f]{32}@example\.com>\r$/im);
    assert.match(header, /^Auto-Submitted: auto-generated\r$/im);
    assert.match(header, /^X-Maestro-Run: r_0123456789abcdefghj\r$/im);
    assert.match(header, /^Importance: High\r$/im);
    assert.match(header, /^Subject: =\?UTF-8\?/im);
    const body = seen.message.replaceAll(/=\r\n/g, "").replaceAll("=3D", "=");
    assert.ok(body.includes("second <script>"), body);
    assert.ok(body.includes("second &lt;script&gt;"), body);
    assert.ok(body.includes("Host: a&b"));
    assert.ok(body.includes('href="https://shop.example.com/?a=1&amp;b=2"'));
    assert.ok(!header.includes("<b>"));
  });

  it("has one Message-ID for all attempts", async () => {
    await using server = await mailServer({ hideSTARTTLS: true });
    using bench = workbench();
    for (let i = 0; i < 2; i++) await bench.run(notify, mail({ port: server.port, security: "none" }));
    const ids = server.mails.map(({ message }) => /^Message-ID: (.*)$/im.exec(message)?.[1]);
    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
  });

  it("tells what is refused for good from what may work later", async () => {
    await using server = await mailServer({ hideSTARTTLS: true });
    using bench = workbench();
    const to = (...addresses: readonly string[]): JsonObject =>
      mail({ port: server.port, security: "none" }, { to: addresses });
    const nobody = await bench.fail(notify, to("nobody@example.com"));
    assert.deepEqual([nobody.error.code, nobody.error.final], ["NOTIFY_REJECTED", true]);
    assert.match(nobody.error.message, /No such user.*Check the sender and the recipients/);
    const full = await bench.fail(notify, to("full@example.com"));
    assert.deepEqual([full.error.code, full.error.final], ["NOTIFY_UNREACHABLE", undefined]);
    const some = await bench.fail(notify, to("nobody@example.com", "ops@example.com"));
    assert.deepEqual([some.error.code, some.error.final], ["NOTIFY_REJECTED", true]);
    assert.match(some.error.message, /refused 1 of 2 recipients: nobody@example\.com. The others get the message/);
    assert.deepEqual(
      server.mails.map((one) => one.to),
      [["ops@example.com"]],
    );
  });

  it("cuts off a server that hangs, and says when it speaks another language or nobody is there", async () => {
    using bench = workbench();
    {
      await using silent = await tcpServer(() => undefined);
      const { error } = await bench.fail(notify, { ...mail({ port: silent.port, security: "none" }), timeoutMs: 150 });
      assert.equal(error.code, "TIMEOUT");
      assert.match(error.message, /^The mail server 127\.0\.0\.1:\d+ did not take the message within 150 ms/);
    }
    const others: readonly ((socket: Socket) => void)[] = [
      (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
      (socket) => socket.write("220-".padEnd(1 << 20, "x")),
      (socket) => socket.destroy(),
      (socket) => socket.end("421 too busy\r\n"),
    ];
    for (const greet of others) {
      await using server = await tcpServer(greet);
      const { error } = await bench.fail(notify, mail({ port: server.port, security: "none" }));
      assert.deepEqual([error.code, error.final], ["NOTIFY_UNREACHABLE", undefined], error.message);
    }
    const { error } = await bench.fail(notify, mail({ port: 1, security: "none" }));
    assert.equal(error.code, "NOTIFY_UNREACHABLE");
    assert.match(error.message, /ECONNREFUSED/);
  });

  it("calls no private server unasked, and sends no password without encryption", async () => {
    using bench = workbench({ environment: ENVIRONMENT });
    const { error } = await bench.fail(notify, { ...mail({ port: 25 }), allowPrivate: [] });
    assert.deepEqual([error.code, error.final], ["BLOCKED_ADDRESS", true]);
    const plain = await bench.fail(notify, mail({ security: "none", ...AUTH }));
    assert.match(plain.error.message, /a password is not sent over a connection without encryption/);
  });

  it("takes no address that could be a second header or a second recipient", () => {
    const check = compileSchema(notify.description.input);
    const attacks = [
      "a@b.c\r\nBcc: x@y.z",
      "a@b.c, x@y.z",
      "a@b.c\n",
      "A\nB <a@b.c>",
      "A <a@b.c> <x@y.z>",
      "<a@b.c>",
      '"a b"@c.d',
      "a",
      "",
    ];
    for (const address of attacks) {
      assert.notDeepEqual(check(mail({}, { to: [address] })), [], JSON.stringify(address));
      assert.notDeepEqual(check(mail({}, { from: address })), [], JSON.stringify(address));
    }
    assert.notDeepEqual(check(mail({}, { to: Array.from({ length: 51 }, (_, i) => `a${i}@b.c`) })), []);
    assert.notDeepEqual(check(mail({}, {}, { title: "a\r\nBcc: x@y.z" })), []);
    assert.deepEqual(check(mail({}, { to: ["a@b.c", "Ünal O'Neil <o'neil+x@b-c.example>"] })), []);
  });
});

describe("notify@1 by mail over TLS", need("openssl"), () => {
  const folder = mkdtempSync(join(tmpdir(), "maestro-certificate-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const good = (): ReturnType<typeof certificateFor> => certificateFor("127.0.0.1", folder);
  const wrong = (): ReturnType<typeof certificateFor> => certificateFor("mail.example.com", folder);

  for (const security of ["starttls", "tls"]) {
    it(`encrypts (${security}), verifies, and then logs in`, async () => {
      const { cert, key, path } = good();
      await using server = await mailServer({ cert, key, secure: security === "tls", authOptional: false });
      using bench = workbench({ environment: ENVIRONMENT });
      await bench.run(notify, mail({ port: server.port, security, ca: path, ...AUTH }));
      assert.deepEqual([server.mails[0]?.secure, server.mails[0]?.user], [true, "maestro"]);
      assert.ok(!JSON.stringify(bench.events).includes("correct"));

      const denied = await bench.fail(
        notify,
        mail({ port: server.port, security, ca: path, ...AUTH, password: { env: "WRONG" } }),
      );
      assert.deepEqual([denied.error.code, denied.error.final], ["NOTIFY_REJECTED", true]);
      assert.match(denied.error.message, /Wrong password.*Check the user name and the password/);
      assert.ok(!JSON.stringify(denied.error).includes("incorrect"));

      const unknown = await bench.fail(notify, mail({ port: server.port, security, ...AUTH }));
      assert.deepEqual([unknown.error.code, unknown.error.final], ["TLS", true]);
      assert.match(unknown.error.message, /has no trustworthy TLS connection: .*self-signed certificate/);
      assert.equal(server.mails.length, 1);
    });

    it(`believes no certificate of another name (${security})`, async () => {
      const { cert, key, path } = wrong();
      await using server = await mailServer({ cert, key, secure: security === "tls" });
      using bench = workbench();
      const { error } = await bench.fail(notify, mail({ port: server.port, security, ca: path }));
      assert.equal(error.code, "TLS");
      assert.match(error.message, /does not match certificate/);
    });
  }

  it("sends nothing where STARTTLS is not offered", async () => {
    await using server = await mailServer({ hideSTARTTLS: true });
    using bench = workbench();
    const { error } = await bench.fail(notify, mail({ port: server.port }));
    assert.deepEqual([error.code, error.final], ["TLS", true]);
    assert.equal(server.mails.length, 0);
  });

  it("says which file it cannot read", async () => {
    using bench = workbench();
    const { error } = await bench.fail(notify, mail({ ca: "none.pem" }));
    assert.equal(error.code, "NOT_FOUND");
    assert.match(error.message, /none\.pem does not exist/);
  });
});
