import { MaestroError, messageOf } from "../../core/problem.ts";
import type { CheckpointRow } from "../../store/ledger.ts";
import type { Store } from "../../store/store.ts";
import type { WitnessRow } from "../../store/witness.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { askWitness } from "./ask.ts";
import type { Asked } from "./ask.ts";
import { loadWitnessSettings, NO_WITNESSES } from "./settings.ts";
import type { KnownWitness, WitnessSettings } from "./settings.ts";
import { stampCheckpoint } from "./stamp.ts";

export interface CosigningDeps {
  readonly store: Pick<Store, "witness">;
  readonly ledger: () => Promise<Ledger>;
  readonly settings: WitnessSettings;
  /** Tells what there is and asks nobody. */
  readonly passive: boolean;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** A witness has seen another history than this one: somebody rewrote it, or it was restored. */
  readonly alarm: (witness: string, detail: string) => void;
  /** A witness or an authority could not be asked, or does not know this log; the next checkpoint is brought to it all the same. */
  readonly failed: (whom: string, detail: string) => void;
}

/** Whoever wants a cosigned checkpoint waits so long for the witnesses, and takes what there is. */
const WAIT_MS = 3_000;
/** When the control plane ends. */
const CLOSE_MS = 2_000;

/**
 * Brings checkpoints to witnesses and keeps what they say: one round at a time, with the newest checkpoint, never in the
 * way of a run. What a checkpoint is worth to whoever does not trust this installation is what stands under it here.
 */
export class Cosigning {
  readonly #deps: CosigningDeps;
  readonly #closing = new AbortController();
  #wanted: CheckpointRow | undefined;
  #round: Promise<void> | undefined;

  constructor(deps: CosigningDeps) {
    this.#deps = deps;
  }

  /** With the settings of a data directory. Errors: `invalid_request`, where it is not passive. */
  static async open(deps: Omit<CosigningDeps, "settings"> & { readonly dataDir: string }): Promise<Cosigning> {
    const { dataDir, passive } = deps;
    try {
      return new Cosigning({ ...deps, settings: await loadWitnessSettings(dataDir) });
    } catch (error) {
      // Whoever only looks at runs need not mend the file first.
      if (!passive) throw error;
      deps.failed("the settings of witnesses", messageOf(error));
      return new Cosigning({ ...deps, settings: NO_WITNESSES });
    }
  }

  /** Never waits: what is asked for while a round is under way is the next one's, and of several the newest. */
  submit(checkpoint: CheckpointRow): void {
    if (this.#closing.signal.aborted || !this.#hasWork) return;
    this.#wanted = checkpoint;
    this.#round ??= this.#rounds();
  }

  /** The note with all that stands under it; the witnesses get a moment to put their lines there. */
  async cosigned(checkpoint: CheckpointRow): Promise<string> {
    this.submit(checkpoint);
    if (this.#round !== undefined) await within(this.#round, WAIT_MS);
    return this.noteOf(checkpoint);
  }

  /** The note as it stands now. */
  async noteOf({ size, note }: CheckpointRow): Promise<string> {
    const lines = await this.#deps.store.witness.cosignatures(size);
    return note + lines.map(({ line }) => line).join("");
  }

  /**
   * What proves an entry best: the first checkpoint with it that was timestamped, else the first that enough witnesses
   * saw, so that the proof is the same whenever it is asked for; undefined where there is neither.
   */
  async covering(place: number): Promise<CheckpointRow | undefined> {
    const { store, settings } = this.#deps;
    const stamped = await store.witness.stampedAfter(place);
    const quorum = Math.max(1, settings.quorum);
    const isSeen = stamped !== undefined && (await store.witness.cosignatures(stamped.size)).length >= settings.quorum;
    const size = isSeen ? stamped.size : ((await store.witness.cosignedAfter(place, quorum)) ?? stamped?.size);
    const row = size === undefined ? undefined : await store.witness.checkpoint(size);
    return row === undefined ? undefined : { ...row, note: await this.noteOf(row) };
  }

  /** How each witness of the settings was met last. */
  async status(): Promise<readonly (WitnessRow & { readonly url: string })[]> {
    const met = new Map((await this.#deps.store.witness.all()).map((row) => [row.name, row]));
    return this.#deps.settings.witnesses.map(({ key: { name }, url }) => ({
      url,
      ...(met.get(name) ?? { name, size: 0, outcome: "unreachable", detail: "it was not asked yet", at: 0 }),
    }));
  }

  get quorum(): number {
    return this.#deps.settings.quorum;
  }

  async close(): Promise<void> {
    if (this.#round !== undefined) await within(this.#round, CLOSE_MS);
    this.#closing.abort();
    await this.#round;
  }

  get #hasWork(): boolean {
    const { passive, settings } = this.#deps;
    const { witnesses, timestamp } = settings;
    return !passive && (witnesses.length > 0 || timestamp !== null);
  }

  async #rounds(): Promise<void> {
    try {
      while (this.#wanted !== undefined && !this.#closing.signal.aborted) {
        const checkpoint = this.#wanted;
        this.#wanted = undefined;
        await this.#ask(checkpoint);
      }
    } catch (error) {
      this.#deps.failed("the store", messageOf(error));
    } finally {
      this.#round = undefined;
    }
  }

