import { createHash, createHmac } from "node:crypto";
import { canonical } from "../../core/canonical.ts";
import type { Digest } from "../../core/digest.ts";
import { chain, digestOf, sha256 } from "../../core/digest.ts";
import type { Decision } from "../../core/event.ts";
import { parsePointer } from "../../core/json-pointer.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import { STATEMENT_TYPE } from "../../core/receipt.ts";
import type { RevealedField } from "../../core/redaction.ts";
import type { DisclosedRun, DisclosureManifest, Redaction } from "../../provenance/disclosure/form.ts";
import {
  CHECKPOINT,
  DISCLOSURE_PREDICATE,
  evidencePath,
  MANIFEST,
  policyPath,
  proofPath,
  receiptPath,
  SEAL,
  TRUST_ROOT,
  writeManifest,
} from "../../provenance/disclosure/form.ts";
import { BUNDLE_MEDIA_TYPE } from "../../provenance/envelope.ts";
import type { Ledger } from "../../provenance/ledger/ledger.ts";
import { sealReceipt } from "../../provenance/receipts.ts";
import type { Signer } from "../../provenance/signer.ts";
import { TRUST_ROOT_MEDIA_TYPE } from "../../provenance/trust.ts";
import type { PolicySource } from "../../policy/evaluator.ts";
import type { CheckpointRow } from "../../store/ledger.ts";
import type { RunRow } from "../../store/store.ts";
import type { Document } from "./documents.ts";
import { Draft } from "./draft.ts";
import type { PackedFile } from "./draft.ts";
import { gather } from "./gather.ts";
import type { Gathered, GatherDeps } from "./gather.ts";
import { redactDocuments } from "./redact.ts";
import { refuseTraces } from "./refuse-traces.ts";
import { readWish } from "./wishes.ts";
import type { Wish } from "./wishes.ts";

export interface DisclosureDeps extends GatherDeps {
  readonly signer: Signer;
  /** The trust root file's text. */
  readonly trustRoot: () => Promise<string>;
  readonly ledger: () => Promise<Ledger>;
  /** The signed checkpoint, with what others put under it, that proves the entry at a place; undefined: there is none yet. */
  readonly covering: (place: number) => Promise<CheckpointRow | undefined>;
  /** What the gate's policies are made of, as far as they lie here. */
  readonly policies: () => readonly PolicySource[];
}

export interface DisclosureRequest {
  readonly recipient: string;
  readonly purpose: string;
  readonly authority: string;
  /** Pointers and rules, as they were written. */
  readonly redact: readonly string[];
  readonly artifacts: boolean;
  readonly logs: boolean;
}

/** A run, and why it may be disclosed. */
export interface PermittedRun {
  readonly row: RunRow;
  readonly action: string;
  readonly decision: Decision;
}

/** A package that is whole but for artifacts, which are read when it is written. */
export interface Disclosure {
  /** Of the manifest: what the package is called by. */
  readonly digest: Digest;
  /** Sorted by path. */
  readonly files: readonly PackedFile[];
  /** What was taken out, for whoever may hand it out later. */
  readonly fields: readonly RevealedField[];
  readonly redactions: number;
}

/**
 * Makes a package: the same bytes from the same history and request, whenever and wherever it is made. Errors:
 * `denied` for an obligation that cannot be carried out, `invalid_request`, `conflict`, `removed`, `limit_exceeded`, `not_found`.
 */
