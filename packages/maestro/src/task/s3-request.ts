import type { Readable } from "node:stream";
import type { JsonObject } from "../core/json.ts";
import { readBody } from "./http-body.ts";
import type { Resolve } from "./http-admit.ts";
import { exchange, explainExchange } from "./http-exchange.ts";
import type { Incoming } from "./http-exchange.ts";
import { XmlError, parseXml, textOf } from "./s3-xml.ts";
import type { Element } from "./s3-xml.ts";
import { TaskFailure } from "./task.ts";

/** A bucket, and how to speak to it. */
export interface Store {
  readonly endpoint: URL;
  readonly region: string;
  readonly style: "path" | "virtual";
  readonly bucket: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  readonly resolve: Resolve;
  readonly allowPrivate: readonly string[];
  now(): number;
}

export interface StoreRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Without one the request is to the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: {
    readonly bytes: Uint8Array | Readable;
    readonly length: number;
    /** sha256, in hex. */
    readonly sha256: string;
  };
}

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
export const MAX_XML_BYTES = 8 * 1024 * 1024;

/** Signs a request, sends it, and lets `read` take the answer if its status is 2xx. Anything else is a TaskFailure. */
export async function send<T>(
  store: Store,
  request: StoreRequest,
  signal: AbortSignal,
  read: (answer: Incoming) => Promise<T>,
): Promise<T> {
  const where = `${request.method} ${store.bucket}/${request.key ?? ""}`;
  const url = urlOf(store, request);
  const headers = await signed(store, url, request);
  try {
    const outgoing = { url, method: request.method, headers, body: request.body?.bytes ?? null };
    return await exchange(outgoing, { ...store, signal }, async (answer) => {
      if (answer.status >= 200 && answer.status < 300) return await read(answer);
      throw await refusal(answer, where, signal);
    });
  } catch (thrown) {
    throw explainExchange(thrown, where);
  }
}

/** An answer without content that matters. */
export async function discard({ body, headers }: Incoming, signal: AbortSignal): Promise<void> {
  await readBody(body, headers["content-encoding"], { maxBytes: MAX_XML_BYTES, signal });
}

/** An answer that is one XML element named `name`. A 200 may hold an error all the same: that is its failure. */
export async function readXml(answer: Incoming, name: string, where: string, signal: AbortSignal): Promise<Element> {
  const bytes = await readBody(answer.body, answer.headers["content-encoding"], { maxBytes: MAX_XML_BYTES, signal });
  const element = parsed(bytes.toString("utf8"));
  if (element?.name === name) return element;
  if (element?.name === "Error") throw failureOf(element, answer, where);
  throw new TaskFailure({
    code: "S3",
    message: `${where} answered with something else than ${name}. Is this a store that speaks S3?`,
  });
}

function urlOf({ endpoint, style, bucket }: Store, { key, query = {} }: StoreRequest): URL {
  const url = new URL(endpoint);
  if (style === "virtual") url.hostname = `${bucket}.${url.hostname}`;
  const path = style === "path" ? [bucket] : [];
  url.pathname = `/${[...path, ...(key === undefined ? [] : [key])].map(encodePath).join("/")}`;
  // Not by URLSearchParams, which writes a space as a plus sign.
  const parameters = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  url.search = parameters.join("&");
  return url;
}

/** A name as it stands in a path or in `x-amz-copy-source`. */
export function encodePath(text: string): string {
  return text.split("/").map(encode).join("/");
}

