import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { createServer } from "../node-http.ts";
import { closeGently, nodeListener } from "./http.ts";
import type { Transport, Handler } from "./http.ts";
import { sendRequest } from "./outgoing.ts";

/** Requests over the control socket have this origin; it names no network host. */
export const SOCKET_ORIGIN = "http://maestro.local";

/**
 * Where the engine of a data directory listens: `control.sock` in it, or, where that path is longer than a socket's name
 * may be (107 bytes on Linux, 103 on macOS), a name derived from it in a private folder of the temporary directory.
 */
export function socketPath(dataDir: string): string {
  const path = join(resolve(dataDir), "control.sock");
  return Buffer.byteLength(path) <= MAX_PATH ? path : `${fallback(path)}.sock`;
}

function fallback(path: string): string {
  return join(sharedSocketFolder(), createHash("sha256").update(path).digest("hex").slice(0, 24));
}

/** Where this user's sockets lie that have no room in their data directory. Whoever gets into it may ask for anything. */
export function sharedSocketFolder(): string {
  const temporary = tmpdir();
  // Free of links, so that a sandbox knows it by any name.
  return join(existsSync(temporary) ? realpathSync(temporary) : temporary, `maestro-${process.getuid?.() ?? 0}`);
}

const MAX_PATH = 100;

/** A folder of a hidden name and the socket in it: what a socket for tokens adds to the path below. */
const TOKEN_PATH_BYTES = 28;

/**
 * Where attempts have the sockets of their tokens: `sockets` in the data directory or, where that path is too long, a folder
 * beside the control socket's. What an engine that died has left there is removed. Errors: `storage_failed`.
 */
export async function openTokenFolder(dataDir: string): Promise<string> {
  const path = join(resolve(dataDir), "sockets");
  const folder = Buffer.byteLength(path) + TOKEN_PATH_BYTES <= MAX_PATH ? path : `${fallback(path)}.d`;
  await ensurePrivateFolder(folder);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

export interface ControlSocket {
  /** Takes no new connections, ends live streams, gives other requests `graceMs`, then cuts them off; the socket is gone. */
  close(graceMs: number): Promise<void>;
}

/**
 * Serves the handler on a unix socket that only its owner can open (0600). Whoever holds the lock of the data directory
 * is the engine; a socket that is already there is what a crash left behind, and is replaced.
 */
export async function serveSocket(path: string, handle: Handler): Promise<ControlSocket> {
  await ensurePrivateFolder(path);
  await rm(path, { force: true });
  const closing = new AbortController();
  const server = createServer(nodeListener(handle, { origin: SOCKET_ORIGIN, closing: closing.signal }));
  // Streams to a watcher stay open for hours; a local owner needs no protection from slow requests.
  server.requestTimeout = 0;
  await new Promise<void>((listening, failed) => {
    server.once("error", (error) =>
      failed(
        new MaestroError("storage_failed", `The control socket ${path} could not be made: ${error.message}`, {
          cause: error,
        }),
      ),
    );
    // The name is bound inside listen(), so that the socket is never there with wider permissions.
    const mask = process.umask(0o177);
    try {
      server.listen(path, listening);
    } finally {
      process.umask(mask);
    }
  });
  await chmod(path, 0o600);
  // It serves others while its owner works; it is no reason to stay.
  server.unref();
  return {
    close: (graceMs) => closeGently(server, closing, graceMs),
  };
}

/** Only the fallback folder is ours to make; it must be a real folder of this user. */
async function ensurePrivateFolder(path: string): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  const folder = sharedSocketFolder();
  if (!path.startsWith(`${folder}/`)) return;
  await mkdir(folder, { mode: 0o700, recursive: true });
  const stat = await lstat(folder);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) {
    throw new MaestroError("storage_failed", `${folder} is not a private folder of this user.`, {
      fix: `Remove ${folder}, or use a data directory with a shorter path.`,
    });
  }
}

/**
 * Sends requests to whoever serves the socket. Rejects with an error whose `code` is ENOENT or ECONNREFUSED when nobody
 * does, and with another one when the connection breaks.
 */
export function socketTransport(path: string): Transport {
  return async (request) =>
    // A kept connection could be one that the other side is just closing.
    sendRequest(request, { socketPath: path, agent: false, headers: { host: new URL(request.url).host } });
}
