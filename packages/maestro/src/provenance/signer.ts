import { createPublicKey, sign, type KeyObject } from "node:crypto";
import { fingerprintOf, keyidOf } from "./keyid.ts";

/** An Ed25519 key and what is known of it: no more than can be handed to another thread. */
export interface SigningKey {
  /** `base64(sha256(SPKI DER))`, the hint a Sigstore bundle carries. */
  readonly keyid: string;
  /** The same key's ssh fingerprint, `SHA256:…`, which DSSE readers know it by. */
  readonly fingerprint: string;
  /** The builder this key speaks for; the receipt names it and the trust root ties the two together. */
  readonly builder: string;
  readonly privateKey: KeyObject;
}

/** Signs with one key: that of the key ring of this installation. */
export interface Signer extends Omit<SigningKey, "privateKey"> {
  readonly key: SigningKey;
  /** 64 bytes, RFC 8032. About 50 µs of the calling thread. */
  sign(message: Uint8Array): Buffer;
}

/** Throws a TypeError for any key but an Ed25519 private key. */
export function createSigner(privateKey: KeyObject, builder: string): Signer {
  if (privateKey.type !== "private" || privateKey.asymmetricKeyType !== "ed25519") {
    throw new TypeError("receipts are signed with Ed25519: the key is of another kind");
  }
  const publicKey = createPublicKey(privateKey);
  return signerOf({ keyid: keyidOf(publicKey), fingerprint: fingerprintOf(publicKey), builder, privateKey });
}

export function signerOf(key: SigningKey): Signer {
  const { keyid, fingerprint, builder, privateKey } = key;
  return { keyid, fingerprint, builder, key, sign: (message) => sign(null, message, privateKey) };
}
