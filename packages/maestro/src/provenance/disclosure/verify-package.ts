import { sha256, type Digest } from "../../core/digest.ts";
import { parsePointer, valueAt } from "../../core/json-pointer.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import { markerDigest, reveal } from "../../core/redaction.ts";
import type { RevealedField } from "../../core/redaction.ts";
import { STATEMENT_TYPE } from "../../core/receipt.ts";
import { parseStrict } from "../../core/strict-json.ts";
import { count } from "../check-against.ts";
import { checkBundle, checkSignature, CLOCK_SKEW_MS, decode } from "../check-signed.ts";
import { CheckFailed, climb, PACKAGE_RUNGS, type Check, type Ladder } from "../ladder.ts";
import { readCheckpoint } from "../ledger/checkpoint.ts";
import { checkWitnesses, type WitnessPolicy } from "../ledger/check-witnesses.ts";
import { logKeys } from "../ledger/log-key.ts";
import { endorsements, readNote } from "../ledger/note.ts";
import { readProof } from "../ledger/proof.ts";
import type { ReceiptClaims } from "../receipt-reader.ts";
import type { TrustedKey, TrustRoot } from "../trust.ts";
import { checkReceipt } from "../verify.ts";
import { checkEvidence } from "./check-evidence.ts";
import { checkPolicy } from "./check-policy.ts";
import type { DisclosedRun, DisclosureManifest } from "./form.ts";
import { CHECKPOINT, DISCLOSURE_PREDICATE, MANIFEST, proofPath, readManifest, receiptPath, SEAL } from "./form.ts";
import type { Salts } from "./salts.ts";

/** A package as it was read: from a folder or a tar, by somebody who believed nothing of it. */
export interface PackageContents {
  readonly files: ReadonlyMap<string, PackageFile>;
  /** What is wrong with its form, so that nothing more was read. */
  readonly fault?: string;
}

export interface PackageFile {
  readonly size: number;
  /** Hex, of what was read. */
  readonly sha256: string;
  /** Of all but artifacts, which are only hashed. */
  readonly bytes?: Uint8Array;
}

export interface VerifyPackageRequest {
  readonly trustRoot: TrustRoot;
  /** Who else must have seen the ledger. */
  readonly witnesses?: WitnessPolicy;
  /** Values that were revealed since. */
  readonly salts?: Salts;
}

export interface PackageClaims {
  readonly builder: string;
  readonly recipient: string;
  readonly purpose: string;
  readonly authority: string;
  readonly licenses: readonly string[];
  readonly runs: readonly { readonly run: string; readonly workflow: string; readonly status: string }[];
  readonly redactions: number;
  /** The revealed values, each proved to have stood there. */
  readonly revealed: readonly Pick<RevealedField, "path" | "pointer" | "value">[];
}

export interface PackageVerification {
  readonly verified: boolean;
  /** Of the manifest's bytes: what the package is called by. */
  readonly digest: Digest;
  readonly checks: readonly Check[];
  /** Null when nothing that it says may be believed. */
  readonly claims: PackageClaims | null;
  readonly keyid: string | null;
}

/** A receipt of the package that was verified. */
export interface VerifiedReceipt {
  readonly run: DisclosedRun;
  readonly ordinal: number;
  readonly bytes: Uint8Array;
  readonly claims: ReceiptClaims;
  /** Names and digests of the artifacts that it vouches for. */
  readonly artifacts: ReadonlySet<string>;
}

