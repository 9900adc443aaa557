import { hash, type KeyObject } from "node:crypto";

/** SubjectPublicKeyInfo, DER. */
export function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/** `base64(sha256(SPKI DER))`: what Sigstore clients put into `publicKey.hint`. */
export function keyidOf(publicKey: KeyObject): string {
  return hash("sha256", spkiOf(publicKey), "base64");
}
