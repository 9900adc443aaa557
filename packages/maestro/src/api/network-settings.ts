import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDuration } from "../core/duration.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { members, readSettingsText } from "../manifest/settings.ts";
import type { Fault } from "../manifest/settings.ts";
import { NETWORK_FILE } from "../operations/network-file.ts";
import { DEFAULT_RATES } from "./rates.ts";
import type { RateLimits } from "./rates.ts";

/** What an operator may set of the server that listens on the network. */
export interface NetworkSettings {
  readonly rates: RateLimits;
  /** From a request's start to the head of its answer. */
  readonly answerMs: number;
}

export const DEFAULT_NETWORK: NetworkSettings = { rates: DEFAULT_RATES, answerMs: 120_000 };

const MAX_BYTES = 64 * 1024;
const MAX_RATE = 1_000_000;
const MAX_AT_ONCE = 10_000;
const ANSWER = { minMs: 1_000, maxMs: 3_600_000 } as const;

/** Errors: `network_unusable` with every fault of the file. */
export async function loadNetworkSettings(dataDir: string): Promise<NetworkSettings> {
  const path = join(dataDir, NETWORK_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return DEFAULT_NETWORK;
    throw unusable(path, [messageOf(error)]);
  }
  return readNetworkSettings(text, path);
}

/** Strict: a limit that is misspelt would be none. */
export async function readNetworkSettings(text: string, path: string): Promise<NetworkSettings> {
  const value = await readSettingsText(text, MAX_BYTES, (all, cause) => unusable(path, all, cause));
  const faults: string[] = [];
  const fault: Fault = (where, what) => faults.push(`${where} ${what}`);
  const root = members(value ?? {}, "the file", ["network"], fault);
  const network = members(root["network"] ?? {}, "network", ["identity", "stranger", "answer"], fault);
  const identity = members(network["identity"] ?? {}, "network.identity", ["perSecond", "atOnce", "streams"], fault);
  const stranger = members(network["stranger"] ?? {}, "network.stranger", ["perSecond"], fault);
  const { rates } = DEFAULT_NETWORK;
  const settings: NetworkSettings = {
    rates: {
      identity: {
        perSecond: whole(
          identity["perSecond"],
          "network.identity.perSecond",
          rates.identity.perSecond,
          MAX_RATE,
          fault,
        ),
        atOnce: whole(identity["atOnce"], "network.identity.atOnce", rates.identity.atOnce, MAX_AT_ONCE, fault),
        streams: whole(identity["streams"], "network.identity.streams", rates.identity.streams, MAX_AT_ONCE, fault),
      },
      stranger: {
        perSecond: whole(
          stranger["perSecond"],
          "network.stranger.perSecond",
          rates.stranger.perSecond,
          MAX_RATE,
          fault,
        ),
      },
    },
    answerMs: answerTime(network["answer"], fault),
  };
  if (faults.length > 0) throw unusable(path, faults);
  return settings;
}

function whole(value: JsonValue | undefined, at: string, absent: number, max: number, fault: Fault): number {
  if (value === undefined) return absent;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max) return value;
  fault(at, `is ${JSON.stringify(value)}; it is a whole number from 1 to ${max}`);
  return absent;
}

function answerTime(value: JsonValue | undefined, fault: Fault): number {
  if (value === undefined) return DEFAULT_NETWORK.answerMs;
  const ms = typeof value === "string" ? parseDuration(value) : undefined;
  if (ms !== undefined && ms >= ANSWER.minMs && ms <= ANSWER.maxMs) return ms;
  fault("network.answer", `is ${JSON.stringify(value)}; it is a duration from 1s to 1h, such as 2m`);
  return DEFAULT_NETWORK.answerMs;
}

function unusable(path: string, faults: readonly string[], cause?: unknown): MaestroError {
  return new MaestroError("network_unusable", `${path}: ${faults.join("; ")}.`, { facts: { path, faults }, cause });
}
