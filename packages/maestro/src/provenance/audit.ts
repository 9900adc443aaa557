import { setTimeout as sleep } from "node:timers/promises";
import { canonical } from "../core/canonical.ts";
import type { Digest } from "../core/digest.ts";
import { sha256 } from "../core/digest.ts";
import type { Actor, Decision } from "../core/event.ts";
import { makeId } from "../core/id.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { auditEntry } from "../core/ledger-entry.ts";
import type { GateRequest } from "../policy/gate.ts";
import type { AuditKind, AuditRow, QuestionRow } from "../store/audit.ts";
import type { LedgerEntry } from "../store/ledger.ts";
import type { Store } from "../store/store.ts";

/** Something that somebody did, saw or was refused, told by whoever saw it. */
export interface AuditEntry {
  readonly kind: AuditKind;
  readonly actor: AuditActor;
  /** `noun.verb`, as policies name it. */
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly namespace: string | null;
  readonly allow: boolean;
  /** The run it is about. */
  readonly run?: string;
  /** The correlation id of the request. */
  readonly request?: string;
  readonly traceparent?: string;
  /** The address it came from; of a stranger it is what a flood is told by. */
  readonly from?: string;
  /** The code of the problem, where it was refused or failed. */
  readonly code?: string;
  /** What the gate said, and what it was asked. */
  readonly decision?: Decision;
  readonly question?: GateRequest;
  /** Whatever else explains it: canonical JSON of at most 16 KiB, no secret. */
  readonly detail?: JsonObject;
}

/** Who, as far as it was proved. `unknown`: nobody has proved to be anybody, whatever the id claims. */
export interface AuditActor {
  readonly type: Actor["type"] | "unknown";
  readonly id: string;
  readonly roles?: readonly string[];
}

/** The memory of who did what. Everything it takes becomes a row of the audit and, by digest, an entry of the ledger. */
export interface AuditTrail {
  /** Durable when it resolves: for what must not happen without its trace. Errors as of `Store.commit`. */
  write(entry: AuditEntry): Promise<void>;
  /**
   * Never waits and never throws: for what is read or refused, in whatever numbers. Equal ones within a minute are one row
   * with a count. Beyond AUDIT_LIMITS they are counted by their source and no more.
   */
  note(entry: AuditEntry): void;
  /** What was noted, now. Resolves when it is durable; for whoever is about to read the audit. */
  flush(): Promise<void>;
  /** Flushes; takes nothing after it. */
  close(): Promise<void>;
}

export interface AuditDeps {
  readonly store: Pick<Store, "commit">;
  /** The installation, as receipts name it. */
  readonly source: string;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** What was noted could not be written; it is tried again with the next. */
  failed(error: unknown): void;
}

export const AUDIT_LIMITS = {
  /** From the first note on; then all are written. */
  windowMs: 60_000,
  /** Different notes of one source in a window, and of all strangers together; the rest is counted. */
  perSource: 300,
  perStranger: 5,
  strangers: 50,
  /** Different notes in memory; one more and they are written at once. */
  waiting: 500,
  textBytes: 16_384,
  idCharacters: 512,
} as const;

/** Questions remembered as stored; forgetting one costs a write that changes nothing. */
const REMEMBERED = 10_000;

/** Between two commits so many times as long as one took, and no longer than that, what is to be written is gathered. */
const GATHER = 3;
const MAX_GATHER_MS = 25;

interface Noted {
  readonly entry: AuditEntry;
  readonly at: number;
  count: number;
  lastAt: number;
}

interface Written {
  readonly row: AuditRow;
  readonly entry: LedgerEntry;
  readonly question: QuestionRow | undefined;
}

export function openAudit(deps: AuditDeps): AuditTrail {
  return new StoredTrail(deps);
}

class StoredTrail implements AuditTrail {
  readonly #deps: AuditDeps;
  #noted = new Map<string, Noted>();
  #timer: NodeJS.Timeout | undefined;
  #windowEnds = 0;
  /** How many different notes each source has had in this window. */
  #bySource = new Map<string, number>();
  #strangers = 0;
  #closed = false;
  readonly #asked = new Set<Digest>();
  /** What is to be written next, by whom it is waited for; all that came while one commit ran go with the next. */
  #queue: { readonly written: Written; resolve(): void; reject(error: unknown): void }[] = [];
  #writing: Promise<void> | undefined;
  /** When the last commit was over, and how long it took; milliseconds of the process's own clock. */
  #endedAt = 0;
  #tookMs = 0;

