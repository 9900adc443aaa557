import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { formatDuration, parseDuration } from "../core/duration.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { BREAK_GLASS_LIMITS } from "./break-glass.ts";
import { readChannels } from "./channels.ts";
import type { ChannelSettings } from "./channels.ts";
import type { EvaluatorSettings } from "./evaluator-settings.ts";
import { BUILTIN, readEvaluator, readMembers } from "./evaluator-settings.ts";
import { unusable } from "./unusable.ts";
import { readSettingsText, refuseOpenToAll } from "../manifest/settings.ts";

/** What policy.yaml says. */
export interface PolicySettings {
  /** What one of them denies is denied. */
  readonly evaluators: readonly [EvaluatorSettings, ...EvaluatorSettings[]];
  /** Policies on trial: asked beside those, recorded, and they block nothing. */
  readonly shadow: readonly EvaluatorSettings[];
  /** What requests say the environment is, `production`. */
  readonly environment: string;
  /** Where notices go, by name. */
  readonly notify: Readonly<Record<string, ChannelSettings>>;
  /** For how long somebody may go past the policy at most. */
  readonly breakGlassLongestMs: number;
}

/** In the data directory; absent: the built-in policy. */
export const POLICY_YAML = "policy.yaml";

export const POLICY_FILE_LIMITS = { bytes: 256 * 1024, evaluators: 5, shadow: 5 } as const;

export const DEFAULT_POLICY_SETTINGS: PolicySettings = {
  evaluators: [BUILTIN],
  shadow: [],
  environment: "local",
  notify: {},
  breakGlassLongestMs: BREAK_GLASS_LIMITS.defaultLongestMs,
};

const ENVIRONMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The settings of a data directory. Errors: `policy_unusable` with every fault of the file. */
export async function loadPolicySettings(dataDir: string): Promise<PolicySettings> {
  const path = join(dataDir, POLICY_YAML);
  let text: string;
  try {
    refuseOpenToAll(await stat(path));
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return DEFAULT_POLICY_SETTINGS;
    // Whoever wrote it wanted something else than what holds without it.
    throw unusable(path, [messageOf(error)], error);
  }
  return readPolicySettings(text, path);
}

/** Strict: what it does not know it refuses, since a misspelt word would leave out what was meant to protect. */
export async function readPolicySettings(text: string, path: string): Promise<PolicySettings> {
  const value = await readSettingsText(text, POLICY_FILE_LIMITS.bytes, (all, cause) => unusable(path, all, cause));
  const faults: string[] = [];
  const root = readMembers(value, "the file", ["evaluator", "shadow", "environment", "notify", "breakGlass"], faults);
  const evaluators = readList(root["evaluator"], "evaluator", POLICY_FILE_LIMITS.evaluators, faults);
  const shadow = readList(root["shadow"], "shadow", POLICY_FILE_LIMITS.shadow, faults);
  const environment = root["environment"] ?? DEFAULT_POLICY_SETTINGS.environment;
  if (typeof environment !== "string" || !ENVIRONMENT.test(environment))
    faults.push(`environment is ${JSON.stringify(environment)}; it is a name such as production`);
  const notify = readChannels(root["notify"], faults);
  const breakGlassLongestMs = readLongest(root["breakGlass"], faults);
  const [first = BUILTIN, ...others] = evaluators;
  if (isJsonObject(value) && "evaluator" in value && evaluators.length === 0 && faults.length === 0)
    faults.push("evaluator names none; leave it out for the built-in policy");
  if (faults.length > 0) throw unusable(path, faults);
  return {
    evaluators: [first, ...others],
    shadow,
    environment: environment as string,
    notify,
    breakGlassLongestMs,
  };
}

/** One, or a list of some. */
function readList(
  value: JsonValue | undefined,
  where: string,
  most: number,
  faults: string[],
): readonly EvaluatorSettings[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return readEvaluator(value, where, faults);
  const list = value as readonly JsonValue[];
  if (list.length > most) faults.push(`${where} has more than ${most} entries`);
  return list.slice(0, most).flatMap((one, i) => readEvaluator(one, `${where}[${i}]`, faults));
}

function readLongest(value: JsonValue | undefined, faults: string[]): number {
  const { defaultLongestMs, shortestMs, longestMs } = BREAK_GLASS_LIMITS;
  if (value === undefined) return defaultLongestMs;
  const { longest } = readMembers(value, "breakGlass", ["longest"], faults);
  if (longest === undefined) return defaultLongestMs;
  const ms = typeof longest === "string" ? parseDuration(longest) : undefined;
  if (ms !== undefined && ms >= shortestMs && ms <= longestMs) return ms;
  faults.push(
    `breakGlass.longest is ${JSON.stringify(longest)}; it is a duration from ${formatDuration(shortestMs)} to ${formatDuration(longestMs)}`,
  );
  return defaultLongestMs;
}
