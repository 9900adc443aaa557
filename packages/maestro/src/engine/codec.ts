import type { Digest } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { BlobStore } from "../store/blobs.ts";

/** Where in an event a large value was taken out, and the blob that has it. */
interface Moved {
  readonly path: readonly string[];
  readonly digest: Digest;
  readonly size: number;
  /** Of a list: how many it holds, for readers who want no more. */
  readonly length?: number;
}

/**
 * An event as the text that is stored. Values whose JSON is larger than `inlineBytes` go to the blob store and leave null
 * behind; `blobs` in the text says where they belong. Resolves only where something was moved, so that the common case
 * costs one JSON.stringify.
 */
export function encodeEvent(event: RunEvent, inlineBytes: number, blobs: BlobStore): string | Promise<string> {
  const text = JSON.stringify(event);
  return text.length <= inlineBytes ? text : moveOut(event, inlineBytes, blobs);
}

async function moveOut(event: RunEvent, inlineBytes: number, blobs: BlobStore): Promise<string> {
  const moved: Moved[] = [];
  const slim = await shrink(event as unknown as JsonValue, [], moved, inlineBytes, blobs);
  return JSON.stringify({ ...(slim as Record<string, JsonValue>), blobs: moved });
}

/** Large members two levels down (`result.output`) or one (`inputs`, `items`): that is where events carry payloads. */
async function shrink(
  value: JsonValue,
  path: readonly string[],
  moved: Moved[],
  inlineBytes: number,
  blobs: BlobStore,
): Promise<JsonValue> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const slim: Record<string, JsonValue> = {};
  for (const [key, member] of Object.entries(value)) {
    const text = JSON.stringify(member);
    const here = [...path, key];
    if (text.length <= inlineBytes) slim[key] = member;
    else if (here.length === 1 && key === "result") slim[key] = await shrink(member, here, moved, inlineBytes, blobs);
    else {
      const { digest, size } = await blobs.put(Buffer.from(text));
      moved.push({ path: here, digest, size, ...(Array.isArray(member) ? { length: member.length } : {}) });
      slim[key] = null;
    }
  }
  return slim;
}

/** The event a stored text means, large values put back in. */
export function decodeEvent(text: string, blobs: BlobStore): RunEvent | Promise<RunEvent> {
  const event = JSON.parse(text) as RunEvent & { readonly blobs?: readonly Moved[] };
  return event.blobs === undefined ? event : putBack(event, event.blobs, blobs);
}

async function putBack(event: RunEvent, moved: readonly Moved[], blobs: BlobStore): Promise<RunEvent> {
  const { blobs: _, ...whole } = event as RunEvent & { blobs: unknown } & Record<string, unknown>;
  for (const { path, digest } of moved) {
    const bytes = await blobs.get(digest);
    if (bytes === undefined) {
      throw new MaestroError("store_corrupt", `event ${event.seq} needs blob ${digest}, which is missing`, {
        facts: { seq: event.seq, blob: digest },
      });
    }
    let at = whole as Record<string, unknown>;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
    at[path.at(-1)!] = JSON.parse(Buffer.from(bytes).toString("utf8"));
  }
  return whole;
}
