import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { AddressInfo } from "node:net";

const SCRIPT = fileURLToPath(new URL("../../../../scripts/opa.mjs", import.meta.url));

const found = spawnSync(process.execPath, [SCRIPT, "--find"], { encoding: "utf8" });
/** The program; "" where it is missing. */
export const OPA = found.status === 0 ? found.stdout.trim() : "";

/** Options of a test that needs the real thing; as `need`. */
export function needOpa(): { readonly skip?: string } {
  if (OPA !== "") return {};
  const message = "needs the Open Policy Agent: put opa or Go 1.26 into PATH and run `node scripts/opa.mjs`";
  if (process.env["CI"] === "true") throw new Error(`This test ${message}. In CI nothing may be skipped.`);
  console.warn(`SKIPPED: a test ${message}`);
  return { skip: message };
}

/** Runs it to its end and gives back what it prints. */
export function opa(args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(OPA, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`opa ${args.join(" ")} ended with ${status}: ${stderr}${stdout}`);
  return stdout;
}

export interface OpaServer {
  readonly url: string;
  close(): Promise<void>;
}

/** A server on a port that is free: it listens on a socket of its own, since it does not say which port it was given. */
export async function startOpa(args: readonly string[]): Promise<OpaServer> {
  const dir = mkdtempSync(join(tmpdir(), "maestro-opa-"));
  const socket = join(dir, "opa.sock");
  const child = spawn(
    OPA,
    ["run", "--server", "--skip-version-check", "--log-level", "error", "--addr", `unix://${socket}`, ...args],
    { cwd: dir, stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  let ended = false;
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  child.on("exit", () => (ended = true));
  // It says nothing when it is ready; what tells is that it answers.
  while (!(await answers(socket))) if (ended) throw new Error(`opa ended: ${log}`);
  const bridge = createServer((from) => {
    const to = connect(socket);
    from.pipe(to).pipe(from);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => bridge.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(bridge.address() as AddressInfo).port}`,
    async close() {
      bridge.close();
      const gone = ended ? Promise.resolve() : once(child, "exit");
      child.kill("SIGTERM");
      await gone;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Whether something listens there; a little later, if not. */
async function answers(socket: string): Promise<boolean> {
  const connection = connect(socket);
  try {
    await once(connection, "connect");
    return true;
  } catch {
    // Not yet.
    await setTimeout(10);
    return false;
  } finally {
    connection.destroy();
  }
}
