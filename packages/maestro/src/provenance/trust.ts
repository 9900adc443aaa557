import { createPublicKey, type KeyObject } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { messageOf, MaestroError } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";
import { parseDateTime } from "../core/time.ts";
import { fingerprintOf, keyidOf, spkiOf } from "./keyid.ts";

/** Media type of a trust root file; the format is docs/reference/receipt.md#trust-root. */
export const TRUST_ROOT_MEDIA_TYPE = "application/vnd.summit-maestro.trust-root.v1+json";

/** The trust root's name in the keys folder; it holds no secret and may be given to anyone. */
export const TRUST_ROOT_FILE = "trust-root.json";

/** The keys a verifier believes, each with the builder it may speak for and the time in which it may. */
export interface TrustRoot {
  readonly keys: readonly TrustedKey[];
}

export interface TrustedKey {
  readonly keyid: string;
  /** Its ssh fingerprint. Follows from the key and is not in the file. */
  readonly fingerprint: string;
  readonly publicKey: KeyObject;
  /** The only builder this key may sign for. A URI. */
  readonly builder: string;
  /** Epoch milliseconds. `validFrom` is null for an installation's first key, `validUntil` while the key is in use. */
  readonly validFrom: number | null;
  readonly validUntil: number | null;
}

/** The file's text, ready to be given to whoever verifies. */
export function writeTrustRoot(root: TrustRoot): string {
  const keys = root.keys.map((key) => {
    const entry: { [name: string]: JsonValue } = {
      keyid: key.keyid,
      algorithm: "ed25519",
      publicKey: spkiOf(key.publicKey).toString("base64"),
      builder: key.builder,
    };
    if (key.validFrom !== null) entry["validFrom"] = new Date(key.validFrom).toISOString();
    if (key.validUntil !== null) entry["validUntil"] = new Date(key.validUntil).toISOString();
    return entry;
  });
  return `${JSON.stringify({ mediaType: TRUST_ROOT_MEDIA_TYPE, keys }, null, 2)}\n`;
}

/**
 * Reads a trust root, strictly: members it does not know are refused, because a restriction that is not understood
 * must not be ignored. `source` names the file in messages. Errors: `invalid_request`.
 */
export function readTrustRoot(text: string, source: string): TrustRoot {
  try {
    const root = members(parseStrict(text, { length: 1024 * 1024 }), "the document", ["mediaType", "keys"], []);
    if (root["mediaType"] !== TRUST_ROOT_MEDIA_TYPE) throw new SyntaxError(`mediaType is not ${TRUST_ROOT_MEDIA_TYPE}`);
    const entries = root["keys"];
    if (!Array.isArray(entries) || entries.length === 0)
      throw new SyntaxError("keys is not a list with at least one key");
    const keys = entries.map((entry: JsonValue, index) => readKey(entry, `keys[${index}]`));
    const twice = keys.find((key, index) => keys.findIndex((other) => other.keyid === key.keyid) !== index);
    if (twice !== undefined) throw new SyntaxError(`the key ${twice.keyid} is listed twice`);
    return { keys };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MaestroError("invalid_request", `${source} is not a trust root: ${error.message}.`, {
      cause: error,
      fix: "Get the trust root again from the installation that signed; it is keys/trust-root.json in its data directory.",
    });
  }
}

function readKey(value: JsonValue, where: string): TrustedKey {
  const entry = members(value, where, ["keyid", "algorithm", "publicKey", "builder"], ["validFrom", "validUntil"]);
  if (entry["algorithm"] !== "ed25519") throw new SyntaxError(`${where}.algorithm is not ed25519`);
  const publicKey = readPublicKey(text(entry, "publicKey", where), where);
  const keyid = keyidOf(publicKey);
  if (entry["keyid"] !== keyid)
    throw new SyntaxError(`${where}.keyid does not belong to its public key, which is ${keyid}`);
  return {
    keyid,
    fingerprint: fingerprintOf(publicKey),
    publicKey,
    builder: text(entry, "builder", where),
    validFrom: time(entry, "validFrom", where),
    validUntil: time(entry, "validUntil", where),
  };
}

function readPublicKey(base64: string, where: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(base64, "base64"), format: "der", type: "spki" });
  } catch (error) {
    throw new SyntaxError(`${where}.publicKey is not a public key: ${messageOf(error)}`, { cause: error });
  }
  if (key.asymmetricKeyType !== "ed25519") throw new SyntaxError(`${where}.publicKey is not an Ed25519 key`);
  return key;
}

function members(
  value: JsonValue,
  where: string,
  required: readonly string[],
  optional: readonly string[],
): JsonObject {
  if (!isJsonObject(value)) throw new SyntaxError(`${where} is not an object`);
  for (const name of required) if (!Object.hasOwn(value, name)) throw new SyntaxError(`${where} has no ${name}`);
  for (const name of Object.keys(value)) {
    if (!required.includes(name) && !optional.includes(name))
      throw new SyntaxError(`${where} has a member ${JSON.stringify(name)} that this version does not know`);
  }
  return value;
}

function text(entry: JsonObject, name: string, where: string): string {
  const value = entry[name];
  if (typeof value !== "string" || value === "") throw new SyntaxError(`${where}.${name} is not a text`);
  return value;
}

function time(entry: JsonObject, name: string, where: string): number | null {
  if (entry[name] === undefined) return null;
  const value = parseDateTime(text(entry, name, where));
  if (value === undefined) throw new SyntaxError(`${where}.${name} is not an RFC 3339 time`);
  return value;
}
