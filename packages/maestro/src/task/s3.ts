import type { JsonObject } from "../core/json.ts";
import { readCredential } from "./credential.ts";
import type { CredentialSource } from "./credential.ts";
import { task } from "./define.ts";
import { allowanceProblem, systemResolve, urlProblem } from "./http-admit.ts";
import type { Resolve } from "./http-admit.ts";
import { DEFAULT_LIST_LIMIT, DEFAULT_S3_TIMEOUT_MS, s3Description } from "./s3-description.ts";
import { factsOf, getObject, getProblems } from "./s3-get.ts";
import type { Get } from "./s3-get.ts";
import { lockHeaders, named, putObject, putProblems } from "./s3-put.ts";
import type { Lock, Put } from "./s3-put.ts";
import { discard, encodePath, readXml, send } from "./s3-request.ts";
import type { Store } from "./s3-request.ts";
import { childrenOf, textOf } from "./s3-xml.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";
import { prefixed } from "./webhook-target.ts";

interface Named {
  readonly key: string;
  readonly versionId?: string;
}

interface List {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly startAfter?: string;
  readonly limit?: number;
}

interface Copy {
  readonly from: Named & { readonly bucket?: string; readonly ifMatch?: string };
  readonly key: string;
  readonly lock?: Lock;
}

interface Input {
  readonly endpoint: string;
  readonly region?: string;
  readonly style?: "path" | "virtual";
  readonly bucket: string;
  readonly credentials: {
    readonly accessKeyId: CredentialSource;
    readonly secretAccessKey: CredentialSource;
    readonly sessionToken?: CredentialSource;
  };
  readonly put?: Put;
  readonly get?: Get;
  readonly head?: Named;
  readonly list?: List;
  readonly copy?: Copy;
  readonly delete?: Named;
  readonly timeoutMs?: number;
  readonly allowPrivate?: readonly string[];
}

/** What S3 gives at most in one page. */
const PAGE = 1000;

export const s3: TaskType = s3Type({ resolve: systemResolve });

/** The type with another way to resolve names. */
export function s3Type({ resolve }: { readonly resolve: Resolve }): TaskType {
  return {
    description: s3Description,
    init: (context) =>
      task<Input>({ check: (input) => problemsOf(input, context), work: (input) => execute(input, resolve, context) }),
  };
}

function problemsOf(input: Input, context: TaskContext): readonly string[] {
  const { put, get, head, copy, delete: gone, allowPrivate = [] } = input;
  const keys = [put?.key, get?.key, head?.key, copy?.key, copy?.from.key, gone?.key];
  return [
    ...prefixed("endpoint", endpointProblem(input.endpoint)),
    ...keys.flatMap((key) => (key === undefined ? [] : prefixed("key", keyProblem(key)))),
    ...(put === undefined ? [] : putProblems(put)),
    ...(get === undefined ? [] : getProblems(get, context)),
    ...allowPrivate.flatMap((entry) => prefixed("allowPrivate", allowanceProblem(entry))),
  ];
}

function endpointProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return `${JSON.stringify(text.slice(0, 200))} is not a URL`;
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    return `${JSON.stringify(text.slice(0, 200))} has a path or a query; give the service alone, and the bucket as \`bucket\``;
  return urlProblem(url);
}

function keyProblem(key: string): string | undefined {
  if (Buffer.byteLength(key) > 1024) return "it has more than 1024 bytes";
  // A URL would be shortened by them, so that another object would be meant.
  return key.split("/").some((part) => part === "." || part === "..")
    ? `${JSON.stringify(key)} has a part that is "." or ".."`
    : undefined;
}

async function execute(input: Input, resolve: Resolve, context: TaskContext): Promise<JsonObject> {
  const timeoutMs = input.timeoutMs ?? DEFAULT_S3_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([context.signal, timeout]);
  const store = await storeOf(input, resolve, context);
  try {
    return await carryOut(store, input, context, signal);
  } catch (thrown) {
    context.signal.throwIfAborted();
    if (!timeout.aborted) throw thrown;
    const message = `${store.endpoint.host} was not done within ${timeoutMs} ms. Raise \`timeoutMs\`, or see why it is slow.`;
    throw new TaskFailure({ code: "TIMEOUT", message }, { cause: thrown });
  }
}

async function storeOf(input: Input, resolve: Resolve, context: TaskContext): Promise<Store> {
  const { accessKeyId, secretAccessKey, sessionToken } = input.credentials;
  return {
    endpoint: new URL(input.endpoint),
    region: input.region ?? "us-east-1",
    style: input.style ?? "path",
    bucket: input.bucket,
    credentials: {
      accessKeyId: await readCredential(context, accessKeyId),
      secretAccessKey: await readCredential(context, secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: await readCredential(context, sessionToken) }),
    },
    resolve,
    allowPrivate: input.allowPrivate ?? [],
    now: () => context.now(),
  };
}

