import { canonical } from "../../core/canonical.ts";
import type { Digest } from "../../core/digest.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import { parseStrict } from "../../core/strict-json.ts";

// A disclosure package: receipts of some runs, what proves them, and as much of what they are about as its recipient may
// see. docs/reference/disclosure-package.md describes every file and member.

export const DISCLOSURE_MEDIA_TYPE = "application/vnd.summit-maestro.disclosure.v1+json";
/** Of the statement that seals the manifest. */
export const DISCLOSURE_PREDICATE = "https://summit-maestro.dev/attestation/disclosure/v1";

export const MANIFEST = "manifest.json";
export const SEAL = "manifest.sigstore.json";
export const TRUST_ROOT = "trust_root.json";
export const CHECKPOINT = "checkpoint";

/** How large a package may be: to be made, and to be read by a verifier that believes nothing of it yet. */
export const DISCLOSURE_LIMITS = {
  runs: 100,
  /** Of `redact`, in one request. */
  rules: 200,
  files: 20_000,
  /** Of everything but artifacts, which are not held in memory. */
  textBytes: 256 * 1024 * 1024,
  /** Of all files together. */
  bytes: 64 * 1024 ** 3,
} as const;

export interface DisclosureManifest {
  /** The installation, as receipts name it. */
  readonly builder: string;
  readonly recipient: string;
  readonly purpose: string;
  readonly authority: string;
  /** Of the runs' plans, each once, sorted. */
  readonly licenses: readonly string[];
  readonly runs: readonly DisclosedRun[];
  readonly redactions: readonly Redaction[];
  /** Sorted by path. The manifest and its seal are not among them. */
  readonly files: readonly DisclosedFile[];
}

export interface DisclosedRun {
  readonly run: string;
  readonly namespace: string;
  /** `namespace/name@version`. */
  readonly workflow: string;
  readonly license: string;
  readonly status: string;
  /** All of the run, the first one first. */
  readonly receipts: readonly DisclosedReceipt[];
  readonly decision: DisclosureDecision;
  /** Events that something was taken out of, each with the chain digest up to and with it: from there on it can be followed again. */
  readonly gaps: readonly { readonly seq: number; readonly head: Digest }[];
  /** Why there is no evidence: retention took it before the package was made. */
  readonly removed?: string;
}

export interface DisclosedReceipt {
  readonly ordinal: number;
  readonly digest: Digest;
  /** Whether there is a proof that it is in the ledger: receipts from before the ledger began have none. */
  readonly proved: boolean;
}

/** Why it may be disclosed. Without the decision's id and time, which differ each time it is asked. */
export interface DisclosureDecision {
  readonly action: string;
  readonly engine: string;
  readonly policy: Digest;
  readonly request: Digest;
  readonly rules: readonly string[];
}

export interface Redaction {
  readonly path: string;
  /** In the document; of a file of lines the first token is the line, from 0. */
  readonly pointer: string;
  /** Who wanted it: whoever disclosed, or the policy. */
  readonly by: "request" | "policy";
}

export interface DisclosedFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly mediaType: string;
}

export function receiptPath(run: string, ordinal: number): string {
  return `receipts/${run}.${ordinal}.sigstore.json`;
}

export function proofPath(run: string, ordinal: number): string {
  return `proofs/${run}.${ordinal}.tlog-proof`;
}

export function evidencePath(run: string, name: "run.json" | "plan.json" | "events.jsonl"): string {
  return `evidence/${run}/${name}`;
}

/** A file by its digest: names of artifacts are whatever a task made, and stand in the receipt. */
export function artifactPath(run: string, digest: Digest): string {
  return `evidence/${run}/artifacts/${digest.slice("sha256:".length)}`;
}

/** The document a policy's digest is over, and beside it the files that it names, by their digests. */
export function policyPath(policy: Digest, file?: Digest): string {
  return `policy/${policy.slice("sha256:".length)}/${file === undefined ? "policy.json" : file.slice("sha256:".length)}`;
}

/** Canonical JSON. */
export function writeManifest(manifest: DisclosureManifest): string {
  return canonical({ mediaType: DISCLOSURE_MEDIA_TYPE, ...(manifest as unknown as JsonObject) });
}

/** Strict: what it does not know it refuses, and so what is not written the way we write it. Throws a SyntaxError. */
export function readManifest(text: string): DisclosureManifest {
  const document = parseStrict(text, { depth: 16 });
  const root = members(document, "the manifest", [
    "mediaType",
    "builder",
    "recipient",
    "purpose",
    "authority",
    "licenses",
    "runs",
    "redactions",
    "files",
  ]);
  if (root["mediaType"] !== DISCLOSURE_MEDIA_TYPE) throw new SyntaxError(`mediaType is not ${DISCLOSURE_MEDIA_TYPE}`);
  if (canonical(document) !== text) throw new SyntaxError("the manifest is not in canonical form (RFC 8785)");
  const manifest: DisclosureManifest = {
    builder: text1(root, "builder", ""),
    recipient: text1(root, "recipient", ""),
    purpose: text1(root, "purpose", ""),
    authority: text1(root, "authority", ""),
    licenses: texts(root, "licenses", ""),
    runs: list(root, "runs", "").map((run, i) => readRun(run, `runs[${i}]`)),
    redactions: list(root, "redactions", "").map((one, i) => readRedaction(one, `redactions[${i}]`)),
    files: list(root, "files", "").map((file, i) => readFile(file, `files[${i}]`)),
  };
  if (manifest.runs.length === 0 || manifest.runs.length > DISCLOSURE_LIMITS.runs)
    throw new SyntaxError(`it is about ${manifest.runs.length} runs; a package has 1 to ${DISCLOSURE_LIMITS.runs}`);
  ascending(
    manifest.files.map(({ path }) => path),
    "files",
  );
  ascending(
    manifest.runs.map(({ run }) => run),
    "runs",
  );
  return manifest;
}

