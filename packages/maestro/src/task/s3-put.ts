import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Digest } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { inputPath } from "./define.ts";
import { unreadable } from "./json-file.ts";
import { DEFAULT_GET_BYTES, DEFAULT_PART_BYTES, MAX_PARTS } from "./s3-description.ts";
import { discard, readXml, send } from "./s3-request.ts";
import type { Store, StoreRequest } from "./s3-request.ts";
import { escapeXml, textOf } from "./s3-xml.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

export interface Lock {
  readonly mode?: "GOVERNANCE" | "COMPLIANCE";
  readonly retainUntil?: string;
  readonly legalHold?: boolean;
}

export interface Put {
  readonly key: string;
  readonly file?: string;
  readonly text?: string;
  readonly json?: JsonValue;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly ifNoneMatch?: "*";
  readonly ifMatch?: string;
  readonly sha256?: Digest;
  readonly partBytes?: number;
  readonly maxBytes?: number;
  readonly lock?: Lock;
}

/** What is sent: bytes, or a file from which parts can be read again. Digests are hex. */
interface Content {
  readonly length: number;
  readonly sha256: string;
  readonly parts: readonly Part[];
}

interface Part {
  readonly length: number;
  readonly sha256: string;
  open(): Uint8Array | ReturnType<typeof createReadStream>;
}

/** How long taking an upload back may last, whatever made it end. */
const ABORT_TIMEOUT_MS = 10_000;

export function putProblems({ file, text, json, ifMatch, ifNoneMatch }: Put): readonly string[] {
  return [
    ...([file, text, json].filter((given) => given !== undefined).length === 1
      ? []
      : ["put: give exactly one of `file`, `text` and `json`"]),
    ...(ifMatch !== undefined && ifNoneMatch !== undefined ? ["put: `ifMatch` or `ifNoneMatch`, not both"] : []),
  ];
}

export async function putObject(
  store: Store,
  put: Put,
  context: TaskContext,
  signal: AbortSignal,
): Promise<JsonObject> {
  const content = await contentOf(put, context, signal);
  if (put.sha256 !== undefined && put.sha256 !== `sha256:${content.sha256}`)
    throw new TaskFailure({
      code: "CHECKSUM",
      message: `${put.file ?? "The content"} is sha256:${content.sha256}, and the input says ${put.sha256}. Nothing was sent.`,
      final: true,
    });
  const stored =
    content.parts.length === 1
      ? await putWhole(store, put, content, signal)
      : await putInParts(store, put, content, context, signal);
  context.emit({
    kind: "log",
    stream: "info",
    bytes: `Stored ${store.bucket}/${put.key}, ${content.length} bytes in ${content.parts.length} parts\n`,
  });
  return {
    key: put.key,
    bytes: content.length,
    digest: `sha256:${content.sha256}`,
    parts: content.parts.length,
    ...stored,
  };
}

async function putWhole(store: Store, put: Put, { parts }: Content, signal: AbortSignal): Promise<JsonObject> {
  const [part] = parts;
  if (part === undefined) throw new Error("content without a part");
  const request: StoreRequest = {
    method: "PUT",
    key: put.key,
    headers: { ...objectHeaders(put, part.sha256), ...conditions(put), "x-amz-checksum-sha256": base64(part.sha256) },
    body: { bytes: part.open(), length: part.length, sha256: part.sha256 },
  };
  return send(store, request, signal, async (answer) => {
    await discard(answer, signal);
    agree(answer.headers["x-amz-checksum-sha256"], base64(part.sha256), put.key);
    return named({ etag: answer.headers["etag"], versionId: answer.headers["x-amz-version-id"] });
  });
}

