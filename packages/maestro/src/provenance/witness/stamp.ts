import { messageOf } from "../../core/problem.ts";
import type { CheckpointRow } from "../../store/ledger.ts";
import type { WitnessStore } from "../../store/witness.ts";
import { QUERY_TYPE, timestampRequest } from "../timestamp/request.ts";
import { timestampCheck } from "../timestamp/verify.ts";
import { NoAnswer, post } from "./post.ts";
import type { TimestampSettings } from "./settings.ts";

export interface StampDeps {
  readonly store: WitnessStore;
  readonly settings: TimestampSettings;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
}

const NONCE_BYTES = 16;
/** An authority's clock is right; ours may be off by that before it is said. */
const OFF_MS = 24 * 3_600_000;

/**
 * Has a checkpoint timestamped where the newest timestamp is old enough. The note as the log signed it is what is stamped:
 * the lines of witnesses come and go, and say themselves when. Returns what went wrong; the next checkpoint tries again.
 */
export async function stampCheckpoint(deps: StampDeps, { size, note }: CheckpointRow): Promise<string | undefined> {
  const { store, settings, signal, now, randomBytes } = deps;
  const newest = await store.newestStamp();
  if (newest !== undefined && (newest.size >= size || now() - newest.stampedAt < settings.everyMs)) return undefined;
  const data = Buffer.from(note);
  const nonce = randomBytes(NONCE_BYTES);
  try {
    const { status, body } = await post(settings.url, QUERY_TYPE, timestampRequest(data, nonce), signal);
    if (status !== 200) return `it answers with status ${status}`;
    const { at } = (await timestampCheck(settings.trusted))(body, data, nonce);
    if (Math.abs(at - now()) > OFF_MS) return `it says it is ${new Date(at).toISOString()}`;
    await store.stamp({ size, reply: body.toString("base64"), stampedAt: at });
    return undefined;
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof SyntaxError) return messageOf(error);
    throw error;
  }
}