  constructor(deps: AuditDeps) {
    this.#deps = deps;
  }

  async write(entry: AuditEntry): Promise<void> {
    const at = this.#deps.now();
    return this.#append(this.#compose({ entry, at, count: 1, lastAt: at }));
  }

  note(entry: AuditEntry): void {
    if (this.#closed) return;
    const at = this.#deps.now();
    if (at >= this.#windowEnds || at < this.#windowEnds - AUDIT_LIMITS.windowMs) this.#openWindow(at);
    const key = keyOf(entry);
    const known = this.#noted.get(key);
    if (known !== undefined) again(known, at);
    else if (this.#hasRoom(entry)) this.#add(key, entry, at);
    else this.#addToRest(entry, at);
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const noted = [...this.#noted];
    if (noted.length === 0) return;
    this.#noted = new Map();
    const done = await Promise.allSettled(noted.map(async ([, one]) => this.#append(this.#compose(one))));
    const failed = done.find((one) => one.status === "rejected");
    if (failed === undefined) return;
    this.#takeBack(noted, done);
    throw failed.reason;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#flushQuietly();
    clearTimeout(this.#timer);
    await this.#writing;
  }

  #openWindow(at: number): void {
    this.#windowEnds = at + AUDIT_LIMITS.windowMs;
    this.#bySource = new Map();
    this.#strangers = 0;
  }

  #hasRoom(entry: AuditEntry): boolean {
    const source = sourceOf(entry);
    const has = this.#bySource.get(source) ?? 0;
    const isStranger = entry.actor.type === "unknown";
    if (has >= (isStranger ? AUDIT_LIMITS.perStranger : AUDIT_LIMITS.perSource)) return false;
    if (isStranger && this.#strangers >= AUDIT_LIMITS.strangers) return false;
    if (isStranger) this.#strangers += 1;
    this.#bySource.set(source, has + 1);
    return true;
  }

  #add(key: string, entry: AuditEntry, at: number): void {
    this.#noted.set(key, { entry, at, count: 1, lastAt: at });
    this.#timer ??= setTimeout(() => void this.#flushQuietly(), AUDIT_LIMITS.windowMs).unref();
    if (this.#noted.size > AUDIT_LIMITS.waiting) void this.#flushQuietly();
  }

  /** One row for all that had no room: of a source that has rows, or of all strangers that have none. */
  #addToRest(entry: AuditEntry, at: number): void {
    const source = this.#bySource.has(sourceOf(entry)) ? sourceOf(entry) : "strangers";
    const key = JSON.stringify(["rest", source]);
    const known = this.#noted.get(key);
    if (known !== undefined) again(known, at);
    else this.#add(key, restOf(entry, source), at);
  }

  async #flushQuietly(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#deps.failed(error);
    }
  }

  /** What could not be written is noted still, as far as there is room. */
  #takeBack(noted: readonly (readonly [string, Noted])[], done: readonly PromiseSettledResult<void>[]): void {
    noted.forEach(([key, one], i) => {
      const how = done[i];
      // What JSON cannot carry is a fault of whoever noted it, and would be one each time.
      if (how?.status !== "rejected" || how.reason instanceof TypeError || this.#closed) return;
      const since = this.#noted.get(key);
      if (since === undefined && this.#noted.size >= AUDIT_LIMITS.waiting) return;
      this.#noted.set(
        key,
        since === undefined ? one : { ...one, count: one.count + since.count, lastAt: since.lastAt },
      );
    });
    this.#timer ??= setTimeout(() => void this.#flushQuietly(), AUDIT_LIMITS.windowMs).unref();
  }

  async #append(written: Written): Promise<void> {
    const durable = new Promise<void>((resolve, reject) => this.#queue.push({ written, resolve, reject }));
    this.#writing ??= this.#pump();
    return durable;
  }

  async #pump(): Promise<void> {
    // What comes in the same moment goes together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      // A commit holds everything else up: under load most of the time must be left to what is recorded here.
      const rest = this.#endedAt + this.#tookMs * GATHER - performance.now();
      if (rest > 0) await sleep(Math.min(rest, MAX_GATHER_MS));
      const began = performance.now();
      const batch = this.#queue;
      this.#queue = [];
      const questions = batch.flatMap(({ written }) => written.question ?? []);
      try {
        await this.#deps.store.commit({
          runs: [],
          audit: batch.map(({ written }) => written.row),
          ledger: batch.map(({ written }) => written.entry),
          questions,
        });
        this.#remember(questions);
        for (const one of batch) one.resolve();
      } catch (error) {
        for (const one of batch) one.reject(error);
      }
      this.#endedAt = performance.now();
      this.#tookMs = this.#endedAt - began;
    }
    this.#writing = undefined;
  }

  #compose({ entry, at, count, lastAt }: Noted): Written {
    const { source, randomBytes } = this.#deps;
    const { kind, action, namespace, allow, run, decision } = entry;
    const id = makeId("e", at, randomBytes(10));
    const text = textOf(entry, { id, at, count, lastAt });
    const row: AuditRow = {
      at,
      kind,
      actor: clip(entry.actor.id),
      action: clip(action),
      namespace: namespace === null ? null : clip(namespace),
      resource: resourceOf(entry),
      allow,
      text,
    };
    const told = { id, kind, action: row.action, allow, count, digest: sha256(text) };
    return {
      row,
      entry: {
        kind: "audit",
        run: run ?? null,
        text: auditEntry(decision === undefined ? told : { ...told, decision: decision.id }, { source, at }),
      },
      question: this.#questionOf(entry),
    };
  }

  #questionOf({ decision, question }: AuditEntry): QuestionRow | undefined {
    if (decision === undefined || question === undefined || this.#asked.has(decision.requestDigest)) return undefined;
    return { digest: decision.requestDigest, text: canonical(question) };
  }

  #remember(questions: readonly QuestionRow[]): void {
    if (this.#asked.size > REMEMBERED) this.#asked.clear();
    for (const { digest } of questions) this.#asked.add(digest);
  }
}

