import { createHash, X509Certificate } from "node:crypto";
import type { ASN1Obj, RFC3161Timestamp } from "@sigstore/core";
import { messageOf } from "../../core/problem.ts";

/** What an authority says with its signature: these bytes were there at that time. */
export interface Timestamped {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The subject of the certificate that signed, on one line. */
  readonly authority: string;
}

/** Checks a reply of an authority about some data. Throws a SyntaxError that says what is wrong. */
export type CheckTimestamp = (reply: Uint8Array, data: Uint8Array, nonce?: Uint8Array) => Timestamped;

/** A reply with a chain of certificates has 2 to 8 KiB. */
export const MAX_REPLY_BYTES = 64 * 1024;
const MAX_CHAIN = 8;

const EXTENDED_KEY_USAGE = "2.5.29.37";
const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
const SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12";
const SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";

/**
 * RFC 3161 replies against trusted certificates (PEM: the authority's own, or those at the end of its chain). Beyond the
 * signature: the certificate may make timestamps and nothing else, marked critical (2.3); the reply names that very
 * certificate (RFC 5816); every certificate of the chain was valid at that time. Revocation is not looked up: that would
 * take a network, and an answer of today. Errors: a SyntaxError where `trusted` holds no certificate.
 */
export async function timestampCheck(trusted: string): Promise<CheckTimestamp> {
  // Loaded when there is a timestamp: few have one.
  const core = await import("@sigstore/core");
  const anchors = readCertificates(trusted);
  return (reply, data, nonce) => {
    if (reply.length > MAX_REPLY_BYTES) throw new SyntaxError(`it is larger than ${MAX_REPLY_BYTES} bytes`);
    try {
      const bytes = Buffer.from(reply);
      const stamp = core.RFC3161Timestamp.parse(bytes);
      if (stamp.status !== 0n && stamp.status !== 1n)
        throw new SyntaxError(`the authority refused: status ${stamp.status}`);
      const parts = partsOf(core.ASN1Obj.parseBuffer(bytes));
      const signer = signerOf(stamp, parts, anchors, (der) => core.X509Certificate.parse(Buffer.from(der)));
      if (stamp.tstInfo.messageImprintHashAlgorithm === undefined || stamp.signerDigestAlgorithm === undefined)
        throw new SyntaxError("its digests are weaker than SHA-256");
      stamp.verify(Buffer.from(data), signer.publicKey);
      if (nonce !== undefined && parts.nonce !== BigInt(`0x${Buffer.from(nonce).toString("hex")}`))
        throw new SyntaxError("it answers another question: the nonce is not the one that was sent");
      const at = stamp.signingTime;
      checkNamed(parts, signer);
      checkUse(signer, core.X509Certificate.parse(signer.raw).extension(EXTENDED_KEY_USAGE));
      checkChain(signer, [...parts.certificates, ...anchors], anchors, at);
      return { at: at.getTime(), authority: signer.subject.replaceAll("\n", ", ") };
    } catch (error) {
      if (error instanceof SyntaxError) throw error;
      // The parser of DER and the check of the signature say no in many ways; whatever it is, this is no timestamp.
      throw new SyntaxError(`it is no valid timestamp: ${messageOf(error)}`, { cause: error });
    }
  };
}

interface Parts {
  readonly certificates: readonly X509Certificate[];
  readonly nonce: bigint | undefined;
  /** Hashes of certificates that the signed attributes name, with how. */
  readonly named: readonly { readonly algorithm: string; readonly hash: Buffer }[];
}

/** The members that the library does not hand out: PKIStatusInfo, ContentInfo { oid, [0] SignedData }. */
function partsOf(response: ASN1Obj): Parts {
  const signedData = response.subs[1]?.subs[1]?.subs[0];
  const info = signedData?.subs[2]?.subs[1]?.subs[0]?.subs[0];
  const signer = signedData?.subs.at(-1)?.subs[0];
  if (signedData === undefined || info === undefined || signer === undefined)
    throw new SyntaxError("it has no signed content");
  const certificates = signedData.subs.find((sub) => sub.tag.isContextSpecific(0) && sub.tag.constructed)?.subs ?? [];
  if (certificates.length > MAX_CHAIN) throw new SyntaxError(`it has more than ${MAX_CHAIN} certificates`);
  return {
    certificates: certificates.map((sub) => new X509Certificate(sub.toDER())),
    // TSTInfo: version, policy, imprint, serial number, time; then what is optional.
    nonce: info.subs
      .slice(5)
      .find((sub) => sub.tag.isInteger())
      ?.toInteger(),
    named: (signer.subs.find((sub) => sub.tag.isContextSpecific(0))?.subs ?? []).flatMap(namedBy),
  };
}

