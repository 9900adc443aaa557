import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { need } from "./need.ts";

/** A real PostgreSQL server on a data directory of its own; it is gone when it is disposed of. */
export interface Postgres extends AsyncDisposable {
  /** 127.0.0.1, without TLS; also the folder `socketDir` with `port`. */
  readonly host: string;
  readonly socketDir: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

const run = promisify(execFile);

/** The newest server that Debian's packages have put on this machine. */
function binaries(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(root, version, "bin")).find((folder) => existsSync(join(folder, "postgres")));
}

/** Options for a suite that needs a server: `describe("…", needPostgres(), …)`. */
export function needPostgres(): { readonly skip?: string } {
  // The server binaries are not on any PATH; `pg_lsclusters` is what their package adds to it.
  return binaries() === undefined ? need("pg_lsclusters") : need("setpriv");
}

/**
 * Starts a server that asks for a password (SCRAM), as another user where this one is root, which PostgreSQL refuses.
 * Durability is off: nothing here outlives its test. With `certificate` it also speaks TLS.
 */
export async function startPostgres(
  options: { readonly certificate?: { readonly cert: string; readonly key: string } } = {},
): Promise<Postgres> {
  const bin = binaries();
  if (bin === undefined) throw new Error("there is no PostgreSQL server here; the suite must ask needPostgres()");
  const dir = mkdtempSync(join(tmpdir(), "maestro-pg-"));
  const asOther = process.getuid?.() === 0;
  const password = 's3cret of the test\'s "own"';
  writeFileSync(join(dir, "password"), password);
  for (const [name, text] of Object.entries(options.certificate ?? {})) {
    writeFileSync(join(dir, name), text);
    chmodSync(join(dir, name), 0o600);
  }
  if (asOther)
    for (const path of [dir, ...readdirSync(dir).map((name) => join(dir, name))]) chownSync(path, NOBODY, NOBODY);
  const command = (program: string, ...args: readonly string[]): readonly [string, readonly string[]] => {
    const path = join(bin, program);
    return asOther
      ? ["setpriv", [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", path, ...args]]
      : [path, args];
  };
  const data = join(dir, "data");
  const [initdb, initArgs] = command(
    "initdb",
    "-D",
    data,
    "-U",
    "tester",
    "--auth=scram-sha-256",
    `--pwfile=${join(dir, "password")}`,
    "--no-sync",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
  );
  await run(initdb, initArgs, { cwd: dir });
  const tls =
    options.certificate === undefined
      ? []
      : ["-c", "ssl=on", "-c", `ssl_cert_file=${join(dir, "cert")}`, "-c", `ssl_key_file=${join(dir, "key")}`];
  const start = async (): Promise<{ readonly port: number; readonly server: ChildProcess }> => {
    const port = await freePort();
    const [postgres, args] = command(
      "postgres",
      "-D",
      data,
      "-k",
      dir,
      "-p",
      String(port),
      "-h",
      "127.0.0.1",
      "-F",
      "-c",
      "max_connections=20",
      "-c",
      "shared_buffers=16MB",
      ...tls,
    );
    const server = spawn(postgres, args, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
    try {
      await ready(server);
      return { port, server };
    } catch (error) {
      server.kill("SIGKILL");
      // It was free when it was looked for; meanwhile another process may have taken it.
      if (error instanceof Error && error.message.includes("Address already in use")) return start();
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  };
  const { port, server } = await start();
  return {
    host: "127.0.0.1",
    socketDir: dir,
    port,
    database: "postgres",
    user: "tester",
    password,
    [Symbol.asyncDispose]: async () => {
      // SIGINT is its fast shutdown: connections are ended, not waited for.
      if (server.exitCode === null && server.kill("SIGINT")) await once(server, "exit");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** nobody and nogroup, everywhere. */
const NOBODY = 65_534;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

/** Resolves when the server says that it takes connections; rejects with all it said when it ends instead. */
async function ready(server: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (said.length < 10_000) said += text;
      if (said.includes("ready to accept connections")) resolve();
    });
    // Not before all that it said was read.
    server.once("close", (code) => reject(new Error(`PostgreSQL ended with ${code}:\n${said}`)));
  });
}