  async #ask(checkpoint: CheckpointRow): Promise<void> {
    const { store, settings } = this.#deps;
    const has = new Set((await store.witness.cosignatures(checkpoint.size)).map(({ witness }) => witness));
    const met = new Map((await store.witness.all()).map((row) => [row.name, row]));
    await Promise.all(
      settings.witnesses
        .filter(({ key }) => !has.has(key.name))
        .map(async (witness) => this.#askOne(witness, checkpoint, met.get(witness.key.name))),
    );
    if (settings.timestamp === null || this.#closing.signal.aborted) return;
    const { now, randomBytes } = this.#deps;
    const parts = {
      store: store.witness,
      settings: settings.timestamp,
      signal: this.#closing.signal,
      now,
      randomBytes,
    };
    const problem = await stampCheckpoint(parts, checkpoint);
    if (problem !== undefined && !this.#closing.signal.aborted) this.#deps.failed(settings.timestamp.url, problem);
  }

  async #askOne(witness: KnownWitness, checkpoint: CheckpointRow, before: WitnessRow | undefined): Promise<void> {
    const { store, ledger, now, alarm, failed } = this.#deps;
    const { name } = witness.key;
    const last = before?.size ?? 0;
    const log = await ledger();
    const prove = async (from: number) => log.consistencyWith(from, checkpoint.size);
    const asked = await askWitness({ prove, signal: this.#closing.signal, now }, witness, checkpoint, last);
    // Cut off by our own end: nothing was learnt about the witness.
    if (this.#closing.signal.aborted && asked.outcome === "unreachable") return;
    if (asked.outcome === "cosigned") {
      const { line, cosignedAt } = asked;
      await store.witness.cosign({ size: checkpoint.size, witness: name, line, cosignedAt });
    }
    const detail = asked.outcome === "cosigned" ? "" : asked.detail;
    const size = asked.outcome === "cosigned" ? Math.max(last, checkpoint.size) : last;
    await store.witness.met({ name, size, outcome: asked.outcome, detail, at: now() });
    if (asked.outcome === "refused") alarm(name, detail);
    else if (asked.outcome !== "cosigned" && isNew(before, asked)) failed(name, detail);
  }
}

/** Said once, and again when it is another thing. */
function isNew(before: WitnessRow | undefined, { outcome }: Asked): boolean {
  return before?.outcome !== outcome;
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** Why a ledger without a checkpoint of that size cannot be asked about it. Errors: `not_found`. */
export function noCheckpoint(size: number): MaestroError {
  return new MaestroError("not_found", `The ledger has no checkpoint of ${size} entries.`, {
    facts: { size },
    fix: "Get /ledger/checkpoint, which is the newest.",
  });
}
