import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { certificateFor } from "../../packages/maestro/test/support/certificate.ts";
import { Place } from "../../packages/maestro/test/support/maestro.ts";
import { need } from "../../packages/maestro/test/support/need.ts";

// The runbook for real: an HTTPS service in a process of its own, openssl, and clients that verify.

const RUNBOOK = fileURLToPath(new URL("key-rotation.maestro.yaml", import.meta.url));
const PURPOSE = ["--purpose", "maintenance", "--authority", "CHG-12"];

/** An ordinary service: it reads its certificate at the start, and at SIGHUP unless it is stubborn. */
const SERVICE = `
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
const files = () => ({ key: readFileSync("tls/current/key.pem"), cert: readFileSync("tls/current/cert.pem") });
const server = createServer(files(), (_, response) => response.end("ok"));
process.on("SIGHUP", () => process.argv[2] === "stubborn" || server.setSecureContext(files()));
server.on("tlsClientError", () => undefined);
server.listen(0, "127.0.0.1", () => process.stdout.write(String(server.address().port)));
`;

interface Run {
  readonly run: { readonly id: string; readonly status: string; readonly planDigest: string };
  readonly outputs: Readonly<Record<string, string>>;
  readonly error: { readonly code: string; readonly message: string } | null;
}

describe("key-rotation", need("openssl"), () => {
  let place: Place;
  let service: ChildProcess | undefined;
  /** Fingerprint of the certificate at the start. */
  let old = "";

  before(async () => {
    place = await Place.make({ "service.mjs": SERVICE });
  });
  after(() => place.remove());
  beforeEach(() => {
    const version = tls("versions/first");
    rmSync(tls(""), { recursive: true, force: true });
    mkdirSync(version, { recursive: true });
    const { cert, key } = certificateFor("localhost", place.dir);
    writeFileSync(join(version, "cert.pem"), cert);
    writeFileSync(join(version, "key.pem"), key, { mode: 0o600 });
    writeFileSync(tls("trust.pem"), cert);
    symlinkSync("versions/first", tls("current"));
    old = new X509Certificate(cert).fingerprint256;
  });

  it("waits for a person, then changes the key of the running service and proves it", async () => {
    await using running = await serve();
    const waiting = await start(running.port, 10);
    assert.equal(waiting.run.status, "running");
    assert.equal(await shown(running.port, "trust.pem"), old, "nothing has changed yet");
    assert.equal(certificatesIn("trust.pem"), 2, "clients trust both");

    const asked = await maestro(["approvals"], 0);
    assert.match(asked.out, /Give 127\.0\.0\.1:\d+ a new key\? Old certificate ([0-9A-F]{2}:){31}[0-9A-F]{2} \(until /);
    await maestro(
      ["approve", waiting.run.id, "--plan", waiting.run.planDigest, "--reason", "Yearly rotation", "--yes"],
      0,
    );
    const { run, outputs } = await watch(waiting, 0);
    assert.equal(run.status, "succeeded");
    assert.deepEqual([outputs["before"], outputs["after"] === old], [old, false]);
    assert.equal(await shown(running.port, "trust.pem"), outputs["after"], "a client that trusts the new one alone");
    assert.equal(certificatesIn("trust.pem"), 1);
    await assert.rejects(shown(running.port, "versions/first/cert.pem"), /self-signed certificate/);
    assert.equal(statSync(tls("current/key.pem")).mode & 0o777, 0o600);
    assert.ok(!existsSync(tls("versions/first/key.pem")), "the old key is gone");

    await maestro(["show", run.id, "--artifacts", "--save", "out"], 0);
    assert.deepEqual(readdirSync(join(place.dir, "out")), ["generate"], "the certificate alone left the folder");
    await maestro(["receipt", "export", run.id, "--to", "receipt"], 0);
    const verify = [
      "verify",
      "receipt/receipt.json",
      "--trust-root",
      "receipt/trust-root.json",
      "--status",
      "succeeded",
    ];
    await maestro([...verify, "--subject", "out/generate/cert.pem"], 0);
    const key = readFileSync(tls("current/key.pem"), "utf8").split("\n")[1] ?? "";
    for (const file of ["receipt/receipt.json", "data/maestro.db"])
      assert.ok(!readFileSync(join(place.dir, file)).includes(key), `the key is in ${file}`);
  });

  it("takes everything back when the service does not show the new certificate", async () => {
    await using running = await serve("stubborn");
    const waiting = await start(running.port, 10);
    await maestro(["approve", waiting.run.id, "--plan", waiting.run.planDigest, "--reason", "Go", "--yes"], 0);
    const { run, error } = await watch(waiting, 1);
    assert.equal(run.status, "failed");
    assert.match(error?.message ?? "", /the service still shows ([0-9A-F]{2}:){31}/);
    await assertUntouched(running.port);
  });

  it("changes nothing when the answer is no", async () => {
    await using running = await serve();
    const waiting = await start(running.port, 10);
    await maestro(
      ["deny", waiting.run.id, "--plan", waiting.run.planDigest, "--reason", "Not on a Friday", "--yes"],
      0,
    );
    assert.equal((await watch(waiting, 3)).run.status, "denied");
    await assertUntouched(running.port);
  });

  it("begins nothing where the folder is not what the service uses", async () => {
    await using running = await serve();
    const { cert, key } = certificateFor("localhost", place.dir);
    writeFileSync(tls("versions/first/cert.pem"), cert);
    writeFileSync(tls("versions/first/key.pem"), key);
    const { error } = await start(running.port, 1);
    assert.match(error?.message ?? "", /the service uses another certificate than tls\/current/);
    assert.deepEqual(readdirSync(tls("versions")), ["first"]);
    assert.equal(certificatesIn("trust.pem"), 1);
  });

  /** As it was before: the same certificate on the wire, the same version current, the same trust, no new key. */
  async function assertUntouched(port: number): Promise<void> {
    assert.equal(await shown(port, "trust.pem"), old);
    assert.equal(readlinkSync(tls("current")), "versions/first");
    assert.deepEqual(readdirSync(tls("versions")), ["first"], "the new key is gone");
    assert.equal(certificatesIn("trust.pem"), 1);
    assert.ok(existsSync(tls("versions/first/key.pem")));
  }

  async function start(port: number, code: number): Promise<Run> {
    const inputs = ["folder=tls", `address=127.0.0.1:${port}`, `reload=kill -HUP ${service?.pid}`, "overlap=100ms"];
    const args = ["run", RUNBOOK, ...PURPOSE, "--no-wait", "-o", "json", ...inputs.flatMap((input) => ["-i", input])];
    return JSON.parse((await maestro(args, code)).out) as Run;
  }

  async function watch({ run }: Run, code: number): Promise<Run> {
    return JSON.parse((await maestro(["watch", run.id, "-o", "json"], code)).out) as Run;
  }

  async function maestro(
    args: readonly string[],
    code: number,
  ): Promise<{ readonly out: string; readonly err: string }> {
    const ended = await place.run(args);
    assert.equal(ended.code, code, `maestro ${args.join(" ")}\n${ended.out}\n${ended.err}`);
    return ended;
  }

  async function serve(...args: readonly string[]): Promise<AsyncDisposable & { readonly port: number }> {
    const child = spawn(process.execPath, ["service.mjs", ...args], {
      cwd: place.dir,
      stdio: ["ignore", "pipe", "inherit"],
    });
    service = child;
    const port = await new Promise<number>((resolve) =>
      child.stdout.once("data", (bytes) => resolve(Number(String(bytes)))),
    );
    return {
      port,
      [Symbol.asyncDispose]: () =>
        new Promise((resolve) => {
          child.once("exit", () => resolve());
          child.kill();
        }),
    };
  }

  function tls(path: string): string {
    return join(place.dir, "tls", path);
  }

  function certificatesIn(path: string): number {
    return readFileSync(tls(path), "utf8").split("BEGIN CERTIFICATE").length - 1;
  }

  /** The fingerprint that a client gets who trusts what is in a file; rejects where it does not trust the service. */
  async function shown(port: number, trust: string): Promise<string> {
    const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ca: readFileSync(tls(trust)) });
    try {
      await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
      return socket.getPeerCertificate().fingerprint256;
    } finally {
      socket.destroy();
    }
  }
});