async function putInParts(
  store: Store,
  put: Put,
  { parts, sha256 }: Content,
  context: TaskContext,
  signal: AbortSignal,
): Promise<JsonObject> {
  const { key } = put;
  const begin: StoreRequest = {
    method: "POST",
    key,
    query: { uploads: "" },
    headers: {
      ...objectHeaders(put, sha256),
      "x-amz-checksum-algorithm": "SHA256",
      "x-amz-checksum-type": "COMPOSITE",
    },
  };
  const uploadId = await send(store, begin, signal, async (answer) => {
    const where = `POST ${store.bucket}/${key}`;
    const id = textOf(await readXml(answer, "InitiateMultipartUploadResult", where, signal), "UploadId");
    if (id !== undefined && id !== "") return id;
    throw new TaskFailure({ code: "S3", message: `${where} began an upload without giving it an id.` });
  });
  try {
    const etags: string[] = [];
    for (const [index, part] of parts.entries()) {
      etags.push(await putPart(store, key, { uploadId, number: index + 1 }, part, signal));
      context.emit({ kind: "progress", done: index + 1, total: parts.length });
    }
    return await complete(store, put, { uploadId, etags, parts }, signal);
  } catch (thrown) {
    await takeBack(store, key, uploadId, context);
    throw thrown;
  }
}

async function putPart(
  store: Store,
  key: string,
  { uploadId, number }: { readonly uploadId: string; readonly number: number },
  part: Part,
  signal: AbortSignal,
): Promise<string> {
  const request: StoreRequest = {
    method: "PUT",
    key,
    query: { partNumber: String(number), uploadId },
    headers: { "x-amz-checksum-sha256": base64(part.sha256) },
    body: { bytes: part.open(), length: part.length, sha256: part.sha256 },
  };
  return send(store, request, signal, async (answer) => {
    await discard(answer, signal);
    agree(answer.headers["x-amz-checksum-sha256"], base64(part.sha256), `${key}, part ${number}`);
    const { etag } = answer.headers;
    if (etag !== undefined) return etag;
    throw new TaskFailure({ code: "S3", message: `${store.bucket}/${key}: part ${number} was taken without an ETag.` });
  });
}

