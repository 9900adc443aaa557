import { createHash, verify } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { digestOf, sha256, type Digest } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";
import { IN_TOTO_PAYLOAD, preAuthEncoding, readBundle, type SignedPayload } from "./envelope.ts";
import { agreesWithHistory, headOf, retells } from "./history.ts";
import { CheckFailed, climb, type Check, type Ladder } from "./ladder.ts";
import { readClaims, readStatement, type ReceiptClaims, type Statement } from "./receipt-reader.ts";
import type { TrustedKey, TrustRoot } from "./trust.ts";

/** A receipt is refused unread above this; ten thousand artifacts stay well below. */
export const MAX_RECEIPT_BYTES = 32 * 1024 * 1024;
/** How far the clocks of a run and of a key rotation may differ before a receipt counts as signed out of its key's time. */
export const CLOCK_SKEW_MS = 5 * 60_000;

/** What a receipt is checked against. Only the trust root is needed; the rest adds rungs that are skipped without it. */
export interface VerifyRequest {
  readonly trustRoot: TrustRoot;
  /** Files that must be artifacts of the run; with `name` they must be that very subject. */
  readonly files?: readonly { readonly path: string; readonly name?: string }[];
  /** The plan as JSON text; white space and member order do not matter. */
  readonly plan?: string;
  /** The run's events as they were exported, one text each, from the first. Later ones than the receipt's are ignored. */
  readonly events?: readonly string[];
  /** The receipt this one says it follows. */
  readonly previous?: Uint8Array;
  readonly expected?: Expected;
}

/** What the asker already knows and the receipt must say. */
export interface Expected {
  readonly digest?: Digest;
  readonly run?: string;
  /** `namespace/name@version`. */
  readonly workflow?: string;
  readonly plan?: Digest;
  readonly status?: string;
  readonly builder?: string;
}

export interface Verification {
  /** Every check that could be made passed. What was skipped is in `checks`, with the reason. */
  readonly verified: boolean;
  /** Of the receipt's bytes. */
  readonly digest: Digest;
  readonly checks: readonly Check[];
  /** Null when the receipt could not be read or is not signed by a trusted key: what it says is then worth nothing. */
  readonly claims: ReceiptClaims | null;
  readonly keyid: string | null;
}

export interface HashedFile {
  readonly path: string;
  readonly name?: string;
  readonly digest: Digest;
}

/**
 * Verifies one receipt offline: no server, no database, no network. Never throws for what is wrong with the receipt,
 * that is in the result; `invalid_request` says that a file of the request cannot be read.
 */
export async function verifyReceipt(bytes: Uint8Array, request: VerifyRequest): Promise<Verification> {
  return checkReceipt(bytes, request, await Promise.all((request.files ?? []).map(hashFile)));
}

/** The same where the files are hashed already, or there are none: a pure computation of about 250 µs. */
export function checkReceipt(bytes: Uint8Array, request: VerifyRequest, files: readonly HashedFile[]): Verification {
  let keyid: string | null = null;
  let claims: ReceiptClaims | null = null;
  const checks = climb((ladder) => {
    const signed = checkBundle(ladder, bytes, request);
    const key = checkSignature(ladder, signed, request.trustRoot);
    const statement = ladder.check("statement", () => readSigned(signed));
    const said = ladder.check("predicate", () => ({ value: readClaims(statement), detail: statement.predicateType }));
    checkSigner(ladder, said, key);
    keyid = key.keyid;
    claims = said;
    checkExpected(ladder, said, request.expected);
    checkSubjects(ladder, statement, files);
    const plan = checkPlan(ladder, said, request.plan);
    checkEvents(ladder, statement, said, request.events, plan);
    checkPrevious(ladder, said, request.previous);
  });
  const digest = sha256(withoutFinalNewline(bytes));
  return { verified: checks.every((check) => check.status !== "failed"), digest, checks, claims, keyid };
}

