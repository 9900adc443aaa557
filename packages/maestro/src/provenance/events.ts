import { chain, sha256, type Digest } from "../core/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseStrict } from "../core/strict-json.ts";
import { CheckFailed } from "./ladder.ts";

/** Bytes by their digest; undefined where they are not at hand. */
export type BlobLookup = (digest: Digest) => Uint8Array | undefined;

/** Exported events, read again. */
export interface History {
  readonly events: readonly JsonObject[];
  /** Large values that lie in blobs and were not given; null stands in their places. */
  readonly missing: number;
}

/** The chain over the texts of a run's events, oldest first (core/digest.ts). */
export function headOf(texts: readonly string[]): Digest | "" {
  let head: Digest | "" = "";
  for (const text of texts) head = chain(head, text);
  return head;
}

/**
 * Reads events from the texts that were committed. A text says in `blobs` which large values were taken out of it; they
 * are put back from `blob`, each checked against its digest. Throws CheckFailed or SyntaxError.
 */
export function readHistory(texts: readonly string[], blob: BlobLookup): History {
  let missing = 0;
  const events = texts.map((text, index) => {
    const where = `event ${index + 1}`;
    const event = parseStrict(text, { depth: 512 });
    if (!isJsonObject(event)) throw new CheckFailed(`${where} is not an object`);
    if (event["seq"] !== index + 1)
      throw new CheckFailed(`${where} has the seq ${JSON.stringify(event["seq"]) ?? "of none"}`);
    if (event["blobs"] === undefined) return event;
    const { blobs, ...whole } = event;
    missing += putBack(whole, blobs, blob, where);
    return whole;
  });
  return { events, missing };
}

/** Returns how many values it did not get. */
function putBack(event: JsonObject, moved: JsonValue | undefined, blob: BlobLookup, where: string): number {
  if (!Array.isArray(moved)) throw new CheckFailed(`${where} has blobs that are not a list`);
  let missing = 0;
  for (const entry of moved as readonly JsonValue[]) {
    if (!isJsonObject(entry) || !Array.isArray(entry["path"]))
      throw new CheckFailed(`${where} has a blob without a path`);
    const bytes = blob(entry["digest"] as Digest);
    if (bytes === undefined) missing += 1;
    else if (sha256(bytes) !== entry["digest"])
      throw new CheckFailed(
        `${where} needs the blob ${JSON.stringify(entry["digest"])}, the one given is ${sha256(bytes)}`,
      );
    else
      replaceNull(
        event,
        entry["path"] as readonly JsonValue[],
        JSON.parse(Buffer.from(bytes).toString()) as JsonValue,
        where,
      );
  }
  return missing;
}

/** Only into a place that was emptied for it, so that no entry can overwrite what the event says. */
function replaceNull(event: JsonObject, path: readonly JsonValue[], value: JsonValue, where: string): void {
  const names = path.map(String);
  const last = names.at(-1) ?? "";
  let at: JsonValue | undefined = event;
  for (const name of names.slice(0, -1)) at = isJsonObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  if (!isJsonObject(at) || !Object.hasOwn(at, last) || at[last] !== null)
    throw new CheckFailed(`${where} has no place ${names.join(".")} for a blob`);
  (at as Record<string, JsonValue>)[last] = value;
}
