import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { sha256, type Digest } from "../core/digest.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import {
  checkEvents,
  checkExpected,
  checkHistory,
  checkPlan,
  checkPrevious,
  checkSubjects,
  type Expected,
  type HashedFile,
} from "./check-against.ts";
import { checkBundle, checkSignature, checkSigner, checkStatement, withoutFinalNewline } from "./check-signed.ts";
import type { BlobLookup } from "./events.ts";
import { checkLedger } from "./ledger/check-proof.ts";
import { checkTimestamp, checkWitnesses, type TimestampProof, type WitnessPolicy } from "./ledger/check-witnesses.ts";
import { climb, type Check } from "./ladder.ts";
import type { ReceiptClaims } from "./receipt-reader.ts";
import type { TrustRoot } from "./trust.ts";

/** What a receipt is checked against. Only the trust root is needed; the rest adds rungs that are skipped without it. */
export interface VerifyRequest {
  readonly trustRoot: TrustRoot;
  /** Files that must be artifacts of the run; with `name` they must be that very subject. */
  readonly files?: readonly { readonly path: string; readonly name?: string }[];
  /** The plan as JSON text; white space and member order do not matter. */
  readonly plan?: string;
  /** The run's events as they were exported, one text each, from the first. Later ones than the receipt's are ignored. */
  readonly events?: readonly string[];
  /** Why there are none, where that is known: `removed on …`. */
  readonly eventsMissing?: string;
  /** Values too large for an event lie in blobs; without them `history` compares less, and says so. */
  readonly blob?: BlobLookup;
  /** The receipt this one says it follows. */
  readonly previous?: Uint8Array;
  /** That it is in the ledger: the text of a `.tlog-proof` file. */
  readonly proof?: string;
  /** Who else must have seen that ledger. */
  readonly witnesses?: WitnessPolicy;
  /** When an authority saw it. */
  readonly timestamp?: TimestampProof;
  readonly expected?: Expected;
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
  const digest = sha256(withoutFinalNewline(bytes));
  const checks = climb((ladder) => {
    const signed = checkBundle(ladder, bytes, request.expected?.digest);
    const key = checkSignature(ladder, signed, request.trustRoot);
    const signedStatement = checkStatement(ladder, signed);
    const said = signedStatement.claims;
    checkSigner(ladder, said, key);
    keyid = key.keyid;
    claims = said;
    checkExpected(ladder, said, request.expected);
    checkSubjects(ladder, signedStatement.statement, files);
    const plan = checkPlan(ladder, said, request.plan);
    const events = checkEvents(ladder, said, request.events, request.eventsMissing);
    checkHistory(ladder, signedStatement, { events, plan, blob: request.blob });
    checkPrevious(ladder, said, request.previous);
    const checkpoint = checkLedger(ladder, { claims: said, digest }, request.trustRoot, request.proof);
    checkWitnesses(ladder, checkpoint, request.witnesses);
    checkTimestamp(ladder, checkpoint, request.trustRoot, request.timestamp);
  });
  return { verified: checks.every((check) => check.status !== "failed"), digest, checks, claims, keyid };
}

/** Errors: `invalid_request` where it cannot be read. */
export async function hashFile(file: { readonly path: string; readonly name?: string }): Promise<HashedFile> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file.path), hash);
  } catch (error) {
    throw new MaestroError("invalid_request", `${file.path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      fix: "Check the path and its permissions.",
    });
  }
  return { ...file, digest: `sha256:${hash.digest("hex")}` };
}