function checkBundle(ladder: Ladder, bytes: Uint8Array, request: VerifyRequest): SignedPayload {
  const { text, document } = ladder.check("readable", () => {
    if (bytes.length > MAX_RECEIPT_BYTES) throw new CheckFailed(`it has ${bytes.length} bytes, more than the ${MAX_RECEIPT_BYTES} a receipt may have`);
    const text = decode(withoutFinalNewline(bytes));
    return { value: { text, document: parseStrict(text) }, detail: `${bytes.length} bytes of JSON without duplicate names` };
  });
  const signed = ladder.check("bundle", () => ({ value: readBundle(document, text), detail: "every byte is in its canonical place" }));
  const wanted = request.expected?.digest;
  if (wanted === undefined) ladder.skip("digest", "no digest was given to compare with");
  else {
    ladder.check("digest", () => {
      const found = sha256(text);
      if (found !== wanted) throw new CheckFailed(`its digest is ${found}, asked for was ${wanted}`);
      return { value: undefined, detail: found };
    });
  }
  ladder.check("payload-type", () => {
    if (signed.payloadType !== IN_TOTO_PAYLOAD) throw new CheckFailed(`payloadType is ${JSON.stringify(signed.payloadType)}, not ${IN_TOTO_PAYLOAD}`);
    return { value: undefined, detail: IN_TOTO_PAYLOAD };
  });
  return signed;
}

/** The key comes first: a bundle carries only its id, so without the key there is nothing to check a signature with. */
function checkSignature(ladder: Ladder, signed: SignedPayload, trustRoot: TrustRoot): TrustedKey {
  const key = ladder.check("key", () => {
    const found = trustRoot.keys.find((candidate) => candidate.keyid === signed.hint);
    if (found === undefined) throw new CheckFailed(`it names the key ${signed.hint}, which is not among the ${trustRoot.keys.length} of the trust root`);
    // Nothing is signed with these names, so they are compared: what is not checked could be changed.
    if (signed.keyid !== found.fingerprint) throw new CheckFailed(`its keyid is ${signed.keyid}, that of the key it names is ${found.fingerprint}`);
    return { value: found, detail: `key ${found.keyid}` };
  });
  ladder.check("signature", () => {
    const message = preAuthEncoding(signed.payloadType, signed.payload);
    if (signed.signature.length !== 64) throw new CheckFailed(`the signature has ${signed.signature.length} bytes, an Ed25519 signature has 64`);
    if (!verify(null, message, key.publicKey, signed.signature)) throw new CheckFailed("the signature does not fit the statement and the key");
    return { value: undefined, detail: "DSSE v1, Ed25519" };
  });
  return key;
}

function readSigned(signed: SignedPayload): { readonly value: Statement; readonly detail: string } {
  const value = readStatement(parseStrict(decode(signed.payload)));
  return { value, detail: `about ${value.run.name} and ${count(value.artifacts.length, "artifact")}` };
}

function checkSigner(ladder: Ladder, claims: ReceiptClaims, key: TrustedKey): void {
  ladder.check("signer", () => {
    if (claims.builder !== key.builder) throw new CheckFailed(`it speaks for ${claims.builder}, but its key may speak only for ${key.builder}`);
    const ended = new Date(claims.endedAt).toISOString();
    if (key.validFrom !== null && claims.endedAt < key.validFrom - CLOCK_SKEW_MS) {
      throw new CheckFailed(`the run ended at ${ended}, before its key became valid at ${new Date(key.validFrom).toISOString()}`);
    }
    if (key.validUntil !== null && claims.endedAt > key.validUntil + CLOCK_SKEW_MS) {
      throw new CheckFailed(`the run ended at ${ended}, after its key was retired at ${new Date(key.validUntil).toISOString()}`);
    }
    return { value: undefined, detail: `${key.builder}, valid at ${ended}` };
  });
}

function checkExpected(ladder: Ladder, claims: ReceiptClaims, expected: Expected = {}): void {
  const names = (["run", "workflow", "plan", "status", "builder"] as const).filter((name) => expected[name] !== undefined);
  if (names.length === 0) return ladder.skip("expected", "nothing was said to be expected");
  ladder.check("expected", () => {
    for (const name of names) {
      if (claims[name] !== expected[name]) throw new CheckFailed(`${name} is ${claims[name]}, expected was ${expected[name]}`);
    }
    return { value: undefined, detail: names.map((name) => `${name} ${claims[name]}`).join(", ") };
  });
}

