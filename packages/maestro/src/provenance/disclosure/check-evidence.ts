import type { Digest } from "../../core/digest.ts";
import { chain, digestOf } from "../../core/digest.ts";
import { parsePointer } from "../../core/json-pointer.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { reveal } from "../../core/redaction.ts";
import type { RevealedField } from "../../core/redaction.ts";
import { parseStrict } from "../../core/strict-json.ts";
import { CheckFailed, type Ladder } from "../ladder.ts";
import type { ReceiptClaims } from "../receipt-reader.ts";
import type { TrustRoot } from "../trust.ts";
import { checkReceipt } from "../verify.ts";
import type { DisclosedRun, DisclosureManifest } from "./form.ts";
import { evidencePath } from "./form.ts";
import type { PackageContents, Texts, VerifiedReceipt } from "./verify-package.ts";

/** What the receipts bear out of the evidence: plans by their digest, events by their chain, what they tell, artifacts by theirs. */
export function checkEvidence(
  ladder: Ladder,
  request: {
    readonly manifest: DisclosureManifest;
    readonly receipts: readonly VerifiedReceipt[];
    readonly trustRoot: TrustRoot;
    readonly text: Texts;
    readonly revealed: readonly RevealedField[];
    readonly files: PackageContents["files"];
  },
): void {
  const { manifest, receipts, text, revealed } = request;
  const runs = manifest.runs.filter(({ removed }) => removed === undefined);
  if (runs.length === 0) return ladder.skip("evidence", "retention had removed it when the package was made");
  ladder.check("evidence", () => {
    const details = runs.map((run) => {
      const newest = receipts.findLast((receipt) => receipt.run === run);
      if (newest === undefined) throw new CheckFailed(`there is no receipt of ${run.run}`);
      const evidence = readEvidence(run, manifest, (path) => text.of(path), revealed);
      checkView(evidence, newest.claims);
      const { whole, detail } = followChain(evidence, run, newest.claims);
      checkAgain(newest, evidence, whole, request.trustRoot);
      return `${runs.length === 1 ? "" : `${run.run}: `}${detail}`;
    });
    checkArtifacts(request);
    return { value: undefined, detail: details.join("; ") };
  });
}

/** The receipt once more, against what the package has of its plan and its history. */
function checkAgain(
  { bytes, run }: VerifiedReceipt,
  { plan }: Evidence,
  events: readonly string[] | undefined,
  trustRoot: TrustRoot,
): void {
  const { checks } = checkReceipt(
    bytes,
    { trustRoot, ...(plan === undefined ? {} : { plan }), ...(events === undefined ? {} : { events }) },
    [],
  );
  const failed = checks.find(({ status }) => status === "failed");
  if (failed !== undefined) throw new CheckFailed(`${run.run}: ${failed.id}: ${failed.detail}`);
}

/** A file that is said to be an artifact of a run is one. */
function checkArtifacts({ files, receipts }: Pick<Parameters<typeof checkEvidence>[1], "files" | "receipts">): void {
  for (const path of files.keys()) {
    const [, run, hex] = /^evidence\/([a-z0-9_]+)\/artifacts\/(.+)$/.exec(path) ?? [];
    if (hex === undefined) continue;
    if (files.get(path)?.sha256 !== hex) throw new CheckFailed(`${path} is not the file that its name says`);
    if (!receipts.some((receipt) => receipt.run.run === run && receipt.artifacts.has(hex)))
      throw new CheckFailed(`${path} is no artifact that a receipt of ${run ?? "a run"} vouches for`);
  }
}

/** What the package has of one run, values that were revealed put back. */
export interface Evidence {
  readonly view: JsonValue;
  /** As JSON text; undefined where something is still taken out of it. */
  readonly plan: string | undefined;
  /** Of an event that is as it was committed its text; of one that something is taken out of what is left, and undefined. */
  readonly events: readonly { readonly text: string; readonly isWhole: boolean }[];
  /** Places of `run.json` that are still taken out. */
  readonly hidden: readonly string[];
}

const DEPTH = 512;

