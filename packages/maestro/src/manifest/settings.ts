import type { JsonValue } from "../core/json.ts";

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
