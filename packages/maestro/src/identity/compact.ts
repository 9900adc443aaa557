import { hash } from "node:crypto";
import type { JsonObject } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { parseStrict } from "../core/strict-json.ts";
import { Refused } from "./refused.ts";
import { MAX_TOKEN_LENGTH } from "./settings.ts";

/** A signed token as it came, taken apart and not yet believed. */
export interface CompactToken {
  readonly text: string;
  readonly header: JsonObject;
  readonly claims: JsonObject;
  /** Of what is signed; the signature itself may have several forms (ECDSA). */
  readonly digest: string;
}

const MAX_DEPTH = 16;
const FORM = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/** Members that would have us take keys from the token's own sender, or that change what is signed. */
const FORBIDDEN = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"];

/** Whether it looks like a signed token, and not like one of ours. */
export function isCompact(text: string): boolean {
  return text.split(".", 4).length === 3;
}

/**
 * RFC 7515's compact form, strictly: every token has exactly one spelling, for decoders let pass what a sender could
 * change without breaking the signature, such as stray bits at the end of a part. Throws Refused.
 */
export function readCompact(text: string): CompactToken {
  if (text.length > MAX_TOKEN_LENGTH) throw new Refused("malformed", `it has more than ${MAX_TOKEN_LENGTH} characters`);
  const [, header = "", claims = "", signature = ""] = FORM.exec(text) ?? [];
  if (header === "") throw new Refused("malformed", "three parts of base64url are needed");
  for (const part of [header, claims, signature])
    if (Buffer.from(part, "base64url").toString("base64url") !== part)
      throw new Refused("malformed", "a part is not the base64url that its bytes have");
  const token: CompactToken = {
    text,
    header: readPart(header, "header"),
    claims: readPart(claims, "claims"),
    digest: hash("sha256", `${header}.${claims}`, "hex"),
  };
  const own = FORBIDDEN.find((name) => Object.hasOwn(token.header, name));
  if (own !== undefined) throw new Refused("forbidden_header", own);
  return token;
}

function readPart(part: string, what: string): JsonObject {
  let value: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(part, "base64url"));
    value = parseStrict(text, { depth: MAX_DEPTH });
  } catch (error) {
    throw new Refused("malformed", `its ${what} is not sound JSON: ${messageOf(error)}`, error);
  }
  if (!isJsonObject(value)) throw new Refused("malformed", `its ${what} is no object`);
  return value;
}
