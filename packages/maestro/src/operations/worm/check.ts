import { leafDigest, sha256 } from "../../core/digest.ts";
import type { JsonValue } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import { isEqual } from "../../core/merkle.ts";
import { MaestroError } from "../../core/problem.ts";
import { readCheckpoint } from "../../provenance/ledger/checkpoint.ts";
import { Edge } from "../../provenance/ledger/edge.ts";
import { logKeys } from "../../provenance/ledger/log-key.ts";
import { endorsements, readNote } from "../../provenance/ledger/note.ts";
import type { TrustRoot } from "../../provenance/trust.ts";
import type { WormFile, WormTarget } from "./target.ts";

/** What is at a place, found sound. */
export interface WormState {
  /** Over all entries that are there whole. */
  readonly edge: Edge;
  /** Of the entries of the audit, as the ledger has them, in order. */
  readonly digests: string[];
  /** Where the next segments begin. */
  readonly ledgerFrom: number;
  readonly auditFrom: number;
  /** The last file, where a process died while it wrote it. */
  readonly tornLedger: Torn | undefined;
  readonly tornAudit: Torn | undefined;
  /** Sizes that were signed. */
  readonly checkpoints: ReadonlySet<number>;
}

export interface Torn {
  readonly name: string;
  readonly to: number;
  readonly bytes: Buffer;
}

interface Segment extends WormFile {
  readonly from: number;
  readonly to: number;
}

const LINE_BREAK = 0x0a;

/** `ledger-000000000000000-000000000004096.jsonl`: entries from 0 to 4,095. */
export function segmentName(kind: "ledger" | "audit", from: number, to: number): string {
  return `${kind}-${String(from).padStart(15, "0")}-${String(to).padStart(15, "0")}.jsonl`;
}

/**
 * Reads everything that is there: segments follow one another without a gap, at each checkpoint the entries so far give the
 * root that was signed, and every entry of the audit has its digest in the ledger. Errors: `ledger_broken` with what is wrong.
 */
export async function checkWorm(target: WormTarget, trustRoot: TrustRoot): Promise<WormState> {
  const files = await target.list();
  const signed = await readCheckpoints(target, files, trustRoot);
  const edge = new Edge();
  const digests: string[] = [];
  const compare = (): void => {
    const root = signed.get(edge.size);
    if (root !== undefined && !isEqual(root, edge.root()))
      throw changed(target, `its first ${edge.size} entries are not those that were signed`);
  };
  compare();
  const ledger = await readSegments(target, "ledger", files, (text) => {
    edge.add(leafDigest(Buffer.from(text)), () => undefined);
    const digest = auditDigestIn(text);
    if (digest !== undefined) digests.push(digest);
    compare();
  });
  const last = Math.max(0, ...signed.keys());
  if (last > edge.size) throw changed(target, `${last} entries were signed, and ${edge.size} are there`);
  const audit = await readSegments(target, "audit", files, (text, place) => {
    if (sha256(text) !== digests[place])
      throw changed(target, `entry ${place} of the audit is not the one in the ledger`);
  });
  return {
    edge,
    digests,
    ledgerFrom: ledger.next,
    auditFrom: audit.next,
    tornLedger: ledger.torn,
    tornAudit: audit.torn,
    checkpoints: new Set(signed.keys()),
  };
}

/** The digest of the audit's entry that an entry of the ledger is about. */
export function auditDigestIn(text: string): string | undefined {
  const event = JSON.parse(text) as JsonValue;
  if (!isJsonObject(event) || event["type"] !== "dev.summit-maestro.audit") return undefined;
  const { data } = event;
  return isJsonObject(data) && typeof data["digest"] === "string" ? data["digest"] : undefined;
}

async function readSegments(
  target: WormTarget,
  kind: "ledger" | "audit",
  files: readonly WormFile[],
  each: (text: string, place: number) => void,
): Promise<{ readonly next: number; readonly torn: Torn | undefined }> {
  const segments = files.flatMap((file): readonly Segment[] => {
    const [, from, to] = new RegExp(`^${kind}-(\\d{15})-(\\d{15})\\.jsonl$`).exec(file.name) ?? [];
    return from === undefined || to === undefined ? [] : [{ ...file, from: Number(from), to: Number(to) }];
  });
  let next = 0;
  for (const [i, { name, from, to }] of segments.entries()) {
    if (from !== next || to <= from)
      throw changed(target, `${name} does not follow what is before it: entry ${next} is missing`);
    const bytes = await target.read(name);
    const lines = bytes.toString("utf8").split("\n");
    const whole = lines.length - 1;
    const isTorn = whole < to - from || bytes.at(-1) !== LINE_BREAK;
    if (whole > to - from) throw changed(target, `${name} has ${whole} lines instead of ${to - from}`);
    if (isTorn && i < segments.length - 1) throw changed(target, `${name} has ${whole} lines instead of ${to - from}`);
    lines.slice(0, whole).forEach((text, n) => each(parsed(target, name, text), from + n));
    if (isTorn) return { next: from, torn: { name, to, bytes } };
    next = to;
  }
  return { next, torn: undefined };
}

function parsed(target: WormTarget, name: string, text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    throw changed(target, `${name} has a line that is no JSON`, error);
  }
}

async function readCheckpoints(
  target: WormTarget,
  files: readonly WormFile[],
  trustRoot: TrustRoot,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const signed = new Map<number, Uint8Array>();
  for (const { name } of files) {
    const size = /^checkpoint-(\d{15})\.txt$/.exec(name)?.[1];
    if (size === undefined) continue;
    try {
      const note = readNote((await target.read(name)).toString("utf8"));
      if (endorsements(note, logKeys(trustRoot)).length === 0)
        throw new SyntaxError("no key of the trust root signed it");
      const head = readCheckpoint(note.text);
      if (head.size !== Number(size)) throw new SyntaxError(`it is about ${head.size} entries`);
      signed.set(head.size, head.root);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw changed(target, `${name} is no checkpoint of this ledger: ${error.message}`, error);
    }
  }
  return signed;
}

function changed({ shown }: WormTarget, what: string, cause?: unknown): MaestroError {
  return new MaestroError("ledger_broken", `What was exported to ${shown} was changed: ${what}.`, {
    cause,
    facts: { place: shown },
    fix: "Keep it as it is and find out who could write there. Export anew to another place; where an old checkpoint was kept elsewhere, compare it.",
  });
}