/** Throws CheckFailed or SyntaxError for what cannot be read, and for a revealed value that does not fit. */
export function readEvidence(
  { run }: DisclosedRun,
  manifest: DisclosureManifest,
  read: (path: string) => string,
  revealed: readonly RevealedField[],
): Evidence {
  const redacted = (path: string): readonly string[] =>
    manifest.redactions.filter((one) => one.path === path).map(({ pointer }) => pointer);
  const fieldsOf = (path: string): readonly RevealedField[] => revealed.filter((field) => field.path === path);
  const left = (path: string): readonly string[] => {
    const shown = new Set(fieldsOf(path).map(({ pointer }) => pointer));
    return redacted(path).filter((pointer) => !shown.has(pointer));
  };
  const [viewAt, planAt, eventsAt] = [
    evidencePath(run, "run.json"),
    evidencePath(run, "plan.json"),
    evidencePath(run, "events.jsonl"),
  ];
  const view = reveal(parseStrict(read(viewAt), { depth: DEPTH }), fieldsOf(viewAt));
  const plan = reveal(parseStrict(read(planAt), { depth: DEPTH }), fieldsOf(planAt));
  const lines = read(eventsAt).split("\n");
  if (lines.pop() !== "") throw new SyntaxError(`${eventsAt} does not end in a line break`);
  const byLine = new Map<string, RevealedField[]>();
  for (const field of fieldsOf(eventsAt)) {
    const line = parsePointer(field.pointer)[0] ?? "";
    byLine.set(line, [...(byLine.get(line) ?? []), field]);
  }
  const open = new Set(left(eventsAt).map((pointer) => parsePointer(pointer)[0]));
  return {
    view,
    plan: left(planAt).length === 0 ? JSON.stringify(plan) : undefined,
    events: lines.map((line, i) => {
      const fields = byLine.get(String(i)) ?? [];
      return { text: fields.length === 0 ? line : restored(line, fields), isWhole: !open.has(String(i)) };
    }),
    hidden: left(viewAt),
  };
}

/** A line as it was committed: JSON.parse and JSON.stringify keep what was written by JSON.stringify. */
function restored(line: string, fields: readonly RevealedField[]): string {
  return JSON.stringify(reveal(parseStrict(line, { depth: DEPTH }), fields, 1));
}

/**
 * The events as far as the receipt's chain reaches them. An event that something is taken out of cannot be hashed, so the
 * chain begins anew behind it, with the digest that the manifest states and that the receipt's own end bears out.
 */
export function followChain(
  { events }: Evidence,
  { gaps }: DisclosedRun,
  claims: ReceiptClaims,
): { readonly whole: readonly string[] | undefined; readonly detail: string } {
  if (events.length !== claims.events)
    throw new CheckFailed(`it covers ${claims.events} events, in the package are ${events.length}`);
  const stated = new Map(gaps.map(({ seq, head }) => [seq, head]));
  let head: Digest | "" = "";
  let from = 1;
  for (const [i, { text, isWhole }] of events.entries()) {
    const gap = stated.get(i + 1);
    if (!isWhole && gap === undefined)
      throw new CheckFailed(
        `something was taken out of event ${i + 1}, and the manifest does not say how its chain goes on`,
      );
    if (!isWhole) from = i + 2;
    head = isWhole ? chain(head, text) : gap!;
    if (gap !== undefined && head !== gap)
      throw new CheckFailed(`the chain at event ${i + 1} is ${head}, the manifest says ${gap}`);
  }
  if (head !== claims.head)
    throw new CheckFailed(`the chain over the events ends in ${head}, the receipt says ${claims.head}`);
  if (from === 1)
    return { whole: events.map(({ text }) => text), detail: `all ${events.length} events by their chain` };
  const redacted = events.filter(({ isWhole }) => !isWhole).length;
  return {
    whole: undefined,
    detail: `${events.length - from + 1} of ${events.length} events by their chain, ${redacted} redacted, the others by the seal alone`,
  };
}

/** The run as it is shown says what the receipt says, where that is not taken out. */
export function checkView({ view, hidden }: Evidence, claims: ReceiptClaims): void {
  const where = evidencePath(claims.run, "run.json");
  const run = isJsonObject(view) ? view["run"] : undefined;
  if (!isJsonObject(view)) throw new CheckFailed(`${where} is not a run`);
  for (const [name, said] of [
    ["id", claims.run],
    ["status", claims.status],
    ["planDigest", claims.plan],
    ["head", claims.head],
  ] as const) {
    const isHidden = hidden.some((pointer) => pointer === "/run" || pointer === `/run/${name}`);
    const shown = isJsonObject(run) ? run[name] : undefined;
    if (!isHidden && shown !== said)
      throw new CheckFailed(`${where} has the ${name} ${JSON.stringify(shown) ?? "of none"}, the receipt says ${said}`);
  }
  if (hidden.some((pointer) => pointer === "/inputs" || pointer.startsWith("/inputs/"))) return;
  const inputs = digestOf(view["inputs"] ?? null);
  if (inputs !== claims.inputs)
    throw new CheckFailed(`the inputs in ${where} have the digest ${inputs}, the receipt says ${claims.inputs}`);
}
