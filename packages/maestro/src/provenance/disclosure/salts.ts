import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import type { RevealedField } from "../../core/redaction.ts";
import { parseStrict } from "../../core/strict-json.ts";
import type { Digest } from "../../core/digest.ts";

// What was taken out of a package, with the salts: whoever disclosed keeps it, and hands out of it what is asked for later.

export const SALTS_MEDIA_TYPE = "application/vnd.summit-maestro.disclosure-salts.v1+json";

export interface Salts {
  /** The package it belongs to: the digest of its manifest. */
  readonly package: Digest;
  readonly fields: readonly RevealedField[];
}

export function writeSalts({ package: digest, fields }: Salts): string {
  return `${JSON.stringify({ mediaType: SALTS_MEDIA_TYPE, package: digest, fields }, null, 2)}\n`;
}

/** `source` names the file in messages. Errors: `invalid_request`. */
export function readSalts(text: string, source: string): Salts {
  try {
    const root = objectOf(parseStrict(text, { length: 256 * 1024 * 1024, depth: 256 }), "it", [
      "mediaType",
      "package",
      "fields",
    ]);
    if (root["mediaType"] !== SALTS_MEDIA_TYPE) throw new SyntaxError(`mediaType is not ${SALTS_MEDIA_TYPE}`);
    const digest = textOf(root, "package", "it");
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new SyntaxError("package is not a sha256 digest");
    const { fields } = root;
    if (!Array.isArray(fields)) throw new SyntaxError("fields is not a list");
    return {
      package: digest as Digest,
      fields: (fields as readonly JsonValue[]).map((field, i) => readField(field, `fields[${i}]`)),
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new MaestroError("invalid_request", `${source} does not hold the salts of a package: ${error.message}.`, {
      cause: error,
      fix: "Use the file that `maestro receipt disclose --salts FILE` wrote, or one that `maestro receipt reveal` made of it.",
    });
  }
}

function readField(value: JsonValue, where: string): RevealedField {
  const field = objectOf(value, where, ["path", "pointer", "salt", "value"]);
  const salt = textOf(field, "salt", where);
  if (!/^[A-Za-z0-9_-]{22}$/.test(salt)) throw new SyntaxError(`${where}.salt is not 128 bits in base64url`);
  return { path: textOf(field, "path", where), pointer: textOf(field, "pointer", where), salt, value: field["value"]! };
}

function objectOf(value: JsonValue, where: string, names: readonly string[]): JsonObject {
  if (!isJsonObject(value)) throw new SyntaxError(`${where} is not an object`);
  for (const name of names) if (!Object.hasOwn(value, name)) throw new SyntaxError(`${where} has no ${name}`);
  return value;
}

function textOf(object: JsonObject, name: string, where: string): string {
  const value = object[name];
  if (typeof value !== "string") throw new SyntaxError(`${where}.${name} is not a text`);
  return value;
}
