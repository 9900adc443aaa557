import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import type { Incoming } from "./http-exchange.ts";
import { pathWithin } from "./row-writer.ts";
import { DEFAULT_GET_BYTES } from "./s3-description.ts";
import { named } from "./s3-put.ts";
import { send } from "./s3-request.ts";
import type { Store } from "./s3-request.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext } from "./task.ts";

export interface Get {
  readonly key: string;
  readonly to: string;
  readonly versionId?: string;
  readonly range?: { readonly start: number; readonly end?: number };
  readonly ifMatch?: string;
  readonly sha256?: Digest;
  readonly maxBytes?: number;
}

export function getProblems({ to, range, sha256 }: Get, context: TaskContext): readonly string[] {
  return [
    ...(pathWithin(context.dir(), to) === undefined
      ? [`get.to: ${JSON.stringify(to)} leads out of the attempt's folder; give a relative path without ".."`]
      : []),
    ...(range?.end !== undefined && range.end < range.start ? ["get.range: it ends before it begins"] : []),
    ...(range !== undefined && sha256 !== undefined
      ? ["get: a range cannot be compared with `sha256`, which is of the whole"]
      : []),
  ];
}

export async function getObject(
  store: Store,
  get: Get,
  context: TaskContext,
  signal: AbortSignal,
): Promise<JsonObject> {
  const path = pathWithin(context.dir(), get.to);
  if (path === undefined) throw new Error("validate() let a path out of the folder through");
  await mkdir(dirname(path), { recursive: true });
  const { range, ifMatch, versionId } = get;
  const headers = {
    "x-amz-checksum-mode": "ENABLED",
    ...(range === undefined ? {} : { range: `bytes=${range.start}-${range.end ?? ""}` }),
    ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
  };
  const request = {
    method: "GET",
    key: get.key,
    headers,
    query: named({ versionId }) as Record<string, string>,
  } as const;
  return send(store, request, signal, async (answer) => {
    if (range !== undefined && answer.status !== 206)
      throw new TaskFailure({
        code: "S3",
        message: `GET ${store.bucket}/${get.key} answered with the whole object although a part was asked for. This store has no ranges; leave \`range\` out.`,
        final: true,
      });
    // Under its name only when it is whole and right.
    const partial = `${path}.partial`;
    try {
      const { bytes, sha256 } = await receive(answer, partial, get, store.bucket, signal);
      const verified = range === undefined ? verify(answer, get, sha256) : [];
      await rename(partial, path);
      context.emit({ kind: "log", stream: "info", bytes: `Fetched ${store.bucket}/${get.key}, ${bytes} bytes\n` });
      context.emit({ kind: "artifact", name: get.to, path });
      return { key: get.key, path, bytes, digest: `sha256:${sha256}`, verified: [...verified], ...factsOf(answer) };
    } finally {
      await rm(partial, { force: true });
    }
  });
}

async function receive(
  { body, headers }: Incoming,
  path: string,
  get: Get,
  bucket: string,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const maxBytes = get.maxBytes ?? DEFAULT_GET_BYTES;
  const where = `${bucket}/${get.key}`;
  const promised = headers["content-length"];
  const tooLarge = (): TaskFailure =>
    new TaskFailure({
      code: "TOO_LARGE",
      message: `${where} has more than ${maxBytes} bytes. Raise \`maxBytes\`, or fetch a part of it with \`range\`.`,
      final: true,
    });
  if (promised !== undefined && Number(promised) > maxBytes) throw tooLarge();
  const hash = createHash("sha256");
  let bytes = 0;
  const count = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge();
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(body, count, createWriteStream(path), { signal });
  return { bytes, sha256: hash.digest("hex") };
}

/** Compares with everything that says what it should be. */
function verify({ headers }: Incoming, get: Get, sha256: string): readonly string[] {
  const checksum = headers["x-amz-checksum-sha256"];
  const metadata = headers["x-amz-meta-maestro-sha256"];
  const said: readonly (readonly [string, string | undefined])[] = [
    ["input", get.sha256?.slice("sha256:".length)],
    // Of an object that came in parts it is not the checksum of the whole.
    [
      "checksum",
      checksum === undefined || checksum.includes("-") ? undefined : Buffer.from(checksum, "base64").toString("hex"),
    ],
    ["metadata", metadata !== undefined && /^[0-9a-f]{64}$/.test(metadata) ? metadata : undefined],
  ];
  for (const [name, expected] of said)
    if (expected !== undefined && expected !== sha256)
      throw new TaskFailure({
        code: "CHECKSUM",
        message: `${get.key} arrived as sha256:${sha256}, and ${SAYS[name] ?? name} sha256:${expected}. Nothing was kept. ${name === "input" ? "It is another object than you expect." : "Fetch it again; if that does not help, what is stored is damaged."}`,
        ...(name === "input" ? { final: true } : {}),
      });
  return said.flatMap(([name, expected]) => (expected === undefined ? [] : [name]));
}

const SAYS: Readonly<Record<string, string>> = {
  input: "the input says",
  checksum: "the store's checksum says",
  metadata: "its metadata say",
};

/** What headers tell about an object. */
export function factsOf({ headers }: Incoming): JsonObject {
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith("x-amz-meta-") ? [[name.slice("x-amz-meta-".length), value] as const] : [],
  );
  const hold = headers["x-amz-object-lock-legal-hold"];
  const lock = named({
    mode: headers["x-amz-object-lock-mode"],
    retainUntil: headers["x-amz-object-lock-retain-until-date"],
    legalHold: hold === undefined ? undefined : hold === "ON",
  });
  return named({
    etag: headers["etag"],
    versionId: headers["x-amz-version-id"],
    contentType: headers["content-type"],
    modified: headers["last-modified"],
    metadata: Object.fromEntries(metadata),
    lock: Object.keys(lock).length === 0 ? undefined : lock,
  });
}
