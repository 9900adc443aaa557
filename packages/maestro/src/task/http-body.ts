import type { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { sha256 } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { parseJson } from "./json-file.ts";
import { TaskFailure } from "./task.ts";

/** The body, decompressed, was longer than the limit. */
export class BodyTooLarge extends Error {
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(`the body is longer than ${maxBytes} bytes`);
    this.name = "BodyTooLarge";
    this.maxBytes = maxBytes;
  }
}

/** Reads a body to its end, undoing its content encoding; never holds more than the limit and one chunk. */
export async function readBody(
  body: Readable,
  encoding: string | undefined,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const collect = async (source: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of source) {
      length += chunk.length;
      if (length > maxBytes) throw new BodyTooLarge(maxBytes);
      chunks.push(chunk);
    }
  };
  const decoder = decoderOf(encoding);
  await (decoder === undefined ? pipeline(body, collect, { signal }) : pipeline(body, decoder, collect, { signal }));
  return Buffer.concat(chunks);
}

function decoderOf(encoding: string | undefined): Transform | undefined {
  switch ((encoding ?? "").trim().toLowerCase()) {
    case "":
    case "identity":
      return undefined;
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "br":
      return createBrotliDecompress();
    case "deflate":
      return createInflate();
    default:
      throw new TaskFailure({
        code: "OUTPUT_INVALID",
        message: `the body is encoded as ${JSON.stringify(encoding)}, which was not asked for.`,
        final: true,
      });
  }
}

/** The body as JSON, text or base64, by its content type and its bytes. `problem` says why it is no JSON where it must be. */
export function describeBody(
  bytes: Buffer,
  contentType: string | undefined,
  mustBeJson: boolean,
): { readonly output: JsonObject & { readonly bytes: number }; readonly problem?: string } {
  const size = { bytes: bytes.length, digest: sha256(bytes) };
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (mustBeJson || ((type === "application/json" || type.endsWith("+json")) && bytes.length > 0)) {
    const parsed = parseJson(bytes);
    if (parsed.ok) return { output: { ...size, json: parsed.value } };
    if (mustBeJson) return { output: { ...size, ...asText(bytes, contentType) }, problem: parsed.message };
  }
  return { output: { ...size, ...asText(bytes, contentType) } };
}

function asText(bytes: Buffer, contentType: string | undefined): JsonObject {
  const charset = /;\s*charset="?([^\s";]+)/i.exec(contentType ?? "")?.[1] ?? "utf-8";
  try {
    return { body: new TextDecoder(charset, { fatal: true }).decode(bytes) };
  } catch {
    return { base64: bytes.toString("base64") }; // no text in that charset, or a charset that nobody knows
  }
}
