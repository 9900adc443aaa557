import { hash, type KeyObject } from "node:crypto";

/** SubjectPublicKeyInfo, DER. */
export function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/** `base64(sha256(SPKI DER))`: what Sigstore clients put into `publicKey.hint`, and what we call a key by. */
export function keyidOf(publicKey: KeyObject): string {
  return hash("sha256", spkiOf(publicKey), "base64");
}

/**
 * `SHA256:…`, as `ssh-keygen -l` shows it: the one DSSE `keyid` that cosign accepts, because go-securesystemslib skips
 * signatures whose keyid is not this fingerprint of the key it was given. Ed25519 only.
 */
export function fingerprintOf(publicKey: KeyObject): string {
  // RFC 8709 section 4: string "ssh-ed25519", string key; each with its length in four bytes. The key ends the SPKI.
  const blob = Buffer.concat([
    Buffer.from("\0\0\0\x0bssh-ed25519\0\0\0\x20", "latin1"),
    spkiOf(publicKey).subarray(-32),
  ]);
  return `SHA256:${hash("sha256", blob, "base64").replace(/=+$/, "")}`;
}
