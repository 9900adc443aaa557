import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { parametersOf, refuseSignature } from "./s3-signature.ts";
import type { Keys, Refusal } from "./s3-signature.ts";

export interface Stored {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly versionId: string;
  readonly checksum: string;
  /** Content type, metadata and lock, as they came. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface S3Server extends AsyncDisposable {
  readonly port: number;
  /** By bucket and key: `bucket/key`. */
  readonly objects: Map<string, Stored>;
  /** Uploads that were neither completed nor taken back. */
  readonly uploads: Map<string, Upload>;
  /** Method, path and query of every request that was rightly signed. */
  readonly seen: string[];
  /** Whether the bucket locks objects. */
  objectLock: boolean;
  /** Asked first; who answers here ends the request. */
  intervene: ((request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean) | undefined;
}

interface Upload {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Stored>;
}

/** A request as S3 sees it. */
interface Call {
  readonly method: string;
  /** `bucket/key`, decoded; the key is empty for the bucket itself. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly xml?: string;
  readonly bytes?: Buffer;
}

const MIN_PART = 5 * 1024 * 1024;

/**
 * A small S3 on a free port, with one bucket, and stricter than S3: every signature is computed anew, every byte that
 * came is hashed, and what S3's documents do not know is refused. Host names under `.s3.test` are of the virtual style.
 */
export async function s3Server(keys: Keys, bucket = "evidence"): Promise<S3Server> {
  const objects = new Map<string, Stored>();
  const uploads = new Map<string, Upload>();
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const handle = async (): Promise<void> => {
      const body = await buffer(request);
      const refused = refuseSignature(request, keys) ?? refuseBody(request, body);
      if (refused !== undefined) return reply(response, request, errorReply(refused));
      seen.push(`${request.method} ${request.url}`);
      if (own.intervene?.(request, response, body) === true) return;
      reply(response, request, answer(callOf(request, body), { objects, uploads, bucket, objectLock: own.objectLock }));
    };
    handle().catch((error: unknown) => {
      // A client that went away in the middle is its own affair.
      if (!request.destroyed) throw error;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const own: S3Server = {
    port: (server.address() as AddressInfo).port,
    objects,
    uploads,
    seen,
    objectLock: true,
    intervene: undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return own;
}

/** Sends an error in S3's shape. */
export function refuse(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { "content-type": "application/xml" })
    .end(errorReply({ status, code, message: "told to" }).xml);
}

function refuseBody(request: IncomingMessage, body: Buffer): Refusal | undefined {
  const header = (name: string): string | undefined => request.headers[name] as string | undefined;
  if (request.method === "PUT" && header("content-length") === undefined)
    return { status: 411, code: "MissingContentLength", message: "a length is needed" };
  if (header("x-amz-content-sha256") !== sha256(body).toString("hex"))
    return { status: 400, code: "XAmzContentSHA256Mismatch", message: "the body is not what was signed" };
  const checksum = header("x-amz-checksum-sha256");
  if (checksum !== undefined && checksum !== sha256(body).toString("base64"))
    return { status: 400, code: "BadDigest", message: "the checksum does not match" };
  return undefined;
}

function callOf(request: IncomingMessage, body: Buffer): Call {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const host = /^([^:]+)\.s3\.test(?::|$)/.exec(request.headers.host ?? "")?.[1];
  const decoded = path.slice(1).split("/").map(decodeURIComponent).join("/");
  return {
    method: request.method ?? "",
    path: host === undefined ? decoded : `${host}/${decoded}`,
    query: new Map(parametersOf(query)),
    headers: request.headers as Record<string, string>,
    body,
  };
}

type State = Pick<S3Server, "objects" | "uploads" | "objectLock"> & { readonly bucket: string };

function answer(call: Call, state: State): Reply {
  const [bucket = "", ...rest] = call.path.split("/");
  if (bucket !== state.bucket) return errorReply({ status: 404, code: "NoSuchBucket", message: "no such bucket" });
  if (rest.join("/") === "" && call.query.has("object-lock")) return lockConfiguration(state);
  if (rest.join("/") === "") return call.method === "GET" ? list(call, state) : notAllowed();
  if (call.method === "POST" && call.query.has("uploads")) return beginUpload(call, state);
  if (call.query.has("uploadId")) return continueUpload(call, state);
  if (call.method === "PUT")
    return call.headers["x-amz-copy-source"] === undefined ? put(call, state) : copy(call, state);
  if (call.method === "GET" || call.method === "HEAD") return get(call, state);
  if (call.method === "DELETE") return remove(call, state);
  return notAllowed();
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html */
function lockConfiguration({ objectLock }: State): Reply {
  if (!objectLock)
    return errorReply({
      status: 404,
      code: "ObjectLockConfigurationNotFoundError",
      message: "Object Lock configuration does not exist for this bucket",
    });
  return {
    status: 200,
    xml: '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
  };
}

function put(call: Call, { objects, objectLock }: State): Reply {
  const refused = refuseCondition(call, objects) ?? refuseLock(call) ?? refuseLockHere(call, objectLock);
  if (refused !== undefined) return errorReply(refused);
  const stored = store(call.body, keptHeaders(call), `"${md5(call.body)}"`, sha256(call.body).toString("base64"));
  objects.set(call.path, stored);
  return {
    status: 200,
    headers: { etag: stored.etag, "x-amz-version-id": stored.versionId, "x-amz-checksum-sha256": stored.checksum },
  };
}

function copy(call: Call, { objects }: State): Reply {
  const [source = "", version] = (call.headers["x-amz-copy-source"] ?? "").replace(/^\//, "").split("?versionId=");
  const found = objects.get(decodeURIComponent(source));
  if (found === undefined || (version !== undefined && version !== found.versionId)) return noSuchKey();
  const condition = call.headers["x-amz-copy-source-if-match"];
  if (condition !== undefined && condition !== found.etag) return preconditionFailed();
  const copied = store(found.bytes, { ...found.headers, ...lockOf(call) }, found.etag, found.checksum);
  objects.set(call.path, copied);
  return {
    status: 200,
    headers: { "x-amz-version-id": copied.versionId },
    xml: `<CopyObjectResult><LastModified>2026-11-21T08:00:00.000Z</LastModified><ETag>${escape(copied.etag)}</ETag></CopyObjectResult>`,
  };
}

function get(call: Call, { objects }: State): Reply {
  const found = objects.get(call.path);
  if (found === undefined || (call.query.has("versionId") && call.query.get("versionId") !== found.versionId))
    return noSuchKey();
  if (call.headers["if-match"] !== undefined && call.headers["if-match"] !== found.etag) return preconditionFailed();
  const facts = {
    ...found.headers,
    etag: found.etag,
    "x-amz-version-id": found.versionId,
    "last-modified": "Sat, 21 Nov 2026 08:00:00 GMT",
    ...(call.headers["x-amz-checksum-mode"] === "ENABLED" && call.headers["range"] === undefined
      ? { "x-amz-checksum-sha256": found.checksum }
      : {}),
  };
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(call.headers["range"] ?? "") ?? [];
  if (from === undefined) return { status: 200, headers: facts, bytes: found.bytes };
  const end = to === "" ? found.bytes.length - 1 : Math.min(Number(to), found.bytes.length - 1);
  if (Number(from) > end)
    return errorReply({ status: 416, code: "InvalidRange", message: "the range is not satisfiable" });
  return {
    status: 206,
    headers: { ...facts, "content-range": `bytes ${from}-${end}/${found.bytes.length}` },
    bytes: found.bytes.subarray(Number(from), end + 1),
  };
}

function remove(call: Call, { objects }: State): Reply {
  const found = objects.get(call.path);
  const version = call.query.get("versionId");
  if (version === undefined) {
    objects.delete(call.path);
    return { status: 204, headers: { "x-amz-delete-marker": "true", "x-amz-version-id": randomUUID() } };
  }
  const until = found?.headers["x-amz-object-lock-retain-until-date"];
  if (
    found?.headers["x-amz-object-lock-legal-hold"] === "ON" ||
    (until !== undefined && Date.parse(until) > Date.now())
  )
    return errorReply({ status: 403, code: "AccessDenied", message: "the object is locked" });
  objects.delete(call.path);
  return { status: 204, headers: { "x-amz-version-id": version } };
}

function list({ query }: Call, { objects, bucket }: State): Reply {
  const known = ["list-type", "encoding-type", "prefix", "delimiter", "start-after", "max-keys", "continuation-token"];
  const other = [...query.keys()].find((name) => !known.includes(name));
  if (other !== undefined || query.get("list-type") !== "2")
    return errorReply({ status: 400, code: "InvalidArgument", message: `${other}` });
  const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter")];
  const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
  const max = Math.min(Number(query.get("max-keys") ?? 1000), 1000);
  const encode = (text: string): string =>
    query.get("encoding-type") === "url" ? encodeURIComponent(text).replaceAll("%20", "+") : escape(text);
  const names = [...objects.keys()].flatMap((path) =>
    path.startsWith(`${bucket}/${prefix}`) ? [path.slice(bucket.length + 1)] : [],
  );
  const entries = new Map<string, string>();
  for (const name of names.sort()) {
    const cut = delimiter === undefined ? -1 : name.indexOf(delimiter, prefix.length);
    const shown = cut === -1 ? name : name.slice(0, cut + (delimiter ?? "").length);
    const stored = objects.get(`${bucket}/${name}`)!;
    const xml =
      cut === -1
        ? `<Contents><Key>${encode(name)}</Key><LastModified>2026-11-21T08:00:00.000Z</LastModified><ETag>${escape(stored.etag)}</ETag><Size>${stored.bytes.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
        : `<CommonPrefixes><Prefix>${encode(shown)}</Prefix></CommonPrefixes>`;
    if (shown > after) entries.set(shown, xml);
  }
  const page = [...entries].slice(0, max);
  const more = entries.size > max;
  const next = more ? `<NextContinuationToken>${escape(page.at(-1)?.[0] ?? "")}</NextContinuationToken>` : "";
  return {
    status: 200,
    xml: `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${bucket}</Name><KeyCount>${page.length}</KeyCount><MaxKeys>${max}</MaxKeys>${query.has("encoding-type") ? "<EncodingType>url</EncodingType>" : ""}<IsTruncated>${more}</IsTruncated>${next}${page.map(([, xml]) => xml).join("")}</ListBucketResult>`,
  };
}

function beginUpload(call: Call, { uploads }: State): Reply {
  const refused = refuseLock(call);
  if (refused !== undefined) return errorReply(refused);
  if (call.headers["x-amz-checksum-algorithm"] !== "SHA256")
    return errorReply({ status: 400, code: "InvalidRequest", message: "parts must have checksums" });
  const id = `${randomUUID()}+/=&`;
  uploads.set(id, { path: call.path, headers: keptHeaders(call), parts: new Map() });
  return {
    status: 200,
    xml: `<InitiateMultipartUploadResult><Bucket>evidence</Bucket><Key>${escape(call.path)}</Key><UploadId>${escape(id)}</UploadId></InitiateMultipartUploadResult>`,
  };
}

function continueUpload(call: Call, state: State): Reply {
  const id = call.query.get("uploadId") ?? "";
  const upload = state.uploads.get(id);
  if (upload === undefined || upload.path !== call.path)
    return errorReply({ status: 404, code: "NoSuchUpload", message: "no such upload" });
  if (call.method === "DELETE") {
    state.uploads.delete(id);
    return { status: 204 };
  }
  if (call.method === "PUT") {
    const part = store(call.body, {}, `"${md5(call.body)}"`, sha256(call.body).toString("base64"));
    if (call.headers["x-amz-checksum-sha256"] === undefined)
      return errorReply({ status: 400, code: "InvalidRequest", message: "a part without its checksum" });
    upload.parts.set(Number(call.query.get("partNumber")), part);
    return { status: 200, headers: { etag: part.etag, "x-amz-checksum-sha256": part.checksum } };
  }
  const refused = refuseCondition(call, state.objects);
  if (refused !== undefined) return errorReply(refused);
  const named = [
    ...call.body
      .toString("utf8")
      .matchAll(
        /<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag><ChecksumSHA256>([^<]*)<\/ChecksumSHA256><\/Part>/g,
      ),
  ];
  const parts = named.map(([, number, etag = "", checksum], i) => {
    const part = upload.parts.get(Number(number));
    return part?.etag === etag.replaceAll("&quot;", '"') && part.checksum === checksum && Number(number) === i + 1
      ? part
      : undefined;
  });
  const whole = parts.filter((part) => part !== undefined);
  if (whole.length === 0 || whole.length !== upload.parts.size || whole.length !== parts.length)
    return errorReply({ status: 400, code: "InvalidPart", message: "a part is missing or another" });
  if (whole.slice(0, -1).some((part) => part.bytes.length < MIN_PART))
    return errorReply({ status: 400, code: "EntityTooSmall", message: "a part is too small" });
  const checksum = `${sha256(Buffer.concat(whole.map((part) => Buffer.from(part.checksum, "base64")))).toString("base64")}-${whole.length}`;
  const etag = `"${md5(Buffer.concat(whole.map((part) => Buffer.from(part.etag.slice(1, -1), "hex"))))}-${whole.length}"`;
  const stored = store(Buffer.concat(whole.map((part) => part.bytes)), upload.headers, etag, checksum);
  state.objects.set(call.path, stored);
  state.uploads.delete(id);
  return {
    status: 200,
    headers: { "x-amz-version-id": stored.versionId },
    xml: `<CompleteMultipartUploadResult><ETag>${escape(etag)}</ETag><ChecksumSHA256>${checksum}</ChecksumSHA256></CompleteMultipartUploadResult>`,
  };
}

function refuseCondition({ headers, path }: Call, objects: ReadonlyMap<string, Stored>): Refusal | undefined {
  const found = objects.get(path);
  const failed = { status: 412, code: "PreconditionFailed", message: "the condition does not hold" };
  if (headers["if-none-match"] !== undefined && (headers["if-none-match"] !== "*" || found !== undefined))
    return failed;
  if (headers["if-match"] === undefined) return undefined;
  if (found === undefined) return { status: 404, code: "NoSuchKey", message: "there is nothing to match" };
  return headers["if-match"] === found.etag ? undefined : failed;
}

function refuseLock({ headers }: Call): Refusal | undefined {
  const [mode, until] = [headers["x-amz-object-lock-mode"], headers["x-amz-object-lock-retain-until-date"]];
  const wrong =
    (mode === undefined) !== (until === undefined) || (until !== undefined && Number.isNaN(Date.parse(until)));
  return wrong ? { status: 400, code: "InvalidArgument", message: "mode and date go together" } : undefined;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html */
function refuseLockHere({ headers }: Call, objectLock: boolean): Refusal | undefined {
  const locks = Object.keys(headers).some((name) => name.startsWith("x-amz-object-lock-"));
  if (!locks) return undefined;
  const until = headers["x-amz-object-lock-retain-until-date"];
  const mode = headers["x-amz-object-lock-mode"];
  const hold = headers["x-amz-object-lock-legal-hold"];
  if (!objectLock)
    return { status: 400, code: "InvalidRequest", message: "Bucket is missing Object Lock Configuration" };
  if (headers["x-amz-checksum-sha256"] === undefined && headers["content-md5"] === undefined)
    return {
      status: 400,
      code: "InvalidRequest",
      message:
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
    };
  if (mode !== undefined && !["GOVERNANCE", "COMPLIANCE"].includes(mode))
    return { status: 400, code: "InvalidArgument", message: "Unknown wormMode directive." };
  if (hold !== undefined && !["ON", "OFF"].includes(hold))
    return { status: 400, code: "InvalidArgument", message: "Legal Hold must be either of 'ON' or 'OFF'" };
  if (until !== undefined && Date.parse(until) <= Date.now())
    return { status: 400, code: "InvalidArgument", message: "The retain until date must be in the future!" };
  return undefined;
}

function keptHeaders(call: Call): Readonly<Record<string, string>> {
  const metadata = Object.entries(call.headers).filter(
    ([name]) => name.startsWith("x-amz-meta-") || name === "content-type",
  );
  return { ...Object.fromEntries(metadata), ...lockOf(call) };
}

function lockOf({ headers }: Call): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-amz-object-lock-")));
}

function store(bytes: Buffer, headers: Readonly<Record<string, string>>, etag: string, checksum: string): Stored {
  return { bytes, headers, etag, checksum, versionId: randomUUID() };
}

function reply(response: ServerResponse, request: IncomingMessage, { status, headers, xml, bytes }: Reply): void {
  const body =
    xml === undefined ? (bytes ?? Buffer.alloc(0)) : Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`);
  const type = xml === undefined ? {} : { "content-type": "application/xml" };
  response.writeHead(status, { "x-amz-request-id": "REQ1", "content-length": body.length, ...type, ...headers });
  response.end(request.method === "HEAD" || status === 204 ? undefined : body);
}

function errorReply({ status, code, message }: Refusal): Reply & { readonly xml: string } {
  return {
    status,
    xml: `<Error><Code>${code}</Code><Message>${escape(message)}</Message><RequestId>REQ1</RequestId></Error>`,
  };
}

function noSuchKey(): Reply {
  return errorReply({ status: 404, code: "NoSuchKey", message: "no such key" });
}

function preconditionFailed(): Reply {
  return errorReply({ status: 412, code: "PreconditionFailed", message: "the condition does not hold" });
}

function notAllowed(): Reply {
  return errorReply({ status: 405, code: "MethodNotAllowed", message: "not allowed here" });
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function md5(bytes: Buffer): string {
  return createHash("md5").update(bytes).digest("hex");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
