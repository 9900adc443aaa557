import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDuration, parseDuration } from "../core/duration.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { PARTS } from "../store/retention.ts";
import type { Part } from "../store/retention.ts";
import { faultsInto, members, readSettingsText } from "../manifest/settings.ts";

/** What has a clock: the parts of a run, and what its attempts left in `work/` beside their artifacts. */
export type Clock = Part | "work";

/** Milliseconds after a run's end; null: for ever. */
export type Clocks = Readonly<Record<Clock, number | null>>;

export interface RetentionPolicy {
  readonly default: Clocks;
  readonly namespaces: Readonly<Record<string, Clocks>>;
}

/** In the order in which they may run out: none before one to its left, so that proof outlives what it is about. */
export const CLOCKS: readonly Clock[] = ["work", ...PARTS];

const DAY_MS = 86_400_000;

/**
 * What holds where nobody said otherwise. Work folders: a week, in which a failed run is looked into and retried. Logs: a
 * month. Artifacts: a quarter. History: over a year, so that a yearly audit finds a whole one. Receipts: seven years, the
 * longest that common commercial law asks for, because they are small and are the point.
 */
export const DEFAULT_CLOCKS: Clocks = {
  work: 7 * DAY_MS,
  logs: 30 * DAY_MS,
  artifacts: 90 * DAY_MS,
  events: 400 * DAY_MS,
  receipts: 2_557 * DAY_MS,
};

/** In the data directory; absent: the defaults. */
export const POLICY_FILE = "retention.yaml";

export const POLICY_LIMITS = { bytes: 256 * 1024, namespaces: 1_000 } as const;

/** The policy of a data directory as it is now. Errors: `invalid_request` with every fault of the file. */
export async function loadPolicy(dataDir: string): Promise<RetentionPolicy> {
  const path = join(dataDir, POLICY_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { default: DEFAULT_CLOCKS, namespaces: {} };
    throw invalid(path, [messageOf(error)]);
  }
  return readPolicy(text, path);
}

/** Strict: what it does not know it refuses, since a misspelt clock would remove what was meant to stay. */
export async function readPolicy(text: string, path: string): Promise<RetentionPolicy> {
  const value = await readSettingsText(text, POLICY_LIMITS.bytes, (all) => invalid(path, all));
  const faults: string[] = [];
  const root = members(value, "the file", ["retention"], faultsInto(faults));
  const retention = members(root["retention"] ?? null, "retention", ["default", "namespaces"], faultsInto(faults));
  const common = readClocks(retention["default"], "retention.default", DEFAULT_CLOCKS, faults);
  const named = retention["namespaces"] === undefined ? {} : retention["namespaces"];
  const namespaces: Record<string, Clocks> = {};
  if (!isJsonObject(named)) faults.push("retention.namespaces is not a mapping of namespaces to clocks");
  else {
    const entries = Object.entries(named);
    if (entries.length > POLICY_LIMITS.namespaces)
      faults.push(`retention.namespaces has more than ${POLICY_LIMITS.namespaces} entries`);
    for (const [name, value] of entries)
      namespaces[name] = readClocks(value, `retention.namespaces.${name}`, common, faults);
  }
  if (faults.length > 0) throw invalid(path, faults);
  return { default: common, namespaces };
}

export function clocksOf(policy: RetentionPolicy, namespace: string): Clocks {
  return Object.hasOwn(policy.namespaces, namespace)
    ? (policy.namespaces[namespace] ?? policy.default)
    : policy.default;
}

/** `events 400d`, as a removal records it. */
export function clockText(clock: Clock, clocks: Clocks): string {
  const ms = clocks[clock];
  return `${clock} ${ms === null ? "forever" : formatDuration(ms)}`;
}

/** The policy as it is recorded and shown. */
export function policyJson(policy: RetentionPolicy): JsonObject {
  const words = (clocks: Clocks): JsonObject =>
    Object.fromEntries(
      CLOCKS.map((clock) => [clock, clocks[clock] === null ? "forever" : formatDuration(clocks[clock])]),
    );
  return {
    default: words(policy.default),
    namespaces: Object.fromEntries(Object.entries(policy.namespaces).map(([name, clocks]) => [name, words(clocks)])),
  };
}

function readClocks(value: JsonValue | undefined, where: string, base: Clocks, faults: string[]): Clocks {
  if (value === undefined) return base;
  const given = members(value, where, CLOCKS, faultsInto(faults));
  const clocks: Record<Clock, number | null> = { ...base };
  for (const clock of CLOCKS) {
    const said = given[clock];
    if (said === undefined) continue;
    const ms = said === "forever" ? null : typeof said === "string" ? parseDuration(said) : undefined;
    if (ms === undefined)
      faults.push(`${where}.${clock} is ${JSON.stringify(said)}; it is a duration such as 90d, or forever`);
    else clocks[clock] = ms;
  }
  for (const [i, clock] of CLOCKS.entries()) {
    const longer = CLOCKS.slice(i + 1).find((later) => (clocks[later] ?? Infinity) < (clocks[clock] ?? Infinity));
    if (longer !== undefined)
      faults.push(
        `${where}: ${clockText(longer, clocks)} is shorter than ${clockText(clock, clocks)}; the order is ${CLOCKS.join(" ≤ ")}`,
      );
  }
  return clocks;
}

function invalid(path: string, faults: readonly string[]): MaestroError {
  return new MaestroError("invalid_request", `The retention policy ${path} cannot be used: ${faults.join("; ")}.`, {
    facts: { path },
    fix: "Correct the file; until then nothing is removed. See docs/guides/keep-and-remove.md.",
  });
}
