import { createPublicKey, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../core/digest.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import {
  checkFolderIsPrivate,
  keyFileName,
  readKeyFile,
  syncFolder,
  writeDurably,
  writeKeyFile,
} from "../provenance/key-file.ts";
import { keyidOf } from "../provenance/keyid.ts";
import { JWKS_SECONDS, TOKEN_SECONDS } from "./token.ts";

/** The public halves and their times, in the keys folder. */
export const WORKLOAD_KEYS_FILE = "workload.json";

/**
 * A key that signs tokens for workloads, or did, or will. It is published before it signs, so that whoever keeps the key
 * set for a while knows it by then, and after it signed until the last of its tokens is worthless.
 */
export interface WorkloadKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly publicKey: KeyObject;
  /** Epoch milliseconds. */
  readonly signsFrom: number;
  /** Null: until there is another. */
  readonly publishedUntil: number | null;
}

export interface WorkloadKeys {
  readonly keys: readonly WorkloadKey[];
  /** The private half of the one that signs at that time. Errors: `key_unusable`. */
  signingKey(now: number): { readonly kid: string; readonly key: KeyObject };
}

export interface WorkloadKeysOptions {
  /** `<data>/keys`. */
  readonly dir: string;
  /** As for the key of receipts. */
  readonly passphrase?: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** From its publication to its first signature: as long as a key set may be kept, twice. */
export const PUBLISH_MS = 2 * JWKS_SECONDS * 1000;
/** From its last signature to its end: the life of a token, and what clocks may differ. */
export const RETIRE_MS = (TOKEN_SECONDS + 60) * 1000;

const MAX_KEYS = 20;

/** Opens the keys for workloads, or makes the first. Errors: `key_unusable`. */
export function openWorkloadKeys(options: WorkloadKeysOptions): WorkloadKeys {
  const { dir, passphrase, now } = options;
  const path = join(dir, WORKLOAD_KEYS_FILE);
  if (!existsSync(path)) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    checkFolderIsPrivate(dir);
    // A clock that is set back must not leave the first one without a beginning.
    const first = makeKey(options, { signsFrom: 0, publishedUntil: null });
    writeList(dir, [first]);
  }
  checkFolderIsPrivate(dir);
  const keys = readList(path);
  for (const { publicKey } of keys.filter((key) => !mayStillSign(keys, key, now))) removePrivate(dir, publicKey);
  const opened = new Map<string, KeyObject>();
  return {
    keys,
    signingKey(at) {
      const current = signerAt(keys, at);
      if (current === undefined) throw unusable(path, "it names no key that signs now");
      const { kid, publicKey } = current;
      const known = opened.get(kid);
      if (known !== undefined) return { kid, key: known };
      const file = join(dir, keyFileName(publicKey, "workload"));
      const { key, encrypted } = readKeyFile(file, keyidOf(publicKey), passphrase, WORKLOAD_KEYS_FILE);
      if (!encrypted && passphrase !== undefined) writeKeyFile(file, key, passphrase);
      opened.set(kid, key);
      return { kid, key };
    },
  };
}

/** What is to be published at that time. */
export function publishedAt(keys: readonly WorkloadKey[], now: number): readonly WorkloadKey[] {
  return keys.filter(({ publishedUntil }) => publishedUntil === null || publishedUntil > now);
}

export interface WorkloadRotation {
  readonly made: WorkloadKey;
  /** Those that sign no more once the new one does. */
  readonly retired: readonly WorkloadKey[];
}

/**
 * Publishes a new key, which signs PUBLISH_MS later; until then the old one does. `atOnce`: the old ones count for nothing
 * from now on, nor do their tokens, as after a theft. Errors: `key_unusable`, `conflict` where the last rotation is not over.
 */
