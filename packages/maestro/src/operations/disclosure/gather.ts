import { stat } from "node:fs/promises";
import type { Digest } from "../../core/digest.ts";
import type { JsonValue } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import { isTerminal } from "../../core/run.ts";
import type { RunView } from "../../engine/engine.ts";
import { artifactPath, DISCLOSURE_LIMITS, evidencePath } from "../../provenance/disclosure/form.ts";
import type { LogStore } from "../../runner/logs.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { Part } from "../../store/retention.ts";
import type { ReceiptRow, RunRow, Store } from "../../store/store.ts";
import type { Document } from "./documents.ts";

export interface GatherDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly logs: LogStore;
  readonly view: (run: string) => Promise<RunView>;
}

/** What there is about one run, before anything is taken out. */
export interface Gathered {
  readonly row: RunRow;
  readonly license: string;
  /** The first one first. */
  readonly receipts: readonly ReceiptRow[];
  /** Empty where retention removed the history. */
  readonly documents: readonly Document[];
  /** The events as they were committed. */
  readonly texts: readonly string[];
  readonly logs: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  readonly artifacts: readonly GatheredArtifact[];
  /** The sentence that says when the history was removed. */
  readonly removed?: string;
}

export interface GatheredArtifact {
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  /** Its file in the blob store. */
  readonly file: string;
}

/** Of a run that has ended: its receipts, the run as it is shown, its plan, its events, and what was asked for beside. Errors: `conflict`, `removed`, `store_corrupt`, `limit_exceeded`. */
export async function gather(
  deps: GatherDeps,
  row: RunRow,
  wanted: { readonly artifacts: boolean; readonly logs: boolean },
): Promise<Gathered> {
  if (!isTerminal(row.status))
    throw new MaestroError("conflict", `Run ${row.id} is ${row.status}; a package is about runs that have ended.`, {
      facts: { run: row.id, status: row.status },
      fix: `Wait for its end with \`maestro watch ${row.id}\`.`,
    });
  const receipts = await receiptsOf(deps.store, row);
  const plan = await deps.store.planGet(row.planDigest);
  if (plan === undefined)
    throw new MaestroError("store_corrupt", `The plan ${row.planDigest} of run ${row.id} is missing.`);
  const { license } = JSON.parse(plan.text) as { readonly license: string };
  const removed = await removalOf(deps.store, row, "events");
  const common = { row, license, receipts };
  if (removed !== undefined) return { ...common, documents: [], texts: [], logs: [], artifacts: [], removed };
  const texts = await eventTexts(deps.store, row);
  const view = JSON.parse(JSON.stringify(await deps.view(row.id))) as JsonValue;
  const document = (
    name: Parameters<typeof evidencePath>[1],
    prefix: Document["prefix"],
    value: JsonValue,
  ): Document => ({
    run: row.id,
    path: evidencePath(row.id, name),
    prefix,
    value,
  });
  return {
    ...common,
    documents: [
      document(
        "events.jsonl",
        ["events"],
        texts.map((text) => JSON.parse(text) as JsonValue),
      ),
      document("plan.json", ["plan"], JSON.parse(plan.text) as JsonValue),
      document("run.json", [], view),
    ],
    texts,
    logs: wanted.logs ? await logsOf(deps, row) : [],
    artifacts: wanted.artifacts ? await artifactsOf(deps, row, receipts) : [],
  };
}

async function receiptsOf(store: Store, row: RunRow): Promise<readonly ReceiptRow[]> {
  const newest = await store.receiptGet(row.id);
  if (newest === undefined)
    throw new MaestroError("not_found", `Run ${row.id} has no receipt.`, {
      facts: { run: row.id },
      fix: "Retention may have removed it: `maestro gc --dry-run` says by which rule.",
    });
  const receipts: ReceiptRow[] = [];
  for (let ordinal = 1; ordinal <= newest.ordinal; ordinal++) {
    const receipt = ordinal === newest.ordinal ? newest : await store.receiptGet(row.id, ordinal);
    if (receipt === undefined)
      throw new MaestroError("store_corrupt", `Receipt ${ordinal} of run ${row.id} is missing.`);
    receipts.push(receipt);
  }
  return receipts;
}

