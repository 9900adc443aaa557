import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { suggest } from "../core/suggest.ts";

/** Notes what is wrong where; a reader goes on, so that all of it is told at once. */
export type Fault = (where: string, what: string) => void;

/** Where they are sentences of a list. */
export function faultsInto(list: string[]): Fault {
  return (where, what) => void list.push(`${where} ${what}`);
}

/** The members of a mapping; an unknown one is a fault. */
export function members(value: JsonValue, at: string, known: readonly string[], fault: Fault): JsonObject {
  if (!isJsonObject(value)) {
    fault(at, "is not a mapping");
    return {};
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    const near = suggest(name, new Set(known));
    fault(at, `has no member ${JSON.stringify(name)}${near === undefined ? "" : `; did you mean ${near}?`}`);
  }
  return value;
}

/**
 * What a settings file of a data directory holds, as data. A file that is too large, is no YAML, says a name twice or is built of
 * aliases is refused with all that is wrong, by the error of whoever reads it.
 */
export async function readSettingsText(
  text: string,
  maxBytes: number,
  unusable: (faults: readonly string[], cause?: unknown) => Error,
): Promise<JsonValue> {
  if (Buffer.byteLength(text) > maxBytes) throw unusable([`it has more than ${maxBytes} bytes`]);
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { uniqueKeys: true, merge: false, stringKeys: true });
  if (document.errors.length > 0) throw unusable(document.errors.map(({ message }) => message.split("\n")[0] ?? ""));
  try {
    // A short file of aliases makes a long value; nobody needs one here.
    return document.toJS({ maxAliasCount: 0 }) as JsonValue;
  } catch (error) {
    throw unusable(["it has aliases (&name, *name), which are not read here"], error);
  }
}

/** Of a file that says who may do what: whoever may write it may do everything. Throws an Error with the cause and what to do. */
export function refuseOpenToAll({ mode }: { readonly mode: number }): void {
  if (process.platform !== "win32" && (mode & 0o002) !== 0)
    throw new Error(
      "every user of this machine may write it; close it with `chmod o-w`, and look at what it says first",
    );
}