export function rotateWorkloadKey(options: WorkloadKeysOptions & { readonly atOnce: boolean }): WorkloadRotation {
  const { dir, now, atOnce } = options;
  const { keys } = openWorkloadKeys(options);
  const next = keys.find(({ signsFrom }) => signsFrom > now);
  if (next !== undefined && !atOnce)
    throw new MaestroError(
      "conflict",
      `The last rotation is not over: its key signs from ${new Date(next.signsFrom).toISOString()} on.`,
      { fix: "Wait until then; or, if a key was stolen, add --now, which takes the old ones out at once." },
    );
  const signsFrom = atOnce ? now : now + PUBLISH_MS;
  const made = makeKey(options, { signsFrom, publishedUntil: null });
  const ends = atOnce ? now : signsFrom + RETIRE_MS;
  const known = publishedAt(keys, now);
  const kept = atOnce ? [] : known.map((key) => ({ ...key, publishedUntil: key.publishedUntil ?? ends }));
  writeList(dir, [...kept, made]);
  if (atOnce) for (const { publicKey } of keys) removePrivate(dir, publicKey);
  return { made, retired: known.filter(({ publishedUntil }) => publishedUntil === null || atOnce) };
}

/** The youngest that has begun; of a clock that went back before all of them, the oldest. */
function signerAt(keys: readonly WorkloadKey[], now: number): WorkloadKey | undefined {
  const inOrder = keys.toSorted((a, b) => a.signsFrom - b.signsFrom);
  return inOrder.findLast(({ signsFrom }) => signsFrom <= now) ?? inOrder[0];
}

function mayStillSign(keys: readonly WorkloadKey[], key: WorkloadKey, now: number): boolean {
  const current = signerAt(keys, now);
  return current === undefined || key.signsFrom >= current.signsFrom;
}

function makeKey(
  { dir, passphrase }: WorkloadKeysOptions,
  times: Pick<WorkloadKey, "signsFrom" | "publishedUntil">,
): WorkloadKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeKeyFile(join(dir, keyFileName(publicKey, "workload")), privateKey, passphrase);
  return { kid: thumbprint(publicKey), publicKey, ...times };
}

/** RFC 7638: the digest of the key's required members alone. */
function thumbprint(publicKey: KeyObject): string {
  const { crv = "", kty = "", x = "", y = "" } = publicKey.export({ format: "jwk" });
  return Buffer.from(digestOf({ crv, kty, x, y }).slice("sha256:".length), "hex").toString("base64url");
}

function writeList(dir: string, keys: readonly WorkloadKey[]): void {
  const list = keys.map(({ publicKey, signsFrom, publishedUntil }) => ({
    key: publicKey.export({ format: "jwk" }),
    signsFrom,
    publishedUntil,
  }));
  writeDurably(join(dir, WORKLOAD_KEYS_FILE), `${JSON.stringify({ keys: list }, null, 2)}\n`, 0o644);
}

function readList(path: string): readonly WorkloadKey[] {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as JsonValue;
    const list = isJsonObject(value) ? value["keys"] : undefined;
    if (!Array.isArray(list) || list.length === 0 || list.length > MAX_KEYS)
      throw new TypeError(`it has no list of 1 to ${MAX_KEYS} keys`);
    return list.map(readKey);
  } catch (error) {
    throw unusable(path, messageOf(error), error);
  }
}

function readKey(value: JsonValue): WorkloadKey {
  const { key, signsFrom, publishedUntil } = isJsonObject(value) ? value : {};
  if (!isJsonObject(key) || typeof signsFrom !== "number") throw new TypeError("one of its keys is not complete");
  if (publishedUntil !== null && typeof publishedUntil !== "number") throw new TypeError("one of its keys has no end");
  const publicKey = createPublicKey({ key, format: "jwk" });
  if (publicKey.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new TypeError("one of its keys is not of the curve P-256");
  return { kid: thumbprint(publicKey), publicKey, signsFrom, publishedUntil };
}

function removePrivate(dir: string, publicKey: KeyObject): void {
  const path = join(dir, keyFileName(publicKey, "workload"));
  if (!existsSync(path)) return;
  rmSync(path, { force: true });
  syncFolder(dir);
}

function unusable(path: string, why: string, cause?: unknown): MaestroError {
  return new MaestroError("key_unusable", `${path} cannot be used: ${why}.`, {
    ...(cause === undefined ? {} : { cause }),
    fix: `Move ${path} away, and new keys are made; tokens that the old ones signed are worthless then.`,
  });
}
