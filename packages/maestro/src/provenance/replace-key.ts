import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { keyFileName, writeDurably, writeKeyFile } from "./key-file.ts";
import { fingerprintOf, keyidOf } from "./keyid.ts";
import type { KeyRing } from "./keys.ts";
import { createSigner } from "./signer.ts";
import { readTrustRoot, TRUST_ROOT_FILE, writeTrustRoot } from "./trust.ts";
import type { TrustRoot } from "./trust.ts";

/**
 * Makes a new current key where the private half of the old one is not at hand, as after a restore without keys. The old
 * one stays in the trust root with its end, so its receipts stay verifiable; what it signs elsewhere from now on is not.
 * Errors: `invalid_request` (the trust root is not one), `key_unusable` (it names no current key).
 */
export function replaceLostKey(options: {
  readonly dir: string;
  readonly passphrase?: string;
  /** Epoch milliseconds. */
  readonly now: number;
}): KeyRing {
  const path = join(options.dir, TRUST_ROOT_FILE);
  const { keys } = readTrustRoot(readFileSync(path, "utf8"), path);
  const old = keys.find((key) => key.validUntil === null);
  if (old === undefined) throw new MaestroError("key_unusable", `${path} names no key without an end.`);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeKeyFile(join(options.dir, keyFileName(publicKey)), privateKey, options.passphrase);
  const at = Math.max(options.now, old.validFrom ?? options.now);
  const fresh = {
    keyid: keyidOf(publicKey),
    fingerprint: fingerprintOf(publicKey),
    publicKey,
    builder: old.builder,
    validFrom: at,
    validUntil: null,
  };
  const trustRoot: TrustRoot = {
    keys: [...keys.map((key) => (key === old ? { ...key, validUntil: at } : key)), fresh],
  };
  writeDurably(path, writeTrustRoot(trustRoot), 0o644);
  return { signer: createSigner(privateKey, old.builder), trustRoot };
}