/** Verifies a package offline. Never throws for what is wrong with it. Errors: `invalid_request` where the salts are another package's. */
export function verifyPackage(contents: PackageContents, request: VerifyPackageRequest): PackageVerification {
  const { trustRoot, salts } = request;
  const text = new Texts(contents);
  const digest = sha256(contents.files.get(MANIFEST)?.bytes ?? new Uint8Array(0));
  let keyid: string | null = null;
  let claims: PackageClaims | null = null;
  const checks = climb((ladder) => {
    ladder.check("paths", () => {
      if (contents.fault !== undefined) throw new CheckFailed(contents.fault);
      return { value: undefined, detail: count(contents.files.size, "file") };
    });
    const manifest = ladder.check("manifest", () => {
      const value = readManifest(text.of(MANIFEST));
      return { value, detail: `about ${count(value.runs.length, "run")}, for ${value.recipient}` };
    });
    checkFiles(ladder, contents, manifest);
    const signed = checkBundle(ladder, text.bytes(SEAL), undefined);
    const key = checkSignature(ladder, signed, trustRoot);
    checkSeal(ladder, signed.payload, digest);
    if (salts !== undefined && salts.package !== digest)
      throw new MaestroError("invalid_request", `The salts are those of package ${salts.package}, this is ${digest}.`, {
        fix: "Use the file that was written with this package.",
      });
    const receipts = checkReceipts(ladder, manifest, key, trustRoot, text);
    const revealed = salts?.fields ?? [];
    keyid = key.keyid;
    claims = claimsOf(manifest, revealed);
    checkWitnesses(ladder, checkLedger(ladder, receipts, trustRoot, text), request.witnesses);
    checkPolicy(ladder, manifest, text);
    checkRedactions(ladder, manifest, text, salts?.fields);
    checkEvidence(ladder, { manifest, receipts, trustRoot, text, revealed, files: contents.files });
  }, PACKAGE_RUNGS);
  const verified = checks.every((check) => check.status !== "failed");
  return { verified, digest, checks, claims, keyid };
}

/** The files that are read as text. */
export class Texts {
  readonly #contents: PackageContents;

  constructor(contents: PackageContents) {
    this.#contents = contents;
  }

  has(path: string): boolean {
    return this.#contents.files.has(path);
  }

  /** Throws CheckFailed where there is none. */
  bytes(path: string): Uint8Array {
    const bytes = this.#contents.files.get(path)?.bytes;
    if (bytes === undefined) throw new CheckFailed(`it has no ${path}`);
    return bytes;
  }

  of(path: string): string {
    return decode(this.bytes(path));
  }
}

function checkFiles(ladder: Ladder, { files }: PackageContents, manifest: DisclosureManifest): void {
  ladder.check("files", () => {
    const named = new Set([MANIFEST, SEAL]);
    if (!files.has(SEAL)) throw new CheckFailed(`${SEAL} is missing`);
    for (const { path, size, sha256 } of manifest.files) {
      const found = files.get(path);
      if (found === undefined) throw new CheckFailed(`${path} is missing`);
      if (found.size !== size) throw new CheckFailed(`${path} has ${found.size} bytes, the manifest says ${size}`);
      if (found.sha256 !== sha256)
        throw new CheckFailed(`${path} was changed: its SHA-256 is ${found.sha256}, the manifest says ${sha256}`);
      named.add(path);
    }
    const stray = [...files.keys()].find((path) => !named.has(path));
    if (stray !== undefined) throw new CheckFailed(`${stray} is not in the manifest`);
    return { value: undefined, detail: `${count(manifest.files.length, "file")} by SHA-256` };
  });
}

function checkSeal(ladder: Ladder, payload: Uint8Array, digest: Digest): void {
  ladder.check("statement", () => {
    const document = parseStrict(decode(payload));
    const statement = isJsonObject(document) ? document : {};
    const { _type, subject, predicateType } = statement;
    if (_type !== STATEMENT_TYPE) throw new CheckFailed(`_type is ${JSON.stringify(_type)}, not ${STATEMENT_TYPE}`);
    if (predicateType !== DISCLOSURE_PREDICATE)
      throw new CheckFailed(`predicateType is ${JSON.stringify(predicateType)}, not ${DISCLOSURE_PREDICATE}`);
    const expected = JSON.stringify([{ name: MANIFEST, digest: { sha256: digest.slice("sha256:".length) } }]);
    if (JSON.stringify(subject) !== expected)
      throw new CheckFailed(
        `it is about ${JSON.stringify(subject)?.slice(0, 200) ?? "nothing"}, not about this manifest`,
      );
    return { value: undefined, detail: digest };
  });
}