/** Undefined where that part of the run is still there. */
async function removalOf(store: Store, row: RunRow, part: Part): Promise<string | undefined> {
  const removal = await store.retention.removalOf(row.id, part);
  if (removal === undefined || removal.seq !== row.seq) return undefined;
  return `The ${part} of run ${row.id} were removed on ${new Date(removal.removedAt).toISOString()} (${removal.policy}).`;
}

async function eventTexts(store: Store, row: RunRow): Promise<readonly string[]> {
  const texts: string[] = [];
  let size = 0;
  for (let afterSeq = 0; afterSeq < row.seq;) {
    const page = await store.runEvents(row.id, { afterSeq, limit: 1000 });
    for (const { seq, text } of page) {
      if (seq > row.seq) break;
      texts.push(text);
      size += text.length;
    }
    refuseLarge(size, row.id);
    const last = page.at(-1);
    if (last === undefined) break;
    afterSeq = last.seq;
  }
  if (texts.length !== row.seq)
    throw new MaestroError("store_corrupt", `Run ${row.id} has ${texts.length} of its ${row.seq} events.`);
  return texts;
}

async function logsOf({ store, logs }: GatherDeps, row: RunRow): Promise<Gathered["logs"]> {
  await refuseRemoved(store, row, "logs");
  const refs = (await logs.refs(row.id)).toSorted(
    (a, b) => (a.task < b.task ? -1 : a.task > b.task ? 1 : 0) || a.item - b.item || a.attempt - b.attempt,
  );
  const found: { readonly path: string; readonly bytes: Uint8Array }[] = [];
  let total = 0;
  for (const ref of refs) {
    const parts: Uint8Array[] = [];
    for (let offset = 0; ;) {
      const { bytes, size } = await logs.read(ref, { offset, limit: 4 * 1024 * 1024 });
      parts.push(bytes);
      offset += bytes.length;
      total += bytes.length;
      refuseLarge(total, row.id);
      if (bytes.length === 0 || offset >= size) break;
    }
    const item = ref.item === -1 ? "" : `.${ref.item}`;
    // The number first: a task may be called as a device of Windows is.
    found.push({ path: `evidence/${row.id}/logs/${ref.attempt}.${ref.task}${item}.log`, bytes: Buffer.concat(parts) });
  }
  return found;
}

/** The artifacts that a receipt vouches for, each digest once. */
async function artifactsOf(
  { store, blobs }: GatherDeps,
  row: RunRow,
  receipts: readonly ReceiptRow[],
): Promise<readonly GatheredArtifact[]> {
  await refuseRemoved(store, row, "artifacts");
  const digests = new Set(receipts.flatMap(({ bundle }) => subjectsOf(bundle)));
  const artifacts: GatheredArtifact[] = [];
  for (const digest of [...digests].toSorted()) {
    const file = await blobs.path(digest);
    const size = file === undefined ? undefined : await sizeOf(file);
    if (file === undefined || size === undefined)
      throw new MaestroError(
        "store_corrupt",
        `The artifact ${digest} of run ${row.id} is missing from the blob store.`,
      );
    artifacts.push({ path: artifactPath(row.id, digest), digest, size, file });
  }
  return artifacts;
}

async function refuseRemoved(store: Store, row: RunRow, part: Part): Promise<void> {
  const removed = await removalOf(store, row, part);
  if (removed !== undefined)
    throw new MaestroError("removed", removed, { facts: { run: row.id }, fix: "Disclose the run without them." });
}

/** Digests of what the run left behind: all subjects but the run itself. */
function subjectsOf(bundle: string): readonly Digest[] {
  const { dsseEnvelope } = JSON.parse(bundle) as { readonly dsseEnvelope: { readonly payload: string } };
  const { subject } = JSON.parse(Buffer.from(dsseEnvelope.payload, "base64").toString("utf8")) as {
    readonly subject: readonly { readonly digest: { readonly sha256: string } }[];
  };
  return subject.slice(1).map(({ digest }): Digest => `sha256:${digest.sha256}`);
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function refuseLarge(size: number, run: string): void {
  if (size > DISCLOSURE_LIMITS.textBytes)
    throw new MaestroError(
      "limit_exceeded",
      `What is to be disclosed of run ${run} has more than ${DISCLOSURE_LIMITS.textBytes} bytes.`,
      { fix: "Disclose fewer runs at once, or leave out the logs." },
    );
}