export async function disclose(
  deps: DisclosureDeps,
  request: DisclosureRequest,
  permitted: readonly PermittedRun[],
): Promise<Disclosure> {
  const wishes = [...[...new Set(request.redact)].map((text) => readWish(text)), ...permitted.flatMap(owed)];
  const runs = permitted.toSorted((a, b) => (a.row.id < b.row.id ? -1 : 1));
  const gathered: Gathered[] = [];
  for (const { row } of runs) gathered.push(await gather(deps, row, request));
  const documents = gathered.flatMap((one) => one.documents);
  const salt = salter(deps.signer, request, gathered);
  const redacted = await redactDocuments(documents, wishes, salt);
  const { proofs, checkpoint } = await provedBy(deps, gathered);
  const draft = new Draft();
  for (const document of redacted.documents) {
    const one = gathered.find(({ row }) => row.id === document.run)!;
    draft.add(document.path, textOf(document, one, redacted.redactions), typeOf(document.path));
  }
  for (const one of gathered) addReceipts(draft, one, proofs);
  if (checkpoint !== undefined) draft.add(CHECKPOINT, checkpoint, "text/plain");
  draft.add(TRUST_ROOT, await deps.trustRoot(), TRUST_ROOT_MEDIA_TYPE);
  addPolicies(draft, deps.policies(), new Set(runs.map(({ decision }) => decision.policyDigest)));
  for (const { logs, artifacts } of gathered) {
    for (const { path, bytes } of logs) draft.add(path, bytes, "application/octet-stream");
    for (const artifact of artifacts) draft.addFile(artifact);
  }
  const manifest: DisclosureManifest = {
    builder: deps.signer.builder,
    recipient: request.recipient,
    purpose: request.purpose,
    authority: request.authority,
    licenses: [...new Set(gathered.map(({ license }) => license))].sort(),
    runs: gathered.map((one, i) => runOf(one, runs[i]!, proofs, redacted.redactions)),
    redactions: redacted.redactions,
    files: draft.listed(),
  };
  const said = [request.recipient, request.purpose, request.authority];
  await refuseTraces(redacted.traces, said, gathered, draft.opaque());
  const text = writeManifest(manifest);
  const digest = sha256(text);
  draft.add(MANIFEST, text, "application/json");
  draft.add(SEAL, seal(manifest, digest, deps.signer), BUNDLE_MEDIA_TYPE);
  return { digest, files: draft.files(), fields: redacted.fields, redactions: redacted.redactions.length };
}

/** What the policy wants taken out. Errors: `denied` where that, or anything else that it wants, cannot be done. */
function owed({ decision }: PermittedRun): readonly Wish[] {
  return (decision.obligations ?? []).flatMap(({ id, type, properties: { paths } }): readonly Wish[] => {
    // Seen to by the gate, before it said yes.
    if (type === "notify" || type === "step-up") return [];
    if (type !== "redact")
      throw new MaestroError(
        "denied",
        `It may be disclosed only with ${type} (rule ${id}), which nobody can do here.`,
        {
          facts: { rule: id, obligation: type },
        },
      );
    const texts = Array.isArray(paths) ? (paths as readonly JsonValue[]) : [paths];
    return texts.map((text) => readWish(typeof text === "string" ? text : "nothing", id));
  });
}

/**
 * Salts that nobody outside can compute, and that come again with the same package: Ed25519 signatures are a function of
 * key and message, and this message is none that is signed for anybody to see (those begin with DSSEv1 or with the log's name).
 */
function salter(
  signer: Signer,
  { recipient, purpose, authority }: DisclosureRequest,
  gathered: readonly Gathered[],
): (path: string, pointer: string) => string {
  const secret = createHash("sha256")
    .update(signer.sign(Buffer.from("maestro disclosure salts v1\n")))
    .digest();
  const receipts = gathered.flatMap((one) => one.receipts.map(({ digest }) => digest));
  const subject = canonical({ authority, purpose, receipts, recipient });
  return (path, pointer) =>
    createHmac("sha256", secret)
      .update(JSON.stringify([subject, path, pointer]))
      .digest()
      .subarray(0, 16)
      .toString("base64url");
}

/** Whole documents in canonical form; events as they were committed, but for those that something was taken out of. */
function textOf({ path, value }: Document, { texts }: Gathered, redactions: readonly Redaction[]): string {
  if (!path.endsWith("/events.jsonl")) return canonical(value);
  const touched = linesOf(path, redactions);
  return (value as readonly JsonValue[])
    .map((event, i) => `${touched.has(i) ? JSON.stringify(event) : texts[i]!}\n`)
    .join("");
}

/** Lines, from 0, that something was taken out of. */
function linesOf(path: string, redactions: readonly Redaction[]): ReadonlySet<number> {
  return new Set(redactions.flatMap((one) => (one.path === path ? Number(parsePointer(one.pointer)[0]) : [])));
}