function readRun(value: JsonValue, where: string): DisclosedRun {
  const names = ["run", "namespace", "workflow", "license", "status", "receipts", "decision", "gaps"];
  const run = members(value, where, names, ["removed"]);
  const id = text1(run, "run", where);
  // It becomes part of paths.
  if (!/^[a-z0-9_]{1,64}$/.test(id)) throw new SyntaxError(`${where}.run is no id of a run`);
  const receipts = list(run, "receipts", where).map((one, i) => readReceipt(one, `${where}.receipts[${i}]`));
  if (receipts.length === 0 || receipts.some(({ ordinal }, i) => ordinal !== i + 1))
    throw new SyntaxError(`${where}.receipts are not all of a run, from the first on`);
  const gaps = list(run, "gaps", where).map((one, i) => readGap(one, `${where}.gaps[${i}]`));
  if (gaps.some(({ seq }, i) => i > 0 && seq <= gaps[i - 1]!.seq))
    throw new SyntaxError(`${where}.gaps are not in order`);
  return {
    run: id,
    namespace: text1(run, "namespace", where),
    workflow: text1(run, "workflow", where),
    license: text0(run, "license", where),
    status: text1(run, "status", where),
    receipts,
    decision: readDecision(run["decision"], `${where}.decision`),
    gaps,
    ...(run["removed"] === undefined ? {} : { removed: text1(run, "removed", where) }),
  };
}

function readReceipt(value: JsonValue, where: string): DisclosedReceipt {
  const receipt = members(value, where, ["ordinal", "digest", "proved"]);
  const { proved } = receipt;
  if (typeof proved !== "boolean") throw new SyntaxError(`${where}.proved is neither true nor false`);
  return { ordinal: count(receipt, "ordinal", where), digest: digest(receipt, "digest", where), proved };
}

function readGap(value: JsonValue, where: string): DisclosedRun["gaps"][number] {
  const gap = members(value, where, ["seq", "head"]);
  return { seq: count(gap, "seq", where), head: digest(gap, "head", where) };
}

function readDecision(value: JsonValue | undefined, where: string): DisclosureDecision {
  const decision = members(value, where, ["action", "engine", "policy", "request", "rules"]);
  return {
    action: text1(decision, "action", where),
    engine: text1(decision, "engine", where),
    policy: digest(decision, "policy", where),
    request: digest(decision, "request", where),
    rules: texts(decision, "rules", where),
  };
}

function readRedaction(value: JsonValue, where: string): Redaction {
  const redaction = members(value, where, ["path", "pointer", "by"]);
  const by = text1(redaction, "by", where);
  if (by !== "request" && by !== "policy") throw new SyntaxError(`${where}.by is neither request nor policy`);
  return { path: text1(redaction, "path", where), pointer: text0(redaction, "pointer", where), by };
}

function readFile(value: JsonValue, where: string): DisclosedFile {
  const file = members(value, where, ["path", "sha256", "size", "mediaType"]);
  const sha256 = text1(file, "sha256", where);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new SyntaxError(`${where}.sha256 is no SHA-256 in hex`);
  return {
    path: text1(file, "path", where),
    sha256,
    size: count(file, "size", where),
    mediaType: text1(file, "mediaType", where),
  };
}

/** In the order of UTF-16, as canonical JSON sorts names, each once. */
function ascending(names: readonly string[], where: string): void {
  const at = names.findIndex((name, i) => i > 0 && name <= names[i - 1]!);
  if (at !== -1) throw new SyntaxError(`${where}[${at}] is not after the one before it`);
}

function members(
  value: JsonValue | undefined,
  where: string,
  names: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (!isJsonObject(value)) throw new SyntaxError(`${where} is not an object`);
  for (const name of names) if (!Object.hasOwn(value, name)) throw new SyntaxError(`${where} has no ${name}`);
  for (const name of Object.keys(value))
    if (!names.includes(name) && !optional.includes(name))
      throw new SyntaxError(`${where} has an unknown member ${JSON.stringify(name)}`);
  return value;
}

function list(object: JsonObject, name: string, where: string): readonly JsonValue[] {
  const value = object[name];
  if (!Array.isArray(value)) throw new SyntaxError(`${at(where, name)} is not a list`);
  return value as readonly JsonValue[];
}

function texts(object: JsonObject, name: string, where: string): readonly string[] {
  return list(object, name, where).map((one) => {
    if (typeof one !== "string") throw new SyntaxError(`${at(where, name)} is not a list of texts`);
    return one;
  });
}

function text0(object: JsonObject, name: string, where: string): string {
  const value = object[name];
  if (typeof value !== "string") throw new SyntaxError(`${at(where, name)} is not a text`);
  return value;
}

function text1(object: JsonObject, name: string, where: string): string {
  const value = text0(object, name, where);
  if (value === "") throw new SyntaxError(`${at(where, name)} is empty`);
  return value;
}

function count(object: JsonObject, name: string, where: string): number {
  const value = object[name];
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new SyntaxError(`${at(where, name)} is not a count`);
  return value as number;
}

function digest(object: JsonObject, name: string, where: string): Digest {
  const value = text1(object, name, where);
  if (!/^sha256:[0-9a-f]{64}$/.test(value)) throw new SyntaxError(`${at(where, name)} is not a sha256 digest`);
  return value as Digest;
}

function at(where: string, name: string): string {
  return where === "" ? name : `${where}.${name}`;
}
