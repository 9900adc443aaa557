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
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
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

describe("key-rotation", { concurrency: true, ...need("openssl") }, () => {
  it("waits for a person, then changes the key of the running service and proves it", async () => {
    await using scene = await Scene.open();
    const waiting = await scene.start(10);
    assert.equal(waiting.run.status, "running");
    assert.equal(await scene.shown("trust.pem"), scene.old, "nothing has changed yet");
    assert.equal(scene.certificatesIn("trust.pem"), 2, "clients trust both");

    const asked = await scene.maestro(["approvals"], 0);
    assert.match(asked.out, /Give 127\.0\.0\.1:\d+ a new key\? Old certificate ([0-9A-F]{2}:){31}[0-9A-F]{2} \(until /);
    await scene.maestro(
      ["approve", waiting.run.id, "--plan", waiting.run.planDigest, "--reason", "Yearly rotation", "--yes"],
      0,
    );
    const { run, outputs } = await scene.watch(waiting, 0);
    assert.equal(run.status, "succeeded");
    assert.deepEqual([outputs["before"], outputs["after"] === scene.old], [scene.old, false]);
    assert.equal(await scene.shown("trust.pem"), outputs["after"], "a client that trusts the new one alone");
    assert.equal(scene.certificatesIn("trust.pem"), 1);
    await assert.rejects(scene.shown("versions/first/cert.pem"), /self-signed certificate/);
    assert.equal(statSync(scene.tls("current/key.pem")).mode & 0o777, 0o600);
    assert.ok(!existsSync(scene.tls("versions/first/key.pem")), "the old key is gone");

    await scene.maestro(["show", run.id, "--artifacts", "--save", "out"], 0);
    assert.deepEqual(readdirSync(join(scene.dir, "out")), ["generate"], "the certificate alone left the folder");
    const key = readFileSync(scene.tls("current/key.pem"), "utf8").split("\n")[1] ?? "";
    for (const folder of ["data", "out"])
      for (const file of filesIn(join(scene.dir, folder)))
        assert.ok(!readFileSync(file).includes(key), `the key is in ${file}`);
  });

  it("takes everything back when the service does not show the new certificate", async () => {
    await using scene = await Scene.open("stubborn");
    const waiting = await scene.start(10);
    await scene.maestro(["approve", waiting.run.id, "--plan", waiting.run.planDigest, "--reason", "Go", "--yes"], 0);
    const { run, error } = await scene.watch(waiting, 1);
    assert.equal(run.status, "failed");
    assert.match(error?.message ?? "", /the service still shows ([0-9A-F]{2}:){31}/);
    await scene.assertUntouched();
  });

  it("begins nothing where the folder is not what the service uses", async () => {
    await using scene = await Scene.open();
    const { cert, key } = certificateFor("localhost", scene.dir);
    writeFileSync(scene.tls("versions/first/cert.pem"), cert);
    writeFileSync(scene.tls("versions/first/key.pem"), key);
    const { error } = await scene.start(1);
    assert.match(error?.message ?? "", /the service uses another certificate than tls\/current/);
    assert.deepEqual(readdirSync(scene.tls("versions")), ["first"]);
    assert.equal(scene.certificatesIn("trust.pem"), 1);
  });
});

/** A folder with a data directory, certificates, and the service that uses them. */
class Scene {
  readonly dir: string;
  /** Fingerprint of the certificate at the start. */
  readonly old: string;
  readonly #place: Place;
  readonly #service: ChildProcess;
  readonly #port: number;

  private constructor(place: Place, old: string, service: ChildProcess, port: number) {
    this.dir = place.dir;
    this.old = old;
    this.#place = place;
    this.#service = service;
    this.#port = port;
  }

  static async open(...args: readonly string[]): Promise<Scene> {
    const place = await Place.make({ "service.mjs": SERVICE });
    const version = join(place.dir, "tls/versions/first");
    mkdirSync(version, { recursive: true });
    const { cert, key } = certificateFor("localhost", place.dir);
    writeFileSync(join(version, "cert.pem"), cert);
    writeFileSync(join(version, "key.pem"), key, { mode: 0o600 });
    writeFileSync(join(place.dir, "tls/trust.pem"), cert);
    symlinkSync("versions/first", join(place.dir, "tls/current"));
    const service = spawn(process.execPath, ["service.mjs", ...args], {
      cwd: place.dir,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const port = await new Promise<number>((resolve) =>
      service.stdout.once("data", (bytes) => resolve(Number(String(bytes)))),
    );
    return new Scene(place, new X509Certificate(cert).fingerprint256, service, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#service.once("exit", resolve);
      this.#service.kill();
    });
    await this.#place.remove();
  }

  /** As it was before: the same certificate on the wire, the same version current, the same trust, no new key. */
  async assertUntouched(): Promise<void> {
    assert.equal(await this.shown("trust.pem"), this.old);
    assert.equal(readlinkSync(this.tls("current")), "versions/first");
    assert.deepEqual(readdirSync(this.tls("versions")), ["first"], "the new key is gone");
    assert.equal(this.certificatesIn("trust.pem"), 1);
    assert.ok(existsSync(this.tls("versions/first/key.pem")));
  }

  async start(code: number): Promise<Run> {
    const reload = `reload=kill -HUP ${this.#service.pid}`;
    const inputs = ["folder=tls", `address=127.0.0.1:${this.#port}`, reload, "overlap=100ms"];
    const args = ["run", RUNBOOK, ...PURPOSE, "--no-wait", "-o", "json", ...inputs.flatMap((input) => ["-i", input])];
    return JSON.parse((await this.maestro(args, code)).out) as Run;
  }

  async watch({ run }: Run, code: number): Promise<Run> {
    return JSON.parse((await this.maestro(["watch", run.id, "-o", "json"], code)).out) as Run;
  }

  async maestro(args: readonly string[], code: number): Promise<{ readonly out: string; readonly err: string }> {
    const ended = await this.#place.run(args);
    assert.equal(ended.code, code, `maestro ${args.join(" ")}\n${ended.out}\n${ended.err}`);
    return ended;
  }

  tls(path: string): string {
    return join(this.dir, "tls", path);
  }

  certificatesIn(path: string): number {
    return readFileSync(this.tls(path), "utf8").split("BEGIN CERTIFICATE").length - 1;
  }

  /** The fingerprint that a client gets who trusts what is in a file; rejects where it does not trust the service. */
  async shown(trust: string): Promise<string> {
    const ca = readFileSync(this.tls(trust));
    const socket = connect({ host: "127.0.0.1", port: this.#port, servername: "localhost", ca });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("secureConnect", resolve).once("error", reject);
      });
      return socket.getPeerCertificate().fingerprint256;
    } finally {
      socket.destroy();
    }
  }
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}
