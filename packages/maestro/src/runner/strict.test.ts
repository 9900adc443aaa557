import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { need } from "../../test/support/need.ts";
import { crash, openRunner } from "../../test/support/runner.ts";
import { contextFor, failure, survivors, testRunner, text } from "./contract.ts";

if (need("bwrap").skip === undefined) testRunner("process", "strict", openRunner);

describe("strict sandbox", need("bwrap"), () => {
  let fixture: Awaited<ReturnType<typeof openRunner>>;
  let server: Server;
  let socket: Server;
  let port = 0;
  before(async () => {
    fixture = await openRunner();
    await mkdir(join(fixture.dataDir, "keys"));
    await writeFile(join(fixture.dataDir, "keys", "signing.pem"), "PLANTED SECRET", { mode: 0o644 });
    await mkdir(join(fixture.workDir, "r_other", "build.1"), { recursive: true });
    await writeFile(join(fixture.workDir, "r_other", "build.1", "file"), "PLANTED SECRET", { mode: 0o644 });
    // Permissions must not be what protects the secrets here.
    for (const path of [fixture.dataDir, join(fixture.dataDir, "keys"), fixture.workDir]) await chmod(path, 0o755);
    server = createServer((connection) => connection.end("PLANTED SECRET"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as { port: number }).port;
    socket = createServer((connection) => connection.end("PLANTED SECRET"));
    await new Promise<void>((resolve) => socket.listen(join(fixture.dataDir, "control.sock"), resolve));
    await chmod(join(fixture.dataDir, "control.sock"), 0o777);
  });
  after(async () => {
    server.close();
    socket.close();
    await fixture.close();
  });

  const sh = async (
    script: string,
    options: Parameters<typeof contextFor>[2] = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const result = await fixture.runner.run(
      { argv: ["sh", "-c", script], env },
      contextFor(join(fixture.workDir, "r_strict", randomUUID()), "strict", options),
    );
    return text(result) + result.stderrTail;
  };
  const node = async (source: string): Promise<string> => {
    const result = await fixture.runner.run(
      { argv: [process.execPath, "-e", source] },
      contextFor(join(fixture.workDir, "r_strict", randomUUID()), "strict"),
    );
    return text(result) + result.stderrTail;
  };

  it("is measured as strict from inside", async () => {
    const result = await fixture.runner.run(
      { argv: ["true"] },
      contextFor(join(fixture.workDir, "r_strict", "measured"), "strict"),
    );
    assert.deepEqual(result.isolation, {
      declared: "strict",
      measured: "strict",
      backend: "bubblewrap",
      network: false,
      writableRoot: false,
      capabilities: false,
      ownProcesses: true,
      uid: 65534,
    });
  });

  it("gives the network only to who asks, and then measures `partial`", async () => {
    const result = await fixture.runner.run(
      { argv: ["true"], network: true },
      contextFor(join(fixture.workDir, "r_strict", "net"), "strict"),
    );
    assert.equal(result.isolation.measured, "partial");
    assert.equal(result.isolation.network, true);
  });

  for (const path of [
    "/escaped",
    "/usr/escaped",
    "/etc/escaped",
    "/bin/escaped",
    "/var/escaped",
    "/dev/escaped",
    "/run/escaped",
  ]) {
    it(`cannot write ${path}`, async () => {
      assert.match(await sh(`echo x > ${path} && echo ESCAPED`), /Read-only file system|Permission denied/);
    });
  }

  it("cannot read the data directory, other runs or anybody's home", async () => {
    const output = await sh(
      `exec 2> /dev/null; cat ${fixture.dataDir}/keys/signing.pem ${fixture.workDir}/r_other/build.1/file; ls -A ${fixture.dataDir} ${fixture.workDir} /root /home; true`,
    );
    assert.doesNotMatch(output, /PLANTED|keys|r_other|\.ssh|\.bash/);
  });

  it("reads what earlier attempts of the same run left, and cannot change it", async () => {
    const first = join(fixture.workDir, "r_same", "first.1");
    await fixture.runner.run({ argv: ["sh", "-c", "echo made > file"] }, contextFor(first, "strict"));
    const second = await fixture.runner.run(
      { argv: ["sh", "-c", `cat ${first}/file; echo x > ${first}/file`] },
      contextFor(join(fixture.workDir, "r_same", "second.1"), "strict"),
    );
    assert.equal(text(second), "made\n");
    assert.match(second.stderrTail, /Read-only file system|Permission denied/);
  });

  it("reads what a lent run left, cannot change it, and is lent nothing but runs", async () => {
    const lender = join(fixture.workDir, "r_lender", "made.1");
    await fixture.runner.run({ argv: ["sh", "-c", "echo made > file"] }, contextFor(lender, "strict"));
    const lent = [join(fixture.workDir, "r_lender"), join(fixture.workDir, "r_gone"), join(fixture.dataDir, "keys")];
    const script = `cat ${lender}/file; echo x > ${lender}/file; cat ${fixture.dataDir}/keys/signing.pem ${fixture.workDir}/r_other/build.1/file`;
    const result = await fixture.runner.run(
      { argv: ["sh", "-c", `${script}; true`] },
      contextFor(join(fixture.workDir, "r_same", "third.1"), "strict", { lent }),
    );
    assert.equal(text(result), "made\n");
    assert.match(result.stderrTail, /Read-only file system|Permission denied/);
  });

  it("sees no process of the machine", async () => {
    const pids = (await sh("ls /proc | grep -c '^[0-9]*$'")).trim();
    assert.ok(Number(pids) <= 6, `${pids} processes are visible`);
    assert.doesNotMatch(await sh("cat /proc/*/cmdline | tr '\\0' ' '"), /process\.test\.ts/);
    assert.doesNotMatch(await sh(`cat /proc/1/root${fixture.dataDir}/keys/signing.pem`), /PLANTED/);
  });

  it("reaches no server on this machine, by TCP or by socket file", async () => {
    const connect = (where: string): string =>
      `require("net").connect(${where}).on("data", (d) => console.log(String(d))).on("error", (e) => console.log("error " + e.code))`;
    assert.match(await node(connect(`${port}, "127.0.0.1"`)), /^error (ECONNREFUSED|ENETUNREACH)/);
    assert.match(await node(connect(JSON.stringify(join(fixture.dataDir, "control.sock")))), /^error ENOENT/);
    assert.match(await node(connect('80, "169.254.169.254"')), /^error ENETUNREACH/);
  });

  it("has no privileges and no way to get some", async () => {
    const status = await sh("cat /proc/self/status");
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Groups:[\t ]*(65534 ?)?$/m);
    assert.match(await sh("mount -t tmpfs none /tmp && echo ESCAPED"), /must be superuser|ermi|not permitted/);
    assert.doesNotMatch(
      await sh(
        "unshare -Ur id; unshare -Urm mount -t tmpfs none /mnt && echo ESCAPED; chroot / id; mknod x b 8 0 && echo ESCAPED",
      ),
      /uid=0|ESCAPED/,
    );
  });

  it("filters system calls", async () => {
    if (process.arch !== "x64" && process.arch !== "arm64") return;
    assert.match(await sh("cat /proc/self/status"), /^Seccomp:\t2$/m);
  });

  it("gives no variable of the loader to a helper that is still root", async () => {
    const output = await sh("echo ran", {}, { LD_PRELOAD: "/not-there.so" });
    assert.match(output, /ran/);
    assert.doesNotMatch(output, /setpriv|prlimit/);
  });

  it("refuses to make the system or the data directory writable", async () => {
    for (const [path, why] of [
      ["/usr", /belongs to the system/],
      [join(fixture.dataDir, "keys"), /data directory/],
      ["/no/such", /does not exist/],
    ] as const) {
      await assert.rejects(
        fixture.runner.run(
          { argv: ["true"], writable: [path] },
          contextFor(join(fixture.workDir, "r_strict", "w"), "strict"),
        ),
        failure("INPUT_INVALID", why),
      );
    }
  });

  it("ends with the engine, at once", async () => {
    const id = randomUUID();
    await crash(fixture.workDir, "strict", id);
    // By themselves they would stay for ten minutes, which is longer than a test may take.
    while (survivors(id).length > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});
