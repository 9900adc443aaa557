import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { DESCRIPTION_SCHEMA, PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { ProgramDescription } from "./external-protocol.ts";
import type { Program } from "./external-program.ts";
import { compileChecked } from "./json-schema.ts";

/** A program that was added, as a file below `<data>/tasks` says it. */
export interface Registration {
  readonly description: ProgramDescription;
  /** It answers `validate`. */
  readonly validates: boolean;
  /** Attempts at once in one of its processes; default 1. */
  readonly concurrency?: number;
  readonly program: Program;
  /** Epoch milliseconds. */
  readonly addedAt: number;
}

/** What the folder holds: what can be used, and in words what cannot. */
export interface Registrations {
  readonly found: readonly Registration[];
  readonly problems: readonly string[];
}

const FORMAT = "maestro.task/v1";

/** Variables of the engine's environment that one program is given. */
export const MAX_ENVIRONMENT_NAMES = 64;

const REGISTRATION_SCHEMA: JsonObject = {
  type: "object",
  properties: {
    format: { const: FORMAT },
    description: DESCRIPTION_SCHEMA,
    validates: { type: "boolean" },
    concurrency: { type: "integer", minimum: 1, maximum: PROTOCOL_LIMITS.concurrency },
    program: {
      type: "object",
      properties: {
        path: { type: "string", pattern: "^/" },
        kind: { enum: ["executable", "script", "module"] },
        digest: { type: "string", pattern: "^sha256:[0-9a-f]{64}$" },
        env: { type: "array", items: { type: "string" }, maxItems: MAX_ENVIRONMENT_NAMES },
      },
      required: ["path", "kind", "digest", "env"],
    },
    addedAt: { type: "number" },
  },
  required: ["format", "description", "validates", "program", "addedAt"],
};

/** The folder of a data directory in which added programs are kept. */
export function registryDir(dataDir: string): string {
  return join(dataDir, "tasks");
}

/** Needs no engine. A file that cannot be used is a problem in words, so that the others still can. */
export function readRegistrations(dataDir: string): Registrations {
  const dir = registryDir(dataDir);
  const found: Registration[] = [];
  const problems: string[] = [];
  for (const name of namesIn(dir)) {
    try {
      found.push(parse(readFileSync(join(dir, name), "utf8"), name));
    } catch (error) {
      problems.push(`${join(dir, name)}: ${messageOf(error)}. Add the program again, or remove the file`);
    }
  }
  return { found, problems };
}

export function writeRegistration(dataDir: string, registration: Registration): void {
  const dir = registryDir(dataDir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, fileOf(registration.description));
  // Whole or not at all: an engine may start at any moment.
  writeFileSync(`${path}.new`, `${JSON.stringify({ format: FORMAT, ...registration }, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeRegistration(dataDir: string, description: ProgramDescription): void {
  rmSync(join(registryDir(dataDir), fileOf(description)), { force: true });
}

function fileOf({ name, version }: ProgramDescription): string {
  return `${name}@${version}.json`;
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith(".json"))
      .sort();
  } catch (error) {
    // A data directory that is no folder has no task types; it is refused where it is opened, with a better message.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

function parse(text: string, name: string): Registration {
  const value = JSON.parse(text) as JsonValue;
  const wrong = compileChecked(REGISTRATION_SCHEMA)(value);
  if (!isJsonObject(value) || wrong.length > 0)
    throw new Error(wrong.map(({ path, message }) => `${path} ${message}`.trim()).join("; "));
  const { format: _, ...rest } = value;
  const registration = rest as unknown as Registration;
  if (fileOf(registration.description) !== name)
    throw new Error(`it describes ${registration.description.name}@${registration.description.version}`);
  return registration;
}
