import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { checkFolderIsPrivate, readKeyFile, writeDurably, writeKeyFile } from "../key-file.ts";
import { keyidOf } from "../keyid.ts";
import { readNoteKey, writeNoteKey } from "../ledger/note.ts";
import type { NoteKey, Sign } from "../ledger/note.ts";
import { createSigner } from "../signer.ts";
import { openHeads } from "./heads.ts";
import type { Heads } from "./heads.ts";

/** A witness on disk: its key, the logs it knows, and what it saw of each. */
export interface WitnessFolder {
  readonly key: NoteKey;
  readonly sign: Sign;
  readonly heads: Heads;
  /** Read anew where the file has changed. Errors: `invalid_request`. */
  logs(): ReadonlyMap<string, readonly NoteKey[]>;
}

const KEY_FILE = "witness.pem";
export const VKEY_FILE = "witness.vkey";
export const LOGS_FILE = "logs";
const HEADS_FOLDER = "heads";

/** Keys of logs; far beyond what one installation has. */
export const MAX_LOGS = 10_000;
const MAX_LOGS_BYTES = 4 * 1024 * 1024;
/** By custom a URL without its scheme. */
const NAME = /^[^\s+\p{Cc}]{1,255}$/u;

/** Makes the folder and the key. Errors: `conflict` where a witness is there already, `invalid_request`. */
export function makeWitness(dir: string, name: string, passphrase: string | undefined): NoteKey {
  if (!NAME.test(name))
    throw new MaestroError("invalid_request", `${JSON.stringify(name)} is no name for a witness.`, {
      fix: "Name it by a URL without its scheme, such as witness.example.com/one: no space, no plus.",
    });
  if (existsSync(join(dir, VKEY_FILE)))
    throw new MaestroError("conflict", `${dir} holds a witness already.`, {
      facts: { dir },
      fix: "A witness that forgets its key or what it saw is worth nothing: choose another folder for a new one.",
    });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key: NoteKey = { name, kind: "witness", publicKey };
  writeKeyFile(join(dir, KEY_FILE), privateKey, passphrase);
  if (!existsSync(join(dir, LOGS_FILE))) writeDurably(join(dir, LOGS_FILE), LOGS_HEAD, 0o644);
  // Last: with it the folder is a witness.
  writeDurably(join(dir, VKEY_FILE), `${writeNoteKey(key)}\n`, 0o644);
  return key;
}

/** Errors: `not_found`, `key_unusable`, `store_corrupt`, `invalid_request`. */
export function openWitness(dir: string, passphrase: string | undefined): WitnessFolder {
  const key = readOwnKey(dir);
  checkFolderIsPrivate(dir);
  const read = readKeyFile(join(dir, KEY_FILE), keyidOf(key.publicKey), passphrase);
  const signer = createSigner(read.key, key.name);
  const logs = watchedLogs(join(dir, LOGS_FILE));
  logs();
  return { key, sign: (message) => signer.sign(message), heads: openHeads(join(dir, HEADS_FOLDER), key), logs };
}

/** Adds the key of a log to those this witness knows; false where it is there already. Errors: `invalid_request`, `not_found`. */
export function addLog(dir: string, text: string): { readonly key: NoteKey; readonly isNew: boolean } {
  readOwnKey(dir);
  const key = readLogKey(text, "The key");
  const path = join(dir, LOGS_FILE);
  const lines = existsSync(path) ? readFileSync(path, "utf8") : LOGS_HEAD;
  if (lines.split("\n").includes(text)) return { key, isNew: false };
  writeDurably(path, `${lines}${lines.endsWith("\n") ? "" : "\n"}${text}\n`, 0o644);
  return { key, isNew: true };
}

const LOGS_HEAD =
  "# The logs this witness knows: one verifier key a line, name+id+key. `maestro audit --key` prints a log's own.\n";

function readOwnKey(dir: string): NoteKey {
  const path = join(dir, VKEY_FILE);
  try {
    const key = readNoteKey(readFileSync(path, "utf8").trim());
    if (key.kind === "witness") return key;
    throw new SyntaxError("it is the key of a log");
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new MaestroError("key_unusable", `${path} is not the key of a witness: ${messageOf(error)}.`, {
        cause: error,
        fix: "Restore the witness's folder from a backup.",
      });
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new MaestroError("not_found", `There is no witness in ${dir}.`, {
      cause: error,
      facts: { dir },
      fix: "Make one with `maestro witness init NAME --dir DIR`.",
    });
  }
}

function readLogKey(text: string, where: string): NoteKey {
  try {
    const key = readNoteKey(text);
    if (key.kind === "log") return key;
    throw new SyntaxError("it is the key of a witness");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MaestroError("invalid_request", `${where} is not the key of a log: ${messageOf(error)}.`, {
      cause: error,
      fix: "It is one line, name+id+key: `maestro audit --key` prints it, where the log is.",
    });
  }
}

/** Looks at the file's time at each call, so that a log can be added while the witness is up. */
function watchedLogs(path: string): () => ReadonlyMap<string, readonly NoteKey[]> {
  let read: { readonly seen: string; readonly logs: ReadonlyMap<string, readonly NoteKey[]> } | undefined;
  return () => {
    const stat = existsSync(path) ? statSync(path) : undefined;
    const seen = stat === undefined ? "none" : `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
    if (read?.seen !== seen) read = { seen, logs: stat === undefined ? new Map() : readLogs(path, stat.size) };
    return read.logs;
  };
}

function readLogs(path: string, size: number): ReadonlyMap<string, readonly NoteKey[]> {
  if (size > MAX_LOGS_BYTES)
    throw new MaestroError("invalid_request", `${path} is larger than ${MAX_LOGS_BYTES} bytes.`, { facts: { path } });
  const logs = new Map<string, NoteKey[]>();
  const lines = readFileSync(path, "utf8").split("\n");
  let count = 0;
  for (const [i, line] of lines.entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const key = readLogKey(text, `Line ${i + 1} of ${path}`);
    if ((count += 1) > MAX_LOGS)
      throw new MaestroError("invalid_request", `${path} has more than ${MAX_LOGS} keys.`, { facts: { path } });
    logs.set(key.name, [...(logs.get(key.name) ?? []), key]);
  }
  return logs;
}