/** DSSE verifiers do not look at subjects; without this a valid receipt would vouch for any file beside it. */
function checkSubjects(ladder: Ladder, statement: Statement, files: readonly HashedFile[]): void {
  const all = statement.artifacts;
  if (files.length === 0) {
    return ladder.skip("subjects", all.length === 0 ? "no files were given, and the run left no artifacts" : `no files were given; ${count(all.length, "artifact")} not compared`);
  }
  ladder.check("subjects", () => {
    const matched = new Set<string>();
    for (const file of files) {
      const candidates = file.name === undefined ? all : all.filter((subject) => subject.name === file.name);
      const hits = candidates.filter((subject) => subject.digest === file.digest);
      if (hits.length === 0) throw new CheckFailed(notASubject(file, candidates.map((subject) => `${subject.name} ${subject.digest}`)));
      for (const subject of hits) matched.add(subject.name);
    }
    return { value: undefined, detail: `${count(files.length, "file")} found among the artifacts; ${all.length - matched.size} of ${count(all.length, "artifact")} not compared` };
  });
}

function notASubject(file: HashedFile, candidates: readonly string[]): string {
  const found = `${file.path} has the digest ${file.digest}`;
  if (file.name !== undefined) return candidates.length === 0 ? `no artifact is called ${file.name}` : `${found}, the receipt says ${candidates.join("")}`;
  return `${found}, which is none of the ${count(candidates.length, "artifact")} of the run`;
}

function checkPlan(ladder: Ladder, claims: ReceiptClaims, plan: string | undefined): JsonValue | undefined {
  if (plan === undefined) {
    ladder.skip("plan", `no plan was given; the receipt names ${claims.plan}`);
    return undefined;
  }
  return ladder.check("plan", () => {
    const value = parseStrict(plan, { depth: 256 });
    const found = digestOf(value);
    if (found !== claims.plan) throw new CheckFailed(`the plan's digest is ${found}, the receipt says ${claims.plan}`);
    return { value, detail: found };
  });
}

function checkEvents(ladder: Ladder, statement: Statement, claims: ReceiptClaims, events: readonly string[] | undefined, plan: JsonValue | undefined): void {
  if (events === undefined) {
    ladder.skip("events", `no events were given; the receipt covers ${claims.events} of them by ${claims.head}`);
    return ladder.skip("history", "no events were given");
  }
  const covered = events.slice(0, claims.events);
  ladder.check("events", () => {
    if (claims.events === 0 || covered.length < claims.events) throw new CheckFailed(`it covers ${count(claims.events, "event")}, given were ${events.length}`);
    const head = headOf(covered);
    if (head !== claims.head) throw new CheckFailed(`the chain over ${count(covered.length, "event")} ends in ${head}, the receipt says ${claims.head}`);
    const later = events.length - covered.length;
    return { value: undefined, detail: `${count(covered.length, "event")}, chain ends in ${head}${later === 0 ? "" : `; ${later} later than this receipt`}` };
  });
  ladder.check("history", () => ({
    value: undefined,
    detail: plan === undefined ? `${agreesWithHistory(covered, claims)}; with the plan, all of it is compared` : retells(plan, covered, statement.document, claims),
  }));
}

function checkPrevious(ladder: Ladder, claims: ReceiptClaims, previous: Uint8Array | undefined): void {
  const named = claims.previousReceipt;
  if (previous === undefined) {
    return ladder.skip("previous", named === null ? "it is the first receipt of its run" : `it was not given; the receipt names ${named}`);
  }
  ladder.check("previous", () => {
    const found = sha256(withoutFinalNewline(previous));
    if (named === null) throw new CheckFailed("it says that it is the first receipt of its run");
    if (found !== named) throw new CheckFailed(`the receipt given has the digest ${found}, named is ${named}`);
    return { value: undefined, detail: `${found}; its own checks are not part of this` };
  });
}

async function hashFile(file: { readonly path: string; readonly name?: string }): Promise<HashedFile> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file.path), hash);
  } catch (error) {
    throw new MaestroError("invalid_request", `${file.path} cannot be read: ${messageOf(error)}.`, { cause: error, fix: "Check the path and its permissions." });
  }
  return { ...file, digest: `sha256:${hash.digest("hex")}` };
}

/** A receipt has no final newline; one is forgiven, because editors and shells add it. */
function withoutFinalNewline(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw new SyntaxError("it is not UTF-8", { cause: error });
  }
}

/** `ignoreBOM` keeps a byte order mark in the text, where the JSON parser refuses it. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
