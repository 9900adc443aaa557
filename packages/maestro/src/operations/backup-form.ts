import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

/** The last two members of a backup: every member with its SHA-256, and what the backup is. */
export const LIST_MEMBER = "SHA256SUMS";
export const MANIFEST_MEMBER = "manifest.json";

export const BACKUP_FORMAT = "maestro.backup/v1";

/** What a backup says of itself. Its files are in SHA256SUMS. */
export interface BackupManifest {
  readonly format: typeof BACKUP_FORMAT;
  /** The version of Maestro that made it, and the schema of the database in it. */
  readonly maestro: string;
  readonly schema: number;
  /** Epoch milliseconds of the snapshot. */
  readonly createdAt: number;
  readonly installation: string;
  readonly runs: number;
  /** Whether the private signing key is in it. */
  readonly keys: boolean;
  readonly logs: boolean;
  readonly members: number;
  readonly bytes: number;
  /** Blobs that the history refers to and that were not there. */
  readonly missing: number;
  /** Of the member SHA256SUMS, hex. */
  readonly list: string;
}

/** What a backup may hold: nothing else is taken from one, so that no path leads out of the folder it is restored to. */
const MEMBERS = [
  /^(?:maestro\.db|installation|(?:retention|identity|policy|witness|network)\.yaml|SHA256SUMS|manifest\.json)$/,
  /^keys\/(?:trust-root\.json|ed25519-[0-9a-f]{16}\.pem)$/,
  /^tasks\/[A-Za-z0-9_.@-]{1,200}\.json$/,
  /^policy\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.(?:cedar|cedarschema|json|rego|wasm|yaml)$/,
  /^blobs\/sha256\/([0-9a-f]{2})\/\1[0-9a-f]{62}$/,
  /^logs\/r_[a-z0-9]{1,64}\/[A-Za-z0-9_%-]{1,300}(?:\.\d{1,15}){1,2}\.(?:log|idx)$/,
];

export function isMember(path: string): boolean {
  return MEMBERS.some((pattern) => pattern.test(path));
}

/** Throws SyntaxError. */
export function readManifest(text: string): BackupManifest {
  const value = JSON.parse(text) as JsonValue;
  if (!isJsonObject(value) || value["format"] !== BACKUP_FORMAT)
    throw new SyntaxError(`its manifest is not of the format ${BACKUP_FORMAT}`);
  for (const name of ["schema", "createdAt", "runs", "members", "bytes", "missing"])
    if (!Number.isSafeInteger(value[name])) throw new SyntaxError(`its manifest has no ${name}`);
  for (const name of ["maestro", "installation", "list"])
    if (typeof value[name] !== "string") throw new SyntaxError(`its manifest has no ${name}`);
  for (const name of ["keys", "logs"])
    if (typeof value[name] !== "boolean") throw new SyntaxError(`its manifest has no ${name}`);
  return value as unknown as BackupManifest;
}
