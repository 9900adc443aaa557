import { isJsonObject, type JsonValue } from "../core/json.ts";

/** DSSE `payloadType` of an in-toto statement. */
export const IN_TOTO_PAYLOAD = "application/vnd.in-toto+json";
/** Sigstore bundle v0.3; files of this kind end in `.sigstore.json`. */
export const BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** A DSSE envelope with one signature, as it lies in a bundle that names its key by a hint. */
export interface SignedPayload {
  /** Sigstore's name of the key: `base64(sha256(SPKI DER))`. */
  readonly hint: string;
  /** DSSE's name of the key: its ssh fingerprint. */
  readonly keyid: string;
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/**
 * DSSE v1 pre-authentication encoding, the bytes that are signed:
 * `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`, lengths in bytes as ASCII decimals.
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** What a bundle has around its payload and its signature: the same in all of one key. */
export type BundleForm = readonly [head: string, middle: string, tail: string];

/**
 * The bundle's one text: no white space, members in the order of the protobuf definition, padded standard base64.
 * The key is named twice for two kinds of reader: Sigstore's go by the hint, those of DSSE (securesystemslib, GUAC) by the keyid.
 */
export function writeBundle(signed: SignedPayload): string {
  return fillForm(bundleForm(signed), signed);
}

export function bundleForm({ hint, keyid, payloadType }: Omit<SignedPayload, "payload" | "signature">): BundleForm {
  const material = `"verificationMaterial":{"publicKey":{"hint":${JSON.stringify(hint)}}}`;
  return [
    `{"mediaType":"${BUNDLE_MEDIA_TYPE}",${material},"dsseEnvelope":{"payload":"`,
    `","payloadType":${JSON.stringify(payloadType)},"signatures":[{"sig":"`,
    `","keyid":${JSON.stringify(keyid)}}]}}`,
  ];
}

/** By hand because base64 needs no escaping: JSON.stringify would look at every character of it. */
export function fillForm(
  [head, middle, tail]: BundleForm,
  { payload, signature }: Pick<SignedPayload, "payload" | "signature">,
): string {
  return `${head}${payload.toString("base64")}${middle}${signature.toString("base64")}${tail}`;
}

/**
 * The inverse of `writeBundle`, for the parsed document and the text it came from. Anything that would not be written
 * again exactly as it came is refused, because it would be bytes of a receipt that no check covers.
 * Throws a SyntaxError that says what is wrong.
 */
export function readBundle(document: JsonValue, text: string): SignedPayload {
  const bundle = objectOf(document, "the document");
  const mediaType = textOf(bundle["mediaType"], "mediaType");
  if (mediaType !== BUNDLE_MEDIA_TYPE)
    throw new SyntaxError(`mediaType is ${JSON.stringify(mediaType)}, not ${BUNDLE_MEDIA_TYPE}`);
  const material = objectOf(bundle["verificationMaterial"], "verificationMaterial");
  const publicKey = objectOf(material["publicKey"], "verificationMaterial.publicKey");
  const envelope = objectOf(bundle["dsseEnvelope"], "dsseEnvelope");
  const signatures = envelope["signatures"];
  if (!Array.isArray(signatures) || signatures.length !== 1)
    throw new SyntaxError("dsseEnvelope.signatures does not hold exactly one signature");
  const signature = objectOf(signatures[0], "dsseEnvelope.signatures[0]");
  const payload: SignedPayload = {
    hint: textOf(publicKey["hint"], "verificationMaterial.publicKey.hint"),
    keyid: textOf(signature["keyid"], "dsseEnvelope.signatures[0].keyid"),
    payloadType: textOf(envelope["payloadType"], "dsseEnvelope.payloadType"),
    payload: bytesOf(envelope["payload"], "dsseEnvelope.payload"),
    signature: bytesOf(signature["sig"], "dsseEnvelope.signatures[0].sig"),
  };
  if (writeBundle(payload) !== text)
    throw new SyntaxError("it holds members, white space or an order that a receipt does not have");
  return payload;
}

function objectOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (!isJsonObject(value)) throw new SyntaxError(`${where} is not an object`);
  return value;
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== "string" || value === "") throw new SyntaxError(`${where} is not a text`);
  return value;
}

/** Node's decoder skips what is not base64; `writeBundle` must give the same text, so nothing can hide there. */
function bytesOf(value: unknown, where: string): Buffer {
  const text = textOf(value, where);
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw new SyntaxError(`${where} is not canonical base64`);
  return bytes;
}
