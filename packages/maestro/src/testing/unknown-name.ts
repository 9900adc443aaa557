import type { Diagnostic, Path } from "../core/diagnostic.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { suggest } from "../core/suggest.ts";

const MAX_NAMES = 12;

/** A key that names nothing: `what` says what it should name, before the list of what there is. */
export function unknownKey(path: Path, name: string, known: readonly string[], what: string): Diagnostic {
  return { ...unknownValue(path, name, known, what), key: true };
}

/** A value that names nothing. */
export function unknownValue(path: Path, name: string, known: readonly string[], what: string): Diagnostic {
  const near = suggest(name, known);
  const list =
    known.length > MAX_NAMES
      ? `${known.slice(0, MAX_NAMES).join(", ")} and ${known.length - MAX_NAMES} more`
      : known.join(", ");
  return {
    rule: "WF012",
    severity: "error",
    path,
    message: `\`${name}\` ${what} ${list === "" ? "none" : list}`,
    ...(near === undefined ? {} : { fix: `did you mean \`${near}\`?` }),
  };
}

/** Keys of a map that must all be known. */
export function checkKeys(
  map: JsonValue | undefined,
  path: Path,
  known: readonly string[],
  what: string,
  problems: Diagnostic[],
): void {
  if (!isJsonObject(map)) return;
  for (const key of Object.keys(map))
    if (!known.includes(key)) problems.push(unknownKey([...path, key], key, known, `${what}; there are`));
}

/** Words of a list that must all be known; an item's number behind one (`deploy[1]`) does not count. */
export function checkWords(
  list: JsonValue | undefined,
  path: Path,
  known: readonly string[],
  what: string,
  problems: Diagnostic[],
): void {
  if (!Array.isArray(list)) return;
  (list as readonly string[]).forEach((word, i) => {
    if (!known.includes(withoutItem(word)))
      problems.push(unknownValue([...path, i], word, known, `${what}; there are`));
  });
}

/** `deploy[1]` is an item of `deploy`. */
export function withoutItem(name: string): string {
  return name.replace(/\[\d+\]$/, "");
}
