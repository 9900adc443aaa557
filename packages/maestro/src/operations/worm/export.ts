import type { Hash } from "../../core/merkle.ts";
import { isConsistent, isEqual } from "../../core/merkle.ts";
import { leafDigest, sha256 } from "../../core/digest.ts";
import { MaestroError } from "../../core/problem.ts";
import type { Checkpoint } from "../../provenance/ledger/checkpoint.ts";
import { readCheckpoint } from "../../provenance/ledger/checkpoint.ts";
import type { Edge } from "../../provenance/ledger/edge.ts";
import { logKeys } from "../../provenance/ledger/log-key.ts";
import { endorsements, readNote } from "../../provenance/ledger/note.ts";
import type { TrustRoot } from "../../provenance/trust.ts";
import { auditDigestIn, checkWorm, segmentName } from "./check.ts";
import type { WormState } from "./check.ts";
import type { Protection, WormTarget } from "./target.ts";

/** Where the ledger and the audit come from. */
export interface WormSource {
  readonly trustRoot: TrustRoot;
  /** The newest, a signed note. */
  checkpoint(): Promise<string>;
  /** That the tree of the newest checkpoint begins with that of `from` entries. */
  consistency(from: number): Promise<{ readonly hashes: readonly Hash[]; readonly checkpoint: string }>;
  /** Entries as they were committed, in order, from a place on; fewer than asked where there are no more. */
  entries(from: number, limit: number): Promise<readonly string[]>;
  audit(from: number, limit: number): Promise<readonly string[]>;
}

export interface WormReport {
  readonly place: string;
  /** Entries that were there, found sound; and that are there now. */
  readonly found: number;
  readonly size: number;
  readonly audit: number;
  readonly written: readonly string[];
  readonly protection: Protection;
}

/** Entries in one file. */
const SEGMENT = 4_096;

/**
 * Brings a place up to date: first what is there is checked from the first byte on, then the ledger has to continue it,
 * then what is new is written, and last the checkpoint over it. Nothing is ever written over. Errors: `ledger_broken`,
 * `conflict`, `storage_failed`.
 */
export async function exportWorm(source: WormSource, target: WormTarget): Promise<WormReport> {
  const state = await checkWorm(target, source.trustRoot);
  const found = state.edge.size;
  const newest = await continuation(source, state);
  const written: string[] = [];
  const end = newest.head.size;
  await writeLines(
    target,
    state.tornLedger,
    { kind: "ledger", from: state.ledgerFrom, end, written },
    async (from, limit) => {
      const texts = await source.entries(from, limit);
      for (const text of texts.slice(Math.max(0, state.edge.size - from))) {
        state.edge.add(leafDigest(Buffer.from(text)), () => undefined);
        const digest = auditDigestIn(text);
        if (digest !== undefined) state.digests.push(digest);
      }
      return texts;
    },
  );
  if (!isEqual(state.edge.root(), newest.head.root))
    throw rewritten(`What was exported gives another root than the one that was signed for ${end} entries.`, target);
  const rows = state.digests.length;
  await writeLines(
    target,
    state.tornAudit,
    { kind: "audit", from: state.auditFrom, end: rows, written },
    async (from, limit) => {
      const texts = await source.audit(from, limit);
      texts.forEach((text, i) => {
        if (sha256(text) !== state.digests[from + i])
          throw rewritten(`Entry ${from + i} of the audit is not the one that stands in the ledger.`, target);
      });
      return texts;
    },
  );
  const name = `checkpoint-${pad(end)}.txt`;
  if (!state.checkpoints.has(end)) {
    await target.create(name, Buffer.from(newest.note));
    written.push(name);
  }
  return { place: target.shown, found, size: end, audit: rows, written, protection: await target.protection() };
}

/** The newest checkpoint, proved to continue what is there. */
async function continuation(
  source: WormSource,
  { edge }: WormState,
): Promise<{ readonly head: Checkpoint; readonly note: string }> {
  const first = await source.checkpoint();
  if (edge.size === 0) return { head: readSigned(first, source.trustRoot), note: first };
  const before = readSigned(first, source.trustRoot);
  if (before.size < edge.size) throw notBegun(edge, before);
  const { hashes, checkpoint } = await source.consistency(edge.size);
  const head = readSigned(checkpoint, source.trustRoot);
  if (!isConsistent({ size: edge.size, root: edge.root() }, head, hashes)) throw notBegun(edge, head);
  return { head, note: checkpoint };
}

function readSigned(note: string, trustRoot: TrustRoot): Checkpoint {
  const read = readNote(note);
  if (endorsements(read, logKeys(trustRoot)).length === 0) throw new SyntaxError("no key of the trust root signed it");
  return readCheckpoint(read.text);
}

/** Segment after segment; the first goes on where a file was cut off. */
async function writeLines(
  target: WormTarget,
  torn: WormState["tornLedger"],
  {
    kind,
    from,
    end,
    written,
  }: { readonly kind: "ledger" | "audit"; readonly from: number; readonly end: number; readonly written: string[] },
  read: (from: number, limit: number) => Promise<readonly string[]>,
): Promise<void> {
  let at = from;
  while (at < end) {
    // A file that was cut off says in its name how far it was meant to go.
    const to = torn !== undefined && at === from ? torn.to : Math.min(end, at + SEGMENT);
    if (to > end) throw rewritten(`${torn?.name} goes beyond the ${end} entries that there are.`, target);
    const texts: string[] = [];
    while (texts.length < to - at) {
      const page = await read(at + texts.length, to - at - texts.length);
      if (page.length === 0)
        throw new MaestroError("conflict", `The ${kind} has fewer entries than it said: ${at + texts.length}.`);
      texts.push(...page);
    }
    const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
    const name = segmentName(kind, at, to);
    if (torn !== undefined && at === from) {
      if (!bytes.subarray(0, torn.bytes.length).equals(torn.bytes))
        throw rewritten(`What is in ${torn.name} is not the beginning of what belongs there.`, target);
      await target.append(torn.name, bytes.subarray(torn.bytes.length));
    } else await target.create(name, bytes);
    written.push(name);
    at = to;
  }
}

function notBegun(edge: Edge, head: Checkpoint): MaestroError {
  return new MaestroError(
    "ledger_broken",
    `The ledger of ${head.size} entries does not begin with the ${edge.size} that were exported.`,
    {
      facts: { exported: edge.size, size: head.size },
      fix: "Keep both: what was exported shows what the ledger was. A restored backup does this openly; export to another place then.",
    },
  );
}

function rewritten(detail: string, { shown }: WormTarget): MaestroError {
  return new MaestroError("ledger_broken", `${shown}: ${detail}`, {
    facts: { place: shown },
    fix: "Keep a copy of both places and find out which was changed, and by whom.",
  });
}

function pad(size: number): string {
  return String(size).padStart(15, "0");
}
