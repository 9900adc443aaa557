import { sha256Bytes } from "../../core/digest.ts";

// What an authority is asked (RFC 3161, 2.4.1), in DER. Fixed but for the digest and the nonce.

export const QUERY_TYPE = "application/timestamp-query";
/** Files with replies end in it. */
export const TIMESTAMP_SUFFIX = ".tsr";
export const REPLY_TYPE = "application/timestamp-reply";

/** TimeStampReq: version 1, the SHA-256 of the data, the nonce, and that the authority's certificate is wanted. `nonce` is 16 bytes. */
export function timestampRequest(data: Uint8Array, nonce: Uint8Array): Buffer {
  const imprint = der(0x30, der(0x30, SHA_256, NULL), der(0x04, sha256Bytes(data)));
  return der(0x30, VERSION_1, imprint, der(0x02, positive(nonce)), TRUE);
}

/** As an integer of DER that is not negative and no longer than it need be. */
function positive(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const rest = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return (rest[0] ?? 0) < 0x80 ? rest : Buffer.concat([Uint8Array.of(0), rest]);
}

/** Contents of less than 128 bytes, which all of these are. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.of(tag, content.length), content]);
}

const VERSION_1 = Uint8Array.of(0x02, 0x01, 0x01);
const NULL = Uint8Array.of(0x05, 0x00);
const TRUE = Uint8Array.of(0x01, 0x01, 0xff);
/** 2.16.840.1.101.3.4.2.1 */
const SHA_256 = Buffer.from("0609608648016503040201", "hex");