function again(noted: Noted, at: number): void {
  noted.count += 1;
  noted.lastAt = at;
}

/** Whose floods are told apart: who proved to be somebody, and of all others where they come from. */
function sourceOf({ actor, from }: AuditEntry): string {
  return actor.type === "unknown" ? `from ${clip(from ?? "")}` : `${actor.type} ${clip(actor.id)}`;
}

function keyOf(entry: AuditEntry): string {
  const { kind, action, allow, namespace, code } = entry;
  return JSON.stringify([sourceOf(entry), kind, action, resourceOf(entry), namespace, allow, code]);
}

function restOf(entry: AuditEntry, source: string): AuditEntry {
  const isOne = source !== "strangers";
  return {
    kind: "refused",
    actor: isOne ? entry.actor : { type: "unknown", id: "" },
    action: "audit.rest",
    resource: { type: "installation", id: "" },
    namespace: null,
    allow: false,
    ...(isOne && entry.from !== undefined ? { from: entry.from } : {}),
    detail: { why: "more different requests within a minute than are kept one by one; here they are counted" },
  };
}

function resourceOf({ resource: { type, id } }: AuditEntry): string {
  return clip(id === "" ? type : `${type}/${id}`);
}

function textOf(
  entry: AuditEntry,
  { id, at, count, lastAt }: { readonly id: string } & Pick<Noted, "at" | "count" | "lastAt">,
): string {
  const { kind, actor, action, resource, namespace, allow, decision, question: _, detail, ...rest } = entry;
  const whole = (extra: JsonObject): string =>
    canonical({
      ...clipAll(rest),
      id,
      at,
      kind,
      actor: {
        type: actor.type,
        id: clip(actor.id),
        ...(actor.roles === undefined ? {} : { roles: actor.roles.slice(0, MAX_ROLES).map(clip) }),
      },
      action: clip(action),
      resource: { type: clip(resource.type), id: clip(resource.id) },
      namespace: namespace === null ? null : clip(namespace),
      allow,
      ...(count === 1 ? {} : { count, lastAt }),
      ...extra,
    });
  const said: JsonObject = {
    ...(decision === undefined ? {} : { decision: decision as unknown as JsonValue }),
    ...(detail === undefined ? {} : { detail }),
  };
  const text = whole(said);
  if (Buffer.byteLength(text) <= AUDIT_LIMITS.textBytes) return text;
  return whole({
    ...(decision === undefined ? {} : { decision: { id: decision.id, requestDigest: decision.requestDigest } }),
    left: "what explains it was longer than an entry of the audit may be",
  });
}

const MAX_ROLES = 32;

function clipAll(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, clip(value)]));
}

/** Strangers choose what they call themselves and what they ask for. */
function clip(text: string): string {
  const whole = text.toWellFormed();
  return whole.length <= AUDIT_LIMITS.idCharacters
    ? whole
    : `${whole.slice(0, AUDIT_LIMITS.idCharacters - 1).toWellFormed()}…`;
}
