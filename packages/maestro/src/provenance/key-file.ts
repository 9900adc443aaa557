import { createPrivateKey, createPublicKey, hash, type KeyObject } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { messageOf, MaestroError } from "../core/problem.ts";
import { keyidOf, spkiOf } from "./keyid.ts";

/** Name of the file that holds a key's private half; it begins with what the key is for: receipts, unless it says otherwise. */
export function keyFileName(publicKey: KeyObject, kind: "ed25519" | "workload" = "ed25519"): string {
  return `${kind}-${hash("sha256", spkiOf(publicKey)).slice(0, 16)}.pem`;
}

/** PKCS#8 PEM; with a passphrase as EncryptedPrivateKeyInfo (PBES2, AES-256-CBC). */
export function writeKeyFile(path: string, key: KeyObject, passphrase: string | undefined): void {
  const pem =
    passphrase === undefined
      ? key.export({ type: "pkcs8", format: "pem" })
      : key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase });
  writeDurably(path, pem.toString(), 0o600);
}

/** Reads a private key that only its owner can read. Errors: `key_unusable`, with the command that mends it. */
export function readKeyFile(
  path: string,
  keyid: string,
  passphrase: string | undefined,
  /** Where the keyid stands. */
  list = "the trust root",
): { readonly key: KeyObject; readonly encrypted: boolean } {
  const pem = readPrivate(path);
  const encrypted = pem.includes("ENCRYPTED PRIVATE KEY");
  if (encrypted && passphrase === undefined) {
    throw new MaestroError("key_unusable", `The signing key ${path} is encrypted and no passphrase was given.`, {
      fix: "Set MAESTRO_KEY_PASSPHRASE to the passphrase it was made with.",
    });
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(passphrase === undefined ? { key: pem } : { key: pem, passphrase });
  } catch (error) {
    throw new MaestroError("key_unusable", `The signing key ${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      fix: encrypted ? "Check MAESTRO_KEY_PASSPHRASE." : "Restore the file from a backup of the data directory.",
    });
  }
  if (keyidOf(createPublicKey(key)) !== keyid) {
    throw new MaestroError(
      "key_unusable",
      `The signing key ${path} is not the key ${keyid} that ${list} names as current.`,
      {
        fix: "Restore the keys folder as a whole from a backup of the data directory.",
      },
    );
  }
  return { key, encrypted };
}

/** The file is there in full or not at all, also after a power cut. */
export function writeDurably(path: string, text: string, mode: number): void {
  const draft = `${path}.new`;
  const file = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, mode);
  try {
    // The mode of open() passes through the umask and does not touch a draft that was left behind.
    fchmodSync(file, mode);
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}

export function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Errors: `key_unusable` where group or others have any right to the folder. */
export function checkFolderIsPrivate(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) throw tooOpen(path, mode, "700");
}

function readPrivate(path: string): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw new MaestroError("key_unusable", `The signing key ${path} cannot be opened: ${messageOf(error)}.`, {
      cause: error,
      fix: "Restore the keys folder as a whole from a backup of the data directory.",
    });
  }
  try {
    // Asked of the open file, so that it cannot be another one by the time it is read.
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new MaestroError("key_unusable", `The signing key ${path} is not a regular file.`);
    const mode = stat.mode & 0o777;
    if ((mode & 0o077) !== 0) throw tooOpen(path, mode, "600");
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function tooOpen(path: string, mode: number, wanted: string): MaestroError {
  return new MaestroError("key_unusable", `Others than its owner can use ${path}: its mode is ${mode.toString(8)}.`, {
    fix: `Run \`chmod ${wanted} ${path}\`; if others had access to this machine, rotate the key.`,
    facts: { path, mode: mode.toString(8) },
  });
}
