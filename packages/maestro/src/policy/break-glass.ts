import { formatDuration } from "../core/duration.ts";
import type { Decision } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import type { BreakGlassRow, BreakGlassStore } from "../store/break-glass.ts";
import type { GateRequest } from "./gate.ts";

export interface BreakGlassParts {
  readonly store: BreakGlassStore;
  readonly now: () => number;
  readonly newId: () => string;
  /** As policy.yaml has it. */
  readonly longestMs: number;
  /** What everybody has to hear of: it is logged, kept in the audit and sent to people. */
  readonly told: (event: BreakGlassEvent) => void;
  /** That a time is over could not be kept, so that the next engine tells of it again. */
  readonly failed: (error: unknown) => void;
  /** Calls back once after so many milliseconds, unless what it gives is called. Absent: what is over is told by the next engine. */
  readonly wake?: (ms: number, look: () => void) => () => void;
}

export type BreakGlassEvent =
  | { readonly kind: "opened"; readonly row: BreakGlassRow; readonly uses: 0 }
  /** `uses`: those of this process; absent where it saw none, since another may have. */
  | { readonly kind: "ended"; readonly row: BreakGlassRow; readonly uses?: number }
  /** The first of a time, and after it one for all of a minute. */
  | {
      readonly kind: "used";
      readonly row: BreakGlassRow;
      readonly uses: number;
      readonly request: GateRequest;
      readonly decision: Decision;
    };

export const BREAK_GLASS_LIMITS = {
  open: 20,
  reasonCharacters: { min: 20, max: 1_000 },
  shortestMs: 60_000,
  longestMs: 86_400_000,
  defaultLongestMs: 3_600_000,
  coalesceMs: 60_000,
  /** A machine that slept, or whose clock was set, has the time looked at this much later at most. */
  lookMs: 60_000,
} as const;

/**
 * What no emergency asks for: the say of a second person, the policy and who may go past it, and all that proves or removes
 * proof. Whoever goes past the policy leaves a trace that they cannot touch with the same right.
 */
const NEVER =
  /^(?:approval\.give|audit\.|hold\.|ledger\.|policy\.(?!read$|ask$)|receipt\.disclose$|retention\.|session\.manage$)/;

interface Uses {
  count: number;
  toldAt: number;
  /** Told of so many. */
  told: number;
}

/**
 * The times in which somebody goes past the policy: opened with a reason, for themselves, in one namespace, and over by the
 * clock whatever happens. They are in memory because a gate answers at once; the store has them for the next engine.
 */
export class BreakGlass {
  readonly #parts: BreakGlassParts;
  readonly #open = new Map<string, BreakGlassRow>();
  readonly #uses = new Map<string, Uses>();
  /** Those that are being told of as over. */
  readonly #ending = new Set<Promise<void>>();
  #sleep: (() => void) | undefined;
  #closed = false;

  private constructor(parts: BreakGlassParts) {
    this.#parts = parts;
  }

