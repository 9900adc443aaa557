import { verify } from "node:crypto";
import { sha256, type Digest } from "../core/digest.ts";
import { parseStrict } from "../core/strict-json.ts";
import { IN_TOTO_PAYLOAD, preAuthEncoding, readBundle, type SignedPayload } from "./envelope.ts";
import { CheckFailed, type Ladder } from "./ladder.ts";
import { readClaims, readStatement, type ReceiptClaims, type Statement } from "./receipt-reader.ts";
import type { TrustedKey, TrustRoot } from "./trust.ts";

/** A receipt is refused unread above this; ten thousand artifacts stay well below. */
export const MAX_RECEIPT_BYTES = 32 * 1024 * 1024;
/** How far the clocks of a run and of a key rotation may differ before a receipt counts as signed out of its key's time. */
export const CLOCK_SKEW_MS = 5 * 60_000;

/** From bytes to a payload whose every byte is where it must be. */
export function checkBundle(ladder: Ladder, bytes: Uint8Array, wanted: Digest | undefined): SignedPayload {
  const { text, document } = ladder.check("readable", () => {
    if (bytes.length > MAX_RECEIPT_BYTES)
      throw new CheckFailed(`it has ${bytes.length} bytes, more than the ${MAX_RECEIPT_BYTES} a receipt may have`);
    const text = decode(withoutFinalNewline(bytes));
    return {
      value: { text, document: parseStrict(text) },
      detail: `${bytes.length} bytes of JSON without duplicate names`,
    };
  });
  const signed = ladder.check("bundle", () => ({
    value: readBundle(document, text),
    detail: "every byte is in its canonical place",
  }));
  if (wanted === undefined) ladder.skip("digest", "no digest was given to compare with");
  else {
    ladder.check("digest", () => {
      const found = sha256(text);
      if (found !== wanted) throw new CheckFailed(`its digest is ${found}, asked for was ${wanted}`);
      return { value: undefined, detail: found };
    });
  }
  ladder.check("payload-type", () => {
    if (signed.payloadType !== IN_TOTO_PAYLOAD)
      throw new CheckFailed(`payloadType is ${JSON.stringify(signed.payloadType)}, not ${IN_TOTO_PAYLOAD}`);
    return { value: undefined, detail: IN_TOTO_PAYLOAD };
  });
  return signed;
}

/** The key comes first: a bundle carries only its id, so without the key there is nothing to check a signature with. */
export function checkSignature(ladder: Ladder, signed: SignedPayload, trustRoot: TrustRoot): TrustedKey {
  const key = ladder.check("key", () => {
    const found = trustRoot.keys.find((candidate) => candidate.keyid === signed.hint);
    if (found === undefined)
      throw new CheckFailed(
        `it names the key ${signed.hint}, which is not among the ${trustRoot.keys.length} of the trust root`,
      );
    // Nothing is signed with these names, so they are compared: what is not checked could be changed.
    if (signed.keyid !== found.fingerprint)
      throw new CheckFailed(`its keyid is ${signed.keyid}, that of the key it names is ${found.fingerprint}`);
    return { value: found, detail: `key ${found.keyid}` };
  });
  ladder.check("signature", () => {
    const message = preAuthEncoding(signed.payloadType, signed.payload);
    if (signed.signature.length !== 64)
      throw new CheckFailed(`the signature has ${signed.signature.length} bytes, an Ed25519 signature has 64`);
    if (!verify(null, message, key.publicKey, signed.signature))
      throw new CheckFailed("the signature does not fit the statement and the key");
    return { value: undefined, detail: "DSSE v1, Ed25519" };
  });
  return key;
}

/** What the signed bytes say. */
export function checkStatement(
  ladder: Ladder,
  signed: SignedPayload,
): { readonly statement: Statement; readonly claims: ReceiptClaims } {
  const statement = ladder.check("statement", () => {
    const value = readStatement(parseStrict(decode(signed.payload)));
    return { value, detail: `about ${value.run.name} and ${value.artifacts.length} artifacts` };
  });
  const claims = ladder.check("predicate", () => ({ value: readClaims(statement), detail: statement.predicateType }));
  return { statement, claims };
}

export function checkSigner(ladder: Ladder, claims: ReceiptClaims, key: TrustedKey): void {
  ladder.check("signer", () => checkKeyTime(key, claims.builder, claims.endedAt, "the run ended"));
}

/** The key may speak for that builder, and was valid when `what` happened. Throws CheckFailed. */
export function checkKeyTime(
  key: TrustedKey,
  builder: string,
  at: number,
  what: string,
): { readonly value: undefined; readonly detail: string } {
  if (builder !== key.builder)
    throw new CheckFailed(`it speaks for ${builder}, but its key may speak only for ${key.builder}`);
  const then = new Date(at).toISOString();
  if (key.validFrom !== null && at < key.validFrom - CLOCK_SKEW_MS) {
    throw new CheckFailed(
      `${what} at ${then}, before its key became valid at ${new Date(key.validFrom).toISOString()}`,
    );
  }
  if (key.validUntil !== null && at > key.validUntil + CLOCK_SKEW_MS) {
    throw new CheckFailed(`${what} at ${then}, after its key was retired at ${new Date(key.validUntil).toISOString()}`);
  }
  return { value: undefined, detail: `${key.builder}, valid at ${then}` };
}

/** A receipt has no final newline; one is forgiven, because editors and shells add it. */
export function withoutFinalNewline(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

/** Throws a SyntaxError for what is not UTF-8. */
export function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw new SyntaxError("it is not UTF-8", { cause: error });
  }
}

/** `ignoreBOM` keeps a byte order mark in the text, where the JSON parser refuses it. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