async function complete(
  store: Store,
  put: Put,
  {
    uploadId,
    etags,
    parts,
  }: { readonly uploadId: string; readonly etags: readonly string[]; readonly parts: readonly Part[] },
  signal: AbortSignal,
): Promise<JsonObject> {
  const list = parts.map(
    ({ sha256 }, i) =>
      `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXml(etags[i] ?? "")}</ETag><ChecksumSHA256>${base64(sha256)}</ChecksumSHA256></Part>`,
  );
  const body = Buffer.from(
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join("")}</CompleteMultipartUpload>`,
  );
  const request: StoreRequest = {
    method: "POST",
    key: put.key,
    query: { uploadId },
    headers: { "content-type": "application/xml", ...conditions(put) },
    body: { bytes: body, length: body.length, sha256: createHash("sha256").update(body).digest("hex") },
  };
  return send(store, request, signal, async (answer) => {
    const where = `POST ${store.bucket}/${put.key}`;
    const result = await readXml(answer, "CompleteMultipartUploadResult", where, signal);
    // The checksum of a whole that came in parts is that of their checksums, and their number.
    const sums = Buffer.concat(parts.map(({ sha256 }) => Buffer.from(sha256, "hex")));
    const sum = createHash("sha256").update(sums).digest("base64");
    agree(textOf(result, "ChecksumSHA256")?.replace(/-\d+$/, ""), sum, put.key);
    return named({ etag: textOf(result, "ETag"), versionId: answer.headers["x-amz-version-id"] });
  });
}

/** Parts of an upload that is never completed would be paid for until somebody finds them. */
async function takeBack(store: Store, key: string, uploadId: string, context: TaskContext): Promise<void> {
  const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS);
  try {
    await send(store, { method: "DELETE", key, query: { uploadId } }, signal, (answer) => discard(answer, signal));
  } catch (thrown) {
    // The failure that led here is the one to report; this one is told in the log.
    const bytes = `The upload ${uploadId} of ${key} could not be taken back: ${messageOf(thrown)}\n`;
    context.emit({ kind: "log", stream: "info", bytes });
  }
}

async function contentOf(put: Put, context: TaskContext, signal: AbortSignal): Promise<Content> {
  const limit = put.maxBytes ?? DEFAULT_GET_BYTES;
  if (put.file === undefined) {
    const bytes = Buffer.from(put.text ?? JSON.stringify(put.json));
    refuseLarge(bytes.length, limit, "The content");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { length: bytes.length, sha256, parts: [{ length: bytes.length, sha256, open: () => bytes }] };
  }
  const path = inputPath(context, put.file);
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => Promise.reject(unreadable(path, cause)));
  if (!found.isFile()) throw new TaskFailure({ code: "INPUT_INVALID", message: `${path} is not a file.`, final: true });
  refuseLarge(found.size, limit, path);
  const partBytes = Math.max(put.partBytes ?? DEFAULT_PART_BYTES, Math.ceil(found.size / MAX_PARTS));
  return readDigests(path, found.size, partBytes, signal);
}

/** One reading for all digests: of the whole, and of each part. */
async function readDigests(path: string, size: number, partBytes: number, signal: AbortSignal): Promise<Content> {
  const whole = createHash("sha256");
  const parts: Part[] = [];
  for (let start = 0; start === 0 || start < size; start += partBytes) {
    const length = Math.min(partBytes, size - start);
    // `end` is inclusive, and a file of no bytes has none.
    const open = (): Uint8Array | ReturnType<typeof createReadStream> =>
      length === 0 ? Buffer.alloc(0) : createReadStream(path, { start, end: start + length - 1 });
    const hash = createHash("sha256");
    if (length > 0)
      for await (const chunk of createReadStream(path, {
        start,
        end: start + length - 1,
        signal,
      }) as AsyncIterable<Buffer>) {
        hash.update(chunk);
        whole.update(chunk);
      }
    parts.push({ length, sha256: hash.digest("hex"), open });
  }
  return { length: size, sha256: whole.digest("hex"), parts };
}

function refuseLarge(bytes: number, limit: number, what: string): void {
  if (bytes <= limit) return;
  throw new TaskFailure({
    code: "TOO_LARGE",
    message: `${what} has ${bytes} bytes; at most ${limit} are sent. Raise \`maxBytes\` if it is meant.`,
    final: true,
  });
}

function objectHeaders(put: Put, sha256: string): Readonly<Record<string, string>> {
  const given = Object.entries(put.metadata ?? {}).map(([name, value]) => [`x-amz-meta-${name}`, value] as const);
  const type =
    put.file === undefined
      ? put.text === undefined
        ? "application/json"
        : "text/plain; charset=utf-8"
      : "application/octet-stream";
  return {
    ...Object.fromEntries(given),
    "x-amz-meta-maestro-sha256": sha256,
    "content-type": put.contentType ?? type,
    ...lockHeaders(put.lock),
  };
}

export function lockHeaders({ mode, retainUntil, legalHold }: Lock = {}): Readonly<Record<string, string>> {
  return {
    ...(mode === undefined ? {} : { "x-amz-object-lock-mode": mode }),
    ...(retainUntil === undefined
      ? {}
      : { "x-amz-object-lock-retain-until-date": new Date(retainUntil).toISOString() }),
    ...(legalHold === undefined ? {} : { "x-amz-object-lock-legal-hold": legalHold ? "ON" : "OFF" }),
  };
}

function conditions({ ifMatch, ifNoneMatch }: Put): Readonly<Record<string, string>> {
  return {
    ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch }),
  };
}

/** What the store computed from what it got, where it says so. */
function agree(found: string | undefined, expected: string, what: string): void {
  if (found === undefined || found === expected) return;
  throw new TaskFailure({
    code: "CHECKSUM",
    message: `The store has ${what} with the checksum ${found.slice(0, 100)}, and what was sent has ${expected}. Send it again.`,
  });
}

/** The members that are there. */
export function named(members: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function base64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}