  /** What was over before anybody could tell of it is told now. Errors: as of the store. */
  static async open(parts: BreakGlassParts): Promise<BreakGlass> {
    const self = new BreakGlass(parts);
    const now = parts.now();
    for (const row of await parts.store.open(now)) self.#open.set(row.id, row);
    if (parts.wake !== undefined) for (const row of await parts.store.over(now)) self.#over(row);
    await Promise.all(self.#ending);
    self.#watch();
    return self;
  }

  /** Those that are open stay so, for the next engine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#sleep?.();
    await Promise.all(this.#ending);
  }

  /** Those that are open now. */
  get current(): readonly BreakGlassRow[] {
    const now = this.#parts.now();
    return [...this.#open.values()].filter((row) => isOpen(row, now));
  }

  get longestMs(): number {
    return this.#parts.longestMs;
  }

  /** Errors: `invalid_request` for the reason or the time, `conflict` where it is open already. */
  async begin(wanted: {
    readonly subject: string;
    readonly namespace: string;
    readonly reason: string;
    readonly forMs: number;
  }): Promise<BreakGlassRow> {
    const { now, newId, store, told } = this.#parts;
    this.#check(wanted);
    const from = now();
    const { subject, namespace, reason, forMs } = wanted;
    const row: BreakGlassRow = {
      id: newId(),
      subject,
      namespace,
      reason,
      from,
      until: from + forMs,
      endedAt: null,
      endedBy: null,
    };
    await store.put(row);
    this.#open.set(row.id, row);
    told({ kind: "opened", row, uses: 0 });
    this.#watch();
    return row;
  }

  /** Errors: `not_found`, `conflict`. */
  async end(id: string, by: string): Promise<BreakGlassRow> {
    const { now, store, told } = this.#parts;
    const row = await store.end(id, { at: now(), by });
    this.#open.delete(id);
    told(this.#ended(row));
    return row;
  }

  async list(limit: number): Promise<readonly BreakGlassRow[]> {
    return this.#parts.store.list(limit);
  }

  async get(id: string): Promise<BreakGlassRow | undefined> {
    return this.#parts.store.get(id);
  }

  /** The time that lets this request go past the policy. */
  covers({ subject, action, resource }: GateRequest): BreakGlassRow | undefined {
    if (this.#open.size === 0 || NEVER.test(action.name)) return undefined;
    const now = this.#parts.now();
    const who = `${subject.type}:${subject.id}`;
    const { namespace } = resource.properties;
    for (const row of this.#open.values()) {
      if (!isOpen(row, now)) this.#over(row);
      else if (row.subject === who && (row.namespace === "*" || row.namespace === namespace)) return row;
    }
    return undefined;
  }

  /** It was gone past. */
  used(row: BreakGlassRow, request: GateRequest, decision: Decision): void {
    const now = this.#parts.now();
    const uses = this.#uses.get(row.id) ?? { count: 0, toldAt: Number.NEGATIVE_INFINITY, told: 0 };
    uses.count += 1;
    this.#uses.set(row.id, uses);
    if (now - uses.toldAt < BREAK_GLASS_LIMITS.coalesceMs) return;
    this.#parts.told({ kind: "used", row, uses: uses.count - uses.told, request, decision });
    uses.toldAt = now;
    uses.told = uses.count;
  }

  /** Looks again when the next one is over, whether anybody asks or not. */
  #watch(): void {
    const { wake, now } = this.#parts;
    this.#sleep?.();
    this.#sleep = undefined;
    if (wake === undefined || this.#closed || this.#open.size === 0) return;
    const next = Math.min(...Array.from(this.#open.values(), ({ until }) => until)) - now();
    this.#sleep = wake(Math.min(Math.max(next, 1), BREAK_GLASS_LIMITS.lookMs), () => this.#look());
  }

  #look(): void {
    const now = this.#parts.now();
    for (const row of this.#open.values()) if (now >= row.until) this.#over(row);
    this.#watch();
  }

  #over(row: BreakGlassRow): void {
    this.#open.delete(row.id);
    if (this.#parts.wake === undefined) return;
    const ending = this.#tellOver(row).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Kept first: who is first to keep it tells, and an engine that comes later does not tell again. */
  async #tellOver(row: BreakGlassRow): Promise<void> {
    const { store, told, failed } = this.#parts;
    let ended = row;
    try {
      ended = await store.end(row.id, { at: row.until, by: null });
    } catch (error) {
      // Whoever ended it in the same moment has told it.
      if (error instanceof MaestroError && error.code === "conflict") return;
      // Told twice, here and by the next engine, is better than not at all.
      failed(error);
    }
    told(this.#ended(ended));
  }

  #ended(row: BreakGlassRow): BreakGlassEvent {
    const uses = this.#uses.get(row.id)?.count;
    this.#uses.delete(row.id);
    return { kind: "ended", row, ...(uses === undefined ? {} : { uses }) };
  }

  #check({ subject, namespace, reason, forMs }: Parameters<BreakGlass["begin"]>[0]): void {
    const { min, max } = BREAK_GLASS_LIMITS.reasonCharacters;
    const { shortestMs, open } = BREAK_GLASS_LIMITS;
    const { longestMs } = this.#parts;
    const long = reason.trim().length;
    if (long < min || long > max)
      throw new MaestroError(
        "invalid_request",
        `The reason has ${long} characters; it takes ${min} to ${max}, so that whoever reads it later understands what happened.`,
        { fix: "Say what is broken, what you are about to do and where it is tracked." },
      );
    if (!Number.isInteger(forMs) || forMs < shortestMs || forMs > longestMs)
      throw new MaestroError(
        "invalid_request",
        `A break-glass lasts from ${formatDuration(shortestMs)} to ${formatDuration(longestMs)}, not ${Number.isFinite(forMs) ? formatDuration(Math.max(0, Math.round(forMs))) : String(forMs)}.`,
        {
          fix: "Open it for a shorter time, and again if it takes longer; `breakGlass.longest` of policy.yaml is the most.",
        },
      );
    const current = this.current;
    const same = current.find((row) => row.subject === subject && row.namespace === namespace);
    if (same !== undefined)
      throw new MaestroError("conflict", `${subject} has the break-glass ${same.id} open for ${namespace} already.`, {
        fix: `End it first: \`maestro policy break-glass end ${same.id}\`.`,
      });
    if (current.length >= open)
      throw new MaestroError("conflict", `${open} are open already, which is the most at once.`, {
        fix: "End those that are not needed: `maestro policy break-glass list`.",
      });
  }
}

/** The owner of the data directory can change every policy in it; unless a rule says no, they need not do that first. */
export function mayAlwaysBegin({ subject, action }: GateRequest, rules: readonly string[]): boolean {
  const { roles } = subject.properties;
  return action.name === "policy.break-glass" && rules.length === 0 && Array.isArray(roles) && roles.includes("owner");
}

function isOpen({ from, until, endedAt }: BreakGlassRow, now: number): boolean {
  // A clock that was set back does not give time back.
  return endedAt === null && now >= from && now < until;
}
