import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { checkFolderIsPrivate, keyFileName, readKeyFile, syncFolder, writeDurably, writeKeyFile } from "./key-file.ts";
import { fingerprintOf, keyidOf } from "./keyid.ts";
import { createSigner, type Signer } from "./signer.ts";
import { readTrustRoot, TRUST_ROOT_FILE, writeTrustRoot, type TrustedKey, type TrustRoot } from "./trust.ts";

export interface KeyRingOptions {
  /** The keys folder, `<data>/keys`. Made, 0700, where it does not exist. */
  readonly dir: string;
  /** Encrypts the key at rest. A key that lies there in the clear is encrypted when one is first given. */
  readonly passphrase?: string;
  /** URI of this installation, which the first key is bound to. */
  readonly builder: string;
  /** Epoch milliseconds: when a rotation takes effect. */
  readonly now: number;
}

/** The signing key of this installation and the public halves of all it ever had. */
export interface KeyRing {
  readonly signer: Signer;
  readonly trustRoot: TrustRoot;
}

/**
 * Opens the key ring, or makes it at the first start. The trust root's one key without an end is the current one.
 * Errors: `key_unusable` (readable by others, wrong or missing passphrase, missing or foreign file), `invalid_request`
 * (the trust root is not one).
 */
export function openKeyRing(options: KeyRingOptions): KeyRing {
  if (!existsSync(options.dir) || readdirSync(options.dir).length === 0) createKeyRing(options);
  checkFolderIsPrivate(options.dir);
  const trustRoot = loadTrustRoot(options.dir);
  const current = currentKey(trustRoot, options.dir);
  const path = join(options.dir, keyFileName(current.publicKey));
  const { key, encrypted } = readKeyFile(path, current.keyid, options.passphrase);
  if (!encrypted && options.passphrase !== undefined) writeKeyFile(path, key, options.passphrase);
  removeRetired(trustRoot, options.dir);
  return { signer: createSigner(key, current.builder), trustRoot };
}

/**
 * Makes a new key the current one. The old one's public half stays in the trust root with its end, so its receipts
 * stay verifiable; its private half is removed, so nothing can be signed with it any more.
 * Replacing the trust root is the moment it happens: a crash before leaves the old key, a crash after the new one.
 */
export function rotateKey(options: KeyRingOptions): KeyRing {
  const { trustRoot } = openKeyRing(options);
  const old = currentKey(trustRoot, options.dir);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeKeyFile(join(options.dir, keyFileName(publicKey)), privateKey, options.passphrase);
  const keys = trustRoot.keys.map((key) =>
    key === old ? { ...key, validUntil: Math.max(options.now, key.validFrom ?? options.now) } : key,
  );
  const next: TrustRoot = { keys: [...keys, newKey(publicKey, options.builder, options.now)] };
  writeDurably(join(options.dir, TRUST_ROOT_FILE), writeTrustRoot(next), 0o644);
  removeRetired(next, options.dir);
  return { signer: createSigner(privateKey, options.builder), trustRoot: next };
}

/**
 * Built under another name and renamed, so that a crash cannot leave a ring with half of its files. The first key has no
 * beginning: there was no other before it, and a clock that is set back must not make its receipts worthless.
 */
function createKeyRing(options: KeyRingOptions): void {
  const draft = `${options.dir}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeKeyFile(join(draft, keyFileName(publicKey)), privateKey, options.passphrase);
  writeDurably(
    join(draft, TRUST_ROOT_FILE),
    writeTrustRoot({ keys: [newKey(publicKey, options.builder, null)] }),
    0o644,
  );
  renameSync(draft, options.dir);
  syncFolder(dirname(options.dir));
}

function newKey(publicKey: KeyObject, builder: string, validFrom: number | null): TrustedKey {
  return {
    keyid: keyidOf(publicKey),
    fingerprint: fingerprintOf(publicKey),
    publicKey,
    builder,
    validFrom,
    validUntil: null,
  };
}

function loadTrustRoot(dir: string): TrustRoot {
  const path = join(dir, TRUST_ROOT_FILE);
  if (!existsSync(path)) {
    throw new MaestroError("key_unusable", `${path} is missing, so it is not known which key signs here.`, {
      fix: `Restore ${dir} from a backup; or move it away to start with a new key, and keep old trust roots for old receipts.`,
    });
  }
  return readTrustRoot(readFileSync(path, "utf8"), path);
}

function currentKey(root: TrustRoot, dir: string): TrustedKey {
  const current = root.keys.filter((key) => key.validUntil === null);
  const [key] = current;
  if (key === undefined || current.length > 1) {
    throw new MaestroError(
      "key_unusable",
      `${join(dir, TRUST_ROOT_FILE)} names ${current.length} keys without an end; exactly one must be current.`,
      {
        fix: `Restore ${dir} from a backup of the data directory.`,
      },
    );
  }
  return key;
}

/** Also what a crash in the middle of a rotation left undone. */
function removeRetired(root: TrustRoot, dir: string): void {
  for (const key of root.keys) {
    if (key.validUntil !== null) rmSync(join(dir, keyFileName(key.publicKey)), { force: true });
  }
}
