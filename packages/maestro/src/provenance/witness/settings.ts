import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { parseDuration } from "../../core/duration.ts";
import type { JsonValue } from "../../core/json.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { readNoteKey } from "../ledger/note.ts";
import type { NoteKey } from "../ledger/note.ts";
import { faultsInto, members, readSettingsText } from "../../manifest/settings.ts";

/** Who else sees the ledger grow: witnesses that cosign its checkpoints, an authority that says when. */
export interface WitnessSettings {
  readonly witnesses: readonly KnownWitness[];
  /** So many of them stand under a checkpoint before it counts as seen; 0 where there is none. */
  readonly quorum: number;
  readonly timestamp: TimestampSettings | null;
}

export interface KnownWitness {
  readonly key: NoteKey;
  /** Submissions go to `add-checkpoint` below it. */
  readonly url: string;
}

export interface TimestampSettings {
  readonly url: string;
  /** A checkpoint is timestamped when the one before was so long ago. */
  readonly everyMs: number;
  /** PEM: whom to believe. */
  readonly trusted: string;
}

/** In the data directory; absent: the ledger is seen by nobody else. Read when the control plane starts. */
export const WITNESS_FILE = "witness.yaml";

export const WITNESS_SETTINGS_LIMITS = { bytes: 64 * 1024, witnesses: 16 } as const;

export const NO_WITNESSES: WitnessSettings = { witnesses: [], quorum: 0, timestamp: null };

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Errors: `invalid_request` with every fault of the file. */
export async function loadWitnessSettings(dataDir: string): Promise<WitnessSettings> {
  const path = join(dataDir, WITNESS_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NO_WITNESSES;
    throw invalid(path, [messageOf(error)]);
  }
  return readWitnessSettings(text, path, async (file) =>
    readFile(isAbsolute(file) ? file : join(dataDir, file), "utf8"),
  );
}

/** Strict: a misspelt witness would be one that nobody asks. `read` reads the file of certificates. */
export async function readWitnessSettings(
  text: string,
  path: string,
  read: (file: string) => Promise<string>,
): Promise<WitnessSettings> {
  const value = await readSettingsText(text, WITNESS_SETTINGS_LIMITS.bytes, (all) => invalid(path, all));
  const faults: string[] = [];
  const root = members(value, "the file", FILE, faultsInto(faults));
  const witnesses = readWitnesses(root["witnesses"], faults);
  const quorum = readQuorum(root["quorum"], witnesses.length, faults);
  const timestamp = root["timestamp"] === undefined ? null : await readTimestamp(root["timestamp"], read, faults);
  if (faults.length > 0) throw invalid(path, faults);
  return { witnesses, quorum, timestamp };
}

const FILE = ["witnesses", "quorum", "timestamp"];

function readWitnesses(value: JsonValue | undefined, faults: string[]): readonly KnownWitness[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    faults.push("witnesses is not a list");
    return [];
  }
  if (value.length > WITNESS_SETTINGS_LIMITS.witnesses)
    faults.push(`witnesses has more than ${WITNESS_SETTINGS_LIMITS.witnesses} entries`);
  const found = value.flatMap((one, i) => {
    const where = `witnesses[${i}]`;
    const given = members(one, where, ["url", "vkey"], faultsInto(faults));
    const url = readUrl(given["url"], `${where}.url`, faults);
    const key = readKey(given["vkey"], `${where}.vkey`, faults);
    return url === undefined || key === undefined ? [] : [{ url, key }];
  });
  const names = found.map(({ key }) => key.name);
  for (const name of new Set(names.filter((one, i) => names.indexOf(one) !== i)))
    faults.push(`the witness ${name} is listed twice`);
  return found;
}

function readQuorum(value: JsonValue | undefined, count: number, faults: string[]): number {
  if (value === undefined) return count;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= count) return value;
  faults.push(`quorum is ${JSON.stringify(value)}; it is a whole number from 1 to the number of witnesses, ${count}`);
  return count;
}

async function readTimestamp(
  value: JsonValue,
  read: (file: string) => Promise<string>,
  faults: string[],
): Promise<TimestampSettings | null> {
  const given = members(value, "timestamp", ["url", "every", "certificates"], faultsInto(faults));
  const url = readUrl(given["url"], "timestamp.url", faults);
  const every = given["every"] ?? "1h";
  const everyMs = typeof every === "string" ? parseDuration(every) : undefined;
  if (everyMs === undefined || everyMs < MINUTE_MS || everyMs > 24 * 366 * HOUR_MS)
    faults.push(`timestamp.every is ${JSON.stringify(every)}; it is a duration of a minute or more, such as 1h`);
  const file = given["certificates"];
  let trusted: string | undefined;
  if (typeof file !== "string")
    faults.push("timestamp.certificates is missing: the file of certificates to believe (PEM)");
  else {
    try {
      trusted = await read(file);
      if (!trusted.includes("-----BEGIN CERTIFICATE-----")) faults.push(`${file} has no certificate in it (PEM)`);
    } catch (error) {
      faults.push(`timestamp.certificates: ${messageOf(error)}`);
    }
  }
  if (url === undefined || everyMs === undefined || trusted === undefined) return null;
  return { url, everyMs, trusted };
}

function readUrl(value: JsonValue | undefined, where: string, faults: string[]): string | undefined {
  const url = typeof value === "string" ? URL.parse(value) : null;
  const isFine = url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  if (isFine && url.search === "" && url.hash === "") return url.href.replace(/\/$/, "");
  faults.push(
    `${where} is ${JSON.stringify(value ?? null)}; it is an http or https URL without user, query or fragment`,
  );
  return undefined;
}

function readKey(value: JsonValue | undefined, where: string, faults: string[]): NoteKey | undefined {
  try {
    const key = readNoteKey(typeof value === "string" ? value : "");
    if (key.kind === "witness") return key;
    faults.push(`${where} is the key of a log; a witness's is what \`maestro witness init\` prints`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    faults.push(`${where} is not the key of a witness: ${error.message}`);
  }
  return undefined;
}

function invalid(path: string, faults: readonly string[]): MaestroError {
  return new MaestroError(
    "invalid_request",
    `The settings of witnesses ${path} cannot be used: ${faults.join("; ")}.`,
    {
      facts: { path },
      fix: "Correct the file, or take it away to go on without witnesses. See docs/guides/ledger-and-witness.md.",
    },
  );
}