/** RFC 3986, as signatures want it. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function signed(
  store: Store,
  url: URL,
  { method, headers = {}, body }: StoreRequest,
): Promise<Record<string, string>> {
  const { AwsV4Signer } = await import("aws4fetch");
  const { accessKeyId, secretAccessKey, sessionToken } = store.credentials;
  const signer = new AwsV4Signer({
    method,
    url: url.href,
    headers: { ...headers, "x-amz-content-sha256": body?.sha256 ?? EMPTY_SHA256 },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: "s3",
    region: store.region,
    datetime: new Date(store.now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
  });
  const { headers: all } = await signer.sign();
  return {
    "user-agent": "maestro/1",
    ...Object.fromEntries(all),
    ...(body === undefined
      ? method === "PUT" || method === "POST"
        ? { "content-length": "0" }
        : {}
      : { "content-length": String(body.length) }),
  };
}

async function refusal(answer: Incoming, where: string, signal: AbortSignal): Promise<TaskFailure> {
  const bytes = await readBody(answer.body, answer.headers["content-encoding"], { maxBytes: MAX_XML_BYTES, signal });
  return failureOf(parsed(bytes.toString("utf8")), answer, where);
}

function parsed(text: string): Element | undefined {
  try {
    return parseXml(text);
  } catch (thrown) {
    // A proxy in between may answer with anything; the status says what there is to say.
    if (thrown instanceof XmlError) return undefined;
    throw thrown;
  }
}

/** S3's own codes that mean: later. */
const LATER = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "InternalError",
  "RequestTimeout",
  "TooManyRequests",
  "OperationAborted",
]);
const DENIED = new Set([
  "AccessDenied",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
  "RequestTimeTooSkewed",
  "AuthorizationHeaderMalformed",
]);
const MISSING = new Set(["NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NoSuchUpload"]);
const DAMAGED = new Set(["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest"]);

function failureOf(element: Element | undefined, { status, headers }: Incoming, where: string): TaskFailure {
  const code = (element === undefined ? undefined : textOf(element, "Code")) ?? "";
  const said = shownText((element === undefined ? undefined : textOf(element, "Message")) ?? "");
  const requestId = headers["x-amz-request-id"] ?? (element === undefined ? undefined : textOf(element, "RequestId"));
  const details: JsonObject = {
    status,
    ...(code === "" ? {} : { code: shownText(code) }),
    ...(requestId === undefined ? {} : { requestId: shownText(requestId) }),
    ...(headers["retry-after"] === undefined ? {} : { retryAfter: headers["retry-after"] }),
  };
  const what = `${where} answered ${status}${code === "" ? "" : ` ${shownText(code)}`}${said === "" ? "" : `: ${said.replace(/\.$/, "")}`}.`;
  const failure = (name: string, advice: string, final: boolean): TaskFailure =>
    new TaskFailure({ code: name, message: `${what} ${advice}`, details, ...(final ? { final } : {}) });
  if (LATER.has(code) || (status >= 500 && code !== "NotImplemented") || status === 429 || status === 408)
    return failure("UNAVAILABLE", "It may work later.", false);
  if (DAMAGED.has(code))
    return failure("CHECKSUM", "What arrived is not what was sent; did the file change meanwhile?", false);
  if (code === "ConditionalRequestConflict" || (status === 409 && code === ""))
    return failure("PRECONDITION", "Another writer was at work at the same time.", false);
  if (status === 412 || status === 304)
    return failure("PRECONDITION", "The object is not as the condition says; look at it before you go on.", true);
  if (DENIED.has(code) || status === 401 || status === 403)
    return failure("ACCESS_DENIED", "Check the credentials, the region, their rights, and this machine's clock.", true);
  if (MISSING.has(code) || status === 404) return failure("NOT_FOUND", "Check the bucket and the key.", true);
  if (status >= 300 && status < 400) {
    const region = headers["x-amz-bucket-region"];
    return failure(
      "S3",
      `The bucket is elsewhere${region === undefined ? "" : `, in ${shownText(region)}`}; set \`endpoint\` and \`region\`.`,
      true,
    );
  }
  return failure("S3", "See what S3 says about this code.", status >= 400);
}

function shownText(text: string): string {
  return text
    .replaceAll(/[\p{C}\s]+/gu, " ")
    .trim()
    .slice(0, 300)
    .toWellFormed();
}