/** Returns the receipts, those of a run in their order. */
function checkReceipts(
  ladder: Ladder,
  manifest: DisclosureManifest,
  key: TrustedKey,
  trustRoot: TrustRoot,
  text: Texts,
): readonly VerifiedReceipt[] {
  // The times that there are stand in the receipts; a package has none, so that it comes out the same whenever it is made.
  const receipts = read();
  ladder.check("signer", () => {
    if (key.builder !== manifest.builder)
      throw new CheckFailed(`it speaks for ${manifest.builder}, but its key may speak only for ${key.builder}`);
    const ended = receipts.map(({ claims }) => claims?.endedAt ?? 0);
    const last = Math.max(...ended);
    if (key.validUntil !== null && last > key.validUntil + CLOCK_SKEW_MS)
      throw new CheckFailed(
        `a run of it ended at ${new Date(last).toISOString()}, after its key was retired at ${new Date(key.validUntil).toISOString()}`,
      );
    return { value: undefined, detail: manifest.builder };
  });
  return ladder.check("receipts", () => {
    const verified = receipts.map(({ run, ordinal, bytes, checks, claims, artifacts }): VerifiedReceipt => {
      const failed = checks.find(({ status }) => status === "failed");
      if (claims === null || failed !== undefined)
        throw new CheckFailed(
          `${receiptPath(run.run, ordinal)} is not a receipt that ${failed?.title ?? "can be read"}: ${failed?.detail ?? ""}`,
        );
      if (claims.builder !== manifest.builder)
        throw new CheckFailed(
          `${receiptPath(run.run, ordinal)} was sealed by ${claims.builder}, the package by ${manifest.builder}`,
        );
      return { run, ordinal, bytes, claims, artifacts };
    });
    return { value: verified, detail: `${count(verified.length, "receipt")} of ${count(manifest.runs.length, "run")}` };
  });

  function read(): readonly (Omit<VerifiedReceipt, "claims"> & {
    readonly checks: readonly Check[];
    readonly claims: ReceiptClaims | null;
  })[] {
    return manifest.runs.flatMap((run) =>
      run.receipts.map(({ ordinal, digest }, i) => {
        const path = receiptPath(run.run, ordinal);
        const bytes = text.has(path) ? text.bytes(path) : new Uint8Array(0);
        const before = i === 0 ? undefined : receiptPath(run.run, ordinal - 1);
        const expected = {
          digest,
          run: run.run,
          workflow: run.workflow,
          // A run that was retried ended several times; the last one counts.
          ...(i === run.receipts.length - 1 ? { status: run.status } : {}),
        };
        const { checks, claims } = checkReceipt(
          bytes,
          {
            trustRoot,
            expected,
            ...(before === undefined || !text.has(before) ? {} : { previous: text.bytes(before) }),
          },
          [],
        );
        return { run, ordinal, bytes, checks, claims, artifacts: artifactsOf(bytes) };
      }),
    );
  }
}

/** Digests of the statement's subjects. Whether it may be believed is another check's. */
function artifactsOf(bundle: Uint8Array): ReadonlySet<string> {
  try {
    const { dsseEnvelope } = JSON.parse(Buffer.from(bundle).toString("utf8")) as { dsseEnvelope: { payload: string } };
    const { subject } = JSON.parse(Buffer.from(dsseEnvelope.payload, "base64").toString("utf8")) as {
      subject: readonly { digest: { sha256: string } }[];
    };
    return new Set(subject.slice(1).map(({ digest }) => digest.sha256));
  } catch {
    // It is no receipt, which the check of receipts says.
    return new Set();
  }
}