function addReceipts(draft: Draft, { receipts, row }: Gathered, proofs: Proofs): void {
  for (const { ordinal, bundle, digest } of receipts) {
    draft.add(receiptPath(row.id, ordinal), bundle, BUNDLE_MEDIA_TYPE);
    const proof = proofs.get(digest);
    if (proof !== undefined) draft.add(proofPath(row.id, ordinal), proof, "text/plain");
  }
}

type Proofs = ReadonlyMap<Digest, string>;

async function provedBy(
  deps: DisclosureDeps,
  gathered: readonly Gathered[],
): Promise<{ readonly proofs: Proofs; readonly checkpoint: string | undefined }> {
  const receipts = gathered.flatMap((one) => one.receipts);
  const { checkpoint, proofs } = await (await deps.ledger()).proofsOf(receipts, deps.covering);
  const found = receipts.flatMap(({ digest }, i): [Digest, string][] =>
    proofs[i] === undefined ? [] : [[digest, proofs[i]]],
  );
  return { proofs: new Map(found), checkpoint: found.length === 0 ? undefined : checkpoint.note };
}

/** The documents that the decisions' digests are over, those that these name among them, and their files. */
function addPolicies(draft: Draft, sources: readonly PolicySource[], wanted: ReadonlySet<Digest>): void {
  const byDigest = new Map(sources.map((source) => [digestOf(source.document), source]));
  const open = [...wanted];
  const seen = new Set(open);
  for (let policy = open.pop(); policy !== undefined; policy = open.pop()) {
    const source = byDigest.get(policy);
    // It lies with its engine.
    if (source === undefined) continue;
    draft.add(policyPath(policy), canonical(source.document), "application/json");
    for (const bytes of source.files) {
      const path = policyPath(policy, sha256(bytes));
      if (!draft.has(path)) draft.add(path, bytes, "application/octet-stream");
    }
    const every = isJsonObject(source.document) ? source.document["every"] : undefined;
    for (const part of Array.isArray(every) ? (every as readonly Digest[]) : []) {
      if (!seen.has(part)) open.push(part);
      seen.add(part);
    }
  }
}

function runOf(
  { row, license, receipts, texts, removed }: Gathered,
  { action, decision }: PermittedRun,
  proofs: Proofs,
  redactions: readonly Redaction[],
): DisclosedRun {
  const { engine, policyDigest: policy, requestDigest: request, rules } = decision;
  return {
    run: row.id,
    namespace: row.namespace,
    workflow: `${row.namespace}/${row.workflow}@${row.version}`,
    license,
    status: row.status,
    receipts: receipts.map(({ ordinal, digest }) => ({ ordinal, digest, proved: proofs.has(digest) })),
    decision: { action, engine, policy, request, rules },
    gaps: gapsOf(row.id, texts, redactions),
    ...(removed === undefined ? {} : { removed }),
  };
}

/** The chain digest up to and with each event that something was taken out of. */
function gapsOf(run: string, texts: readonly string[], redactions: readonly Redaction[]): DisclosedRun["gaps"] {
  const touched = linesOf(evidencePath(run, "events.jsonl"), redactions);
  let head: Digest | "" = "";
  return texts.flatMap((text, i) => {
    head = chain(head, text);
    return touched.has(i) ? [{ seq: i + 1, head }] : [];
  });
}

function seal(
  { recipient, purpose, authority, runs, builder }: DisclosureManifest,
  digest: Digest,
  signer: Signer,
): string {
  return sealReceipt(
    {
      _type: STATEMENT_TYPE,
      subject: [{ name: MANIFEST, digest: { sha256: digest.slice("sha256:".length) } }],
      predicateType: DISCLOSURE_PREDICATE,
      predicate: { builder: { id: builder }, recipient, purpose, authority, runs: runs.map(({ run }) => run) },
    },
    signer,
  ).bundle;
}

function typeOf(path: string): string {
  return path.endsWith(".jsonl") ? "application/jsonl" : "application/json";
}
