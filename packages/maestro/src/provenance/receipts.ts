import { sha256, type Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { IN_TOTO_PAYLOAD, preAuthEncoding, writeBundle } from "./envelope.ts";
import type { Signer } from "./signer.ts";

export interface SealedReceipt {
  /** Sigstore bundle v0.3, JSON text without a final newline. These bytes are the receipt. */
  readonly bundle: string;
  /** Of the bundle's bytes: what `previousReceipt`, a parent's `children` and the store call it by. */
  readonly digest: Digest;
}

/** Signs one statement: DSSE over its JSON text, in a Sigstore bundle that names the key by its id. */
export function sealReceipt(statement: JsonObject, signer: Signer): SealedReceipt {
  return sealStatement(JSON.stringify(statement), signer);
}

/** As `sealReceipt`, of the statement's JSON text. */
export function sealStatement(text: string, signer: Signer): SealedReceipt {
  const payload = Buffer.from(text);
  const bundle = writeBundle({
    hint: signer.keyid,
    keyid: signer.fingerprint,
    payloadType: IN_TOTO_PAYLOAD,
    payload,
    signature: signer.sign(preAuthEncoding(IN_TOTO_PAYLOAD, payload)),
  });
  return { bundle, digest: sha256(bundle) };
}
