import type { Diagnostic, Path } from "../core/diagnostic.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

type Mutable = Record<string, JsonValue> | JsonValue[];

/** Lists whose elements are left empty instead of going with their list: other cases are not to blame. */
const KEPT: ReadonlySet<string | number> = new Set(["cases", "rows"]);

/**
 * A test file without what is wrong in its form, so that what its names mean can be told at the same time. Everything else
 * stays where it was. Undefined where nothing is left to look at.
 */
export function withoutWrong(value: JsonObject, problems: readonly Diagnostic[]): JsonObject | undefined {
  const copy = structuredClone(value) as Record<string, JsonValue>;
  // The deepest first: what lies around it may go as well.
  for (const { path, rule } of problems.toSorted((a, b) => b.path.length - a.path.length)) {
    // What lacks something stays: a case without a name still has fakes and expectations.
    if (rule !== "WF013") remove(copy, path);
  }
  return Array.isArray(copy["cases"]) ? copy : undefined;
}

function remove(root: Record<string, JsonValue>, path: Path): void {
  const [key, ...above] = path.toReversed();
  const parent = above.toReversed().reduce<Mutable | undefined>((at, name) => memberOf(at, name), root);
  if (parent === undefined || key === undefined) return;
  if (!Array.isArray(parent)) delete parent[String(key)];
  else if (KEPT.has(above[0] ?? "")) parent[Number(key)] = {};
  else remove(root, path.slice(0, -1));
}

function memberOf(at: Mutable | undefined, name: string | number): Mutable | undefined {
  if (at === undefined) return undefined;
  const member = Array.isArray(at) ? at[Number(name)] : Object.hasOwn(at, String(name)) ? at[String(name)] : undefined;
  return Array.isArray(member) || isJsonObject(member) ? (member as Mutable) : undefined;
}
