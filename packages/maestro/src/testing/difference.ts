import { canonical } from "../core/canonical.ts";
import { formatPath } from "../core/diagnostic.ts";
import type { Path } from "../core/diagnostic.ts";
import { isJsonObject } from "../core/json.ts";
import type { JsonValue } from "../core/json.ts";

/** One thing that is not as it was expected. */
export interface Difference {
  /** In `expect`: where the expectation stands. */
  readonly path: Path;
  readonly expected: JsonValue;
  /** Undefined: there is nothing at all. */
  readonly actual: JsonValue | undefined;
  /** Instead of expected and actual, where a sentence says it better. */
  readonly note?: string;
}

/** Differences beyond this many of one value are not listed. */
const MAX_DIFFERENCES = 50;

/** Maps are compared by the keys that are expected, lists as a whole, everything else by value. */
export function compare(expected: JsonValue, actual: JsonValue | undefined, path: Path, found: Difference[]): void {
  if (found.length >= MAX_DIFFERENCES) return;
  if (isJsonObject(expected) && isJsonObject(actual)) {
    for (const [key, value] of Object.entries(expected))
      compare(value, Object.hasOwn(actual, key) ? actual[key] : undefined, [...path, key], found);
    return;
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    (expected as readonly JsonValue[]).forEach((value, i) =>
      compare(value, (actual as readonly JsonValue[])[i], [...path, i], found),
    );
    return;
  }
  if (actual === undefined || canonical(expected) !== canonical(actual)) found.push({ path, expected, actual });
}

/** Lines such as `tasks.deploy.status`, then what was expected and what it is. */
export function differenceLines({ path, expected, actual, note }: Difference): readonly string[] {
  const where = path.length === 0 ? "expect" : formatPath(path);
  if (note !== undefined) return [where, `  ${note}`];
  const [before, after] = [valueText(expected), actual === undefined ? "(nothing)" : valueText(actual)];
  return [where, `  - expected  ${before}`, `  + was       ${after}`];
}

const MAX_TEXT = 2000;

function valueText(value: JsonValue): string {
  const text = typeof value === "string" && !/[\n\r]/.test(value) ? value : JSON.stringify(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
}
