import { randomBytes } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isJsonObject } from "../core/json.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { configPath } from "./config-file.ts";

/** What `maestro login` leaves for the commands after it: a session's token, for one server and no other. */
export interface Credential {
  readonly token: string;
  readonly session: string;
  /** The caller's id. */
  readonly subject: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const MAX_BYTES = 256 * 1024;
const MAX_SERVERS = 100;
const FORM = /^maestro_s_[A-Za-z0-9_-]{43}$/;

export function credentialsPath(env: NodeJS.ProcessEnv): string {
  return join(dirname(configPath(env)), "credentials.json");
}

/** Of a server by its URL, as targets spell it. Errors: `token_unusable` where others may read the file, or where it is none. */
export function credentialFor(env: NodeJS.ProcessEnv, server: string): Credential | undefined {
  return readAll(credentialsPath(env)).get(server);
}

export async function keepCredential(env: NodeJS.ProcessEnv, server: string, credential: Credential): Promise<void> {
  const path = credentialsPath(env);
  const all = readAll(path);
  all.delete(server);
  all.set(server, credential);
  // The oldest logins go first.
  const kept = [...all].slice(-MAX_SERVERS);
  await writeAll(path, new Map(kept));
}

/** True where there was one. */
export async function forgetCredential(env: NodeJS.ProcessEnv, server: string): Promise<boolean> {
  const path = credentialsPath(env);
  const all = readAll(path);
  if (!all.delete(server)) return false;
  await writeAll(path, all);
  return true;
}

function readAll(path: string): Map<string, Credential> {
  let text: string;
  try {
    const stats = lstatSync(path);
    if (!stats.isFile()) throw unusable(path, "is no file");
    if (process.platform !== "win32" && (stats.mode & 0o077) !== 0)
      throw unusable(
        path,
        "may be read by others",
        `Close it with \`chmod 600 ${path}\`; if somebody may have seen it, end its sessions: \`maestro session revoke --of ID\`.`,
      );
    if (stats.size > MAX_BYTES) throw unusable(path, `is larger than ${MAX_BYTES} bytes`);
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw unusable(path, `cannot be read: ${messageOf(error)}`);
  }
  return readServers(text, path);
}

function readServers(text: string, path: string): Map<string, Credential> {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    // What it holds is not quoted: it may be a secret.
    throw unusable(path, "is not what `maestro login` wrote");
  }
  const servers = isJsonObject(value) ? value["servers"] : undefined;
  if (!isJsonObject(servers)) throw unusable(path, "is not what `maestro login` wrote");
  return new Map(
    Object.entries(servers).map(([server, one]) => {
      const { token, session, subject, expiresAt } = isJsonObject(one) ? one : {};
      const isSound =
        typeof token === "string" &&
        FORM.test(token) &&
        typeof session === "string" &&
        typeof subject === "string" &&
        typeof expiresAt === "number";
      if (!isSound) throw unusable(path, "is not what `maestro login` wrote");
      return [server, { token, session, subject, expiresAt }];
    }),
  );
}

async function writeAll(path: string, all: ReadonlyMap<string, Credential>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const own = `${path}.${randomBytes(6).toString("hex")}`;
  const text = JSON.stringify({ version: 1, servers: Object.fromEntries(all) }, null, 2);
  await writeFile(own, `${text}\n`, { mode: 0o600, flag: "wx" });
  await rename(own, path);
}

function unusable(path: string, what: string, fix?: string): MaestroError {
  return new MaestroError("token_unusable", `The file of logins ${path} ${what}.`, {
    fix: fix ?? "Remove it and log in again: `maestro login`.",
    facts: { path },
  });
}