/** ESSCertID (SHA-1) and ESSCertIDv2 (an algorithm, by default SHA-256). */
function namedBy(attribute: ASN1Obj): Parts["named"] {
  const [type, values] = attribute.subs;
  if (type === undefined || !type.tag.isOID()) return [];
  const oid = type.toOID();
  if (oid !== SIGNING_CERTIFICATE && oid !== SIGNING_CERTIFICATE_V2) return [];
  // SET { SigningCertificate { SEQUENCE OF { [algorithm], hash, ... } } }: the first names the signer.
  const first = values?.subs[0]?.subs[0]?.subs[0];
  const hash = first?.subs.find((sub) => sub.tag.isOctetString());
  if (first === undefined || hash === undefined) return [];
  const named = first.subs[0]?.subs[0];
  const algorithm =
    oid === SIGNING_CERTIFICATE ? "sha1" : named?.tag.isOID() === true ? DIGESTS[named.toOID()] : "sha256";
  return algorithm === undefined ? [] : [{ algorithm, hash: hash.value }];
}

const DIGESTS: Readonly<Record<string, string>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/** The certificate that the reply says signed it: by issuer and serial number, from the reply or from those that are trusted. */
function signerOf(
  stamp: RFC3161Timestamp,
  { certificates }: Parts,
  anchors: readonly X509Certificate[],
  parse: (der: Uint8Array) => { readonly issuer: Buffer; readonly serialNumber: Buffer },
): X509Certificate {
  const found = [...certificates, ...anchors].find((certificate) => {
    const { issuer, serialNumber } = parse(certificate.raw);
    // The library gives the issuer with its tag on one side, and its content on the other.
    return (
      serialNumber.equals(stamp.signerSerialNumber) &&
      issuer.subarray(-stamp.signerIssuer.length).equals(stamp.signerIssuer)
    );
  });
  if (found === undefined) throw new SyntaxError("the certificate that signed it is neither in it nor trusted");
  return found;
}

/** RFC 5816: so that no other certificate for the same key can take the signer's place. */
function checkNamed({ named }: Parts, signer: X509Certificate): void {
  const isNamed = named.some(({ algorithm, hash }) => createHash(algorithm).update(signer.raw).digest().equals(hash));
  if (!isNamed) throw new SyntaxError("it does not name the certificate that signed it");
}

function checkUse(signer: X509Certificate, usage: { readonly critical: boolean } | undefined): void {
  if (usage?.critical !== true || signer.keyUsage?.length !== 1 || signer.keyUsage[0] !== TIME_STAMPING)
    throw new SyntaxError("its certificate is not for timestamps alone (a critical extended key usage)");
}

function checkChain(
  signer: X509Certificate,
  known: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  at: Date,
): void {
  let certificate = signer;
  for (let length = 0; length < MAX_CHAIN; length++) {
    const now = certificate;
    if (at < now.validFromDate || at > now.validToDate)
      throw new SyntaxError(`${oneLine(now)} was not valid at ${at.toISOString()}`);
    if (anchors.some((anchor) => anchor.raw.equals(now.raw))) return;
    const issuer = [...anchors, ...known].find(
      (one) => !one.raw.equals(now.raw) && one.ca && now.checkIssued(one) && now.verify(one.publicKey),
    );
    if (issuer === undefined) break;
    certificate = issuer;
  }
  throw new SyntaxError(`no trusted certificate stands behind ${oneLine(signer)}`);
}

function oneLine({ subject }: X509Certificate): string {
  return subject.replaceAll("\n", ", ");
}

function readCertificates(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new SyntaxError("there is no certificate in it (PEM)");
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new SyntaxError(`one of its certificates cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
