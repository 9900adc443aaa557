import { sha256, type Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { BundleForm } from "./envelope.ts";
import { bundleForm, fillForm, IN_TOTO_PAYLOAD, preAuthEncoding } from "./envelope.ts";
import type { Signer } from "./signer.ts";

export interface SealedReceipt {
  /** Sigstore bundle v0.3, JSON text without a final newline. These bytes are the receipt. */
  readonly bundle: string;
  /** Of the bundle's bytes: what `previousReceipt`, a parent's `children` and the store call it by. */
  readonly digest: Digest;
}

/** Signs one statement: DSSE over its JSON text, in a Sigstore bundle that names the key by its id. */
export function sealReceipt(statement: JsonObject, signer: Signer): SealedReceipt {
  const { bundle, digest } = sealStatement(JSON.stringify(statement), signer, receiptForm(signer));
  return { bundle, digest };
}

/** What all receipts of a signer have in common. */
export function receiptForm({ keyid, fingerprint }: Signer): BundleForm {
  return bundleForm({ hint: keyid, keyid: fingerprint, payloadType: IN_TOTO_PAYLOAD });
}

/** As `sealReceipt`, of the statement's JSON text and with the signature by itself. */
export function sealStatement(
  text: string,
  signer: Signer,
  form: BundleForm,
): SealedReceipt & { readonly signature: Buffer } {
  const payload = Buffer.from(text);
  const signature = signer.sign(preAuthEncoding(IN_TOTO_PAYLOAD, payload));
  const bundle = fillForm(form, { payload, signature });
  return { bundle, digest: sha256(bundle), signature };
}