async function carryOut(store: Store, input: Input, context: TaskContext, signal: AbortSignal): Promise<JsonObject> {
  if (input.put !== undefined) return putObject(store, input.put, context, signal);
  if (input.get !== undefined) return getObject(store, input.get, context, signal);
  if (input.head !== undefined) return headObject(store, input.head, signal);
  if (input.list !== undefined) return listObjects(store, input.list, signal);
  if (input.copy !== undefined) return copyObject(store, input.copy, signal);
  if (input.delete !== undefined) return deleteObject(store, input.delete, signal);
  throw new Error("the schema let a request without an operation through");
}

async function headObject(store: Store, { key, versionId }: Named, signal: AbortSignal): Promise<JsonObject> {
  const request = { method: "HEAD", key, query: version(versionId) } as const;
  try {
    return await send(store, request, signal, async (answer) => ({
      key,
      found: true,
      bytes: Number(answer.headers["content-length"] ?? 0),
      ...factsOf(answer),
    }));
  } catch (thrown) {
    if (thrown instanceof TaskFailure && thrown.error.code === "NOT_FOUND") return { key, found: false };
    throw thrown;
  }
}

async function deleteObject(store: Store, { key, versionId }: Named, signal: AbortSignal): Promise<JsonObject> {
  return send(store, { method: "DELETE", key, query: version(versionId) }, signal, async (answer) => {
    await discard(answer, signal);
    const deleteMarker = answer.headers["x-amz-delete-marker"] === "true" ? true : undefined;
    return { key, ...named({ versionId: answer.headers["x-amz-version-id"], deleteMarker }) };
  });
}

async function copyObject(store: Store, { from, key, lock }: Copy, signal: AbortSignal): Promise<JsonObject> {
  const source = `/${encodePath(`${from.bucket ?? store.bucket}/${from.key}`)}`;
  const headers = {
    "x-amz-copy-source": from.versionId === undefined ? source : `${source}?versionId=${encodePath(from.versionId)}`,
    ...(from.ifMatch === undefined ? {} : { "x-amz-copy-source-if-match": from.ifMatch }),
    ...lockHeaders(lock),
  };
  return send(store, { method: "PUT", key, headers }, signal, async (answer) => {
    const result = await readXml(answer, "CopyObjectResult", `PUT ${store.bucket}/${key}`, signal);
    return { key, ...named({ etag: textOf(result, "ETag"), versionId: answer.headers["x-amz-version-id"] }) };
  });
}

async function listObjects(store: Store, list: List, signal: AbortSignal): Promise<JsonObject> {
  const { prefix = "", delimiter, startAfter, limit = DEFAULT_LIST_LIMIT } = list;
  const objects: JsonObject[] = [];
  const prefixes: string[] = [];
  let token: string | undefined;
  for (;;) {
    const room = limit - objects.length - prefixes.length;
    const parameters = {
      "list-type": "2",
      "encoding-type": "url",
      prefix,
      delimiter,
      "start-after": startAfter,
      "max-keys": String(Math.min(room, PAGE)),
      "continuation-token": token,
    };
    const query = named(parameters) as Record<string, string>;
    const page = await send(store, { method: "GET", query }, signal, (answer) =>
      readXml(answer, "ListBucketResult", `GET ${store.bucket}`, signal),
    );
    const decode = textOf(page, "EncodingType") === "url" ? decodeKey : (text: string): string => text;
    const found = childrenOf(page, "Contents").map((one) =>
      named({
        key: decode(textOf(one, "Key") ?? ""),
        bytes: Number(textOf(one, "Size") ?? 0),
        etag: textOf(one, "ETag"),
        modified: textOf(one, "LastModified"),
      }),
    );
    const summed = childrenOf(page, "CommonPrefixes").map((one) => decode(textOf(one, "Prefix") ?? ""));
    objects.push(...found);
    prefixes.push(...summed);
    const more = textOf(page, "IsTruncated") === "true";
    const next = textOf(page, "NextContinuationToken");
    if (!more || objects.length + prefixes.length >= limit) return { objects, prefixes, truncated: more };
    if (next === undefined || next === token || found.length + summed.length === 0)
      throw new TaskFailure({
        code: "S3",
        message: `${store.endpoint.host} has more of ${store.bucket}, and does not say where it goes on.`,
      });
    token = next;
  }
}

function version(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { versionId };
}

/** Of a list with `encoding-type=url`. */
function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text; // Not encoded after all.
  }
}