/** Each proof leads from its receipt to one and the same checkpoint, which lies in the package as a file too and is given back. */
function checkLedger(
  ladder: Ladder,
  receipts: readonly VerifiedReceipt[],
  trustRoot: TrustRoot,
  text: Texts,
): string | undefined {
  const proved = receipts.filter(({ run, ordinal }) => run.receipts[ordinal - 1]!.proved);
  if (proved.length === 0) {
    for (const id of ["ledger", "checkpoint"] as const)
      ladder.skip(id, "its receipts are from before the ledger began");
    return undefined;
  }
  const proofOf = ({ run, ordinal }: VerifiedReceipt): string => text.of(proofPath(run.run, ordinal));
  ladder.check("ledger", () => {
    for (const receipt of proved) {
      const { checks } = checkReceipt(receipt.bytes, { trustRoot, proof: proofOf(receipt) }, []);
      const rung = checks.find(({ id }) => id === "ledger");
      if (rung?.status !== "passed")
        throw new CheckFailed(`${proofPath(receipt.run.run, receipt.ordinal)}: ${rung?.detail ?? "it proves nothing"}`);
    }
    const left = receipts.length - proved.length;
    const more = left === 0 ? "" : `; ${left} are from before the ledger began`;
    return { value: undefined, detail: `${count(proved.length, "receipt")}${more}` };
  });
  return ladder.check("checkpoint", () => {
    const note = text.of(CHECKPOINT);
    const other = proved.find((receipt) => readProof(proofOf(receipt)).checkpoint !== note);
    if (other !== undefined)
      throw new CheckFailed(`${proofPath(other.run.run, other.ordinal)} proves it by another checkpoint`);
    const read = readNote(note);
    const { origin, size } = readCheckpoint(read.text);
    const signers = endorsements(read, logKeys(trustRoot));
    return { value: note, detail: `${size} entries of ${origin}, signed by ${count(signers.length, "key")} of it` };
  });
}

function checkRedactions(
  ladder: Ladder,
  { redactions }: DisclosureManifest,
  text: Texts,
  revealed: readonly RevealedField[] | undefined,
): void {
  ladder.check("redactions", () => {
    const documents = new Map<string, JsonValue>();
    for (const { path, pointer } of redactions) {
      const document = documents.get(path) ?? readDocument(path, text);
      documents.set(path, document);
      if (markerDigest(valueAt(document, parsePointer(pointer))) === undefined)
        throw new CheckFailed(`${path} has nothing redacted at ${pointer}, and the manifest says that it has`);
    }
    const detail = redactions.length === 0 ? "nothing was taken out" : count(redactions.length, "place");
    return { value: undefined, detail };
  });
  if (revealed === undefined) {
    ladder.skip("revealed", "no values were given to compare with");
    return;
  }
  ladder.check("revealed", () => {
    const known = new Set(redactions.map(({ path, pointer }) => `${path} ${pointer}`));
    const stray = revealed.find(({ path, pointer }) => !known.has(`${path} ${pointer}`));
    if (stray !== undefined) throw new CheckFailed(`${stray.path} has nothing redacted at ${stray.pointer}`);
    for (const path of new Set(revealed.map((field) => field.path)))
      reveal(
        readDocument(path, text),
        revealed.filter((field) => field.path === path),
      );
    return { value: undefined, detail: `${revealed.length} of ${count(redactions.length, "value")}` };
  });
}

/** JSON, or lines of it as a list. */
function readDocument(path: string, text: Texts): JsonValue {
  const whole = text.of(path);
  if (!path.endsWith(".jsonl")) return parseStrict(whole, { depth: 512 });
  return whole
    .split("\n")
    .slice(0, -1)
    .map((line) => parseStrict(line, { depth: 512 }));
}

function claimsOf(manifest: DisclosureManifest, revealed: readonly RevealedField[]): PackageClaims {
  const { builder, recipient, purpose, authority, licenses, runs, redactions } = manifest;
  return {
    builder,
    recipient,
    purpose,
    authority,
    licenses,
    runs: runs.map(({ run, workflow, status }) => ({ run, workflow, status })),
    redactions: redactions.length,
    revealed: revealed.map(({ path, pointer, value }) => ({ path, pointer, value })),
  };
}
