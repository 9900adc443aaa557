import { createHash } from "node:crypto";
import { isJsonObject } from "../../core/json.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { systemResolve } from "../../task/http-admit.ts";
import { readBody } from "../../task/http-body.ts";
import { lockHeaders } from "../../task/s3-put.ts";
import { discard, readXml, send } from "../../task/s3-request.ts";
import type { Store, StoreRequest } from "../../task/s3-request.ts";
import type { Element } from "../../task/s3-xml.ts";
import { childrenOf, textOf } from "../../task/s3-xml.ts";
import { TaskFailure } from "../../task/task.ts";
import type { Protection, WormFile, WormTarget } from "./target.ts";

export interface BucketOptions {
  readonly endpoint: URL;
  readonly region: string;
  readonly bucket: string;
  /** In front of every name: empty, or ending in a slash. */
  readonly prefix: string;
  readonly credentials: Store["credentials"];
  /** Nobody, not even the account's root, deletes or changes a version before. Epoch milliseconds. */
  readonly retainUntil: number | undefined;
  readonly legalHold: boolean;
  readonly now: () => number;
}

const REQUEST_MS = 60_000;
const MAX_OBJECT_BYTES = 512 * 1024 * 1024;

/**
 * A bucket with S3 Object Lock. Its configuration is looked at first: locks on a bucket without it would be refused one by
 * one. Objects are put in COMPLIANCE mode, and only where there is none. Errors: `invalid_request`, `unauthorized`,
 * `storage_failed`.
 */
export async function openBucket(options: BucketOptions): Promise<WormTarget> {
  const bucket = new WormBucket(options);
  await bucket.checkLock();
  return bucket;
}

class WormBucket implements WormTarget {
  readonly shown: string;
  readonly #options: BucketOptions;
  readonly #store: Store;

  constructor(options: BucketOptions) {
    const { endpoint, region, bucket, prefix, credentials, now } = options;
    this.shown = `s3://${bucket}/${prefix}`;
    this.#options = options;
    // The endpoint was named by whoever called: it may be in a private network.
    const allowPrivate = [endpoint.hostname.replace(/^\[|\]$/g, "")];
    this.#store = { endpoint, region, style: "path", bucket, credentials, resolve: systemResolve, allowPrivate, now };
  }

  /** Errors: `invalid_request` where the bucket does not lock. */
  async checkLock(): Promise<void> {
    const element = await this.#lockConfiguration();
    if (element !== undefined && textOf(element, "ObjectLockEnabled") === "Enabled") return;
    throw new MaestroError("invalid_request", `The bucket ${this.#options.bucket} has no Object Lock.`, {
      fix: "Object Lock is switched on when a bucket is made: make one with it, with versioning, and export there.",
    });
  }

  async list(): Promise<readonly WormFile[]> {
    const { prefix } = this.#options;
    const files: WormFile[] = [];
    for (let token: string | undefined = ""; token !== undefined;) {
      const query: Record<string, string> = { "list-type": "2", "encoding-type": "url", prefix };
      if (token !== "") query["continuation-token"] = token;
      const page: Element = await this.#send({ method: "GET", query }, async (answer, signal) =>
        readXml(answer, "ListBucketResult", `GET ${this.shown}`, signal),
      );
      for (const entry of childrenOf(page, "Contents")) {
        const key = decodeURIComponent((textOf(entry, "Key") ?? "").replaceAll("+", " "));
        files.push({ name: key.slice(prefix.length), bytes: Number(textOf(entry, "Size")) });
      }
      token = textOf(page, "IsTruncated") === "true" ? textOf(page, "NextContinuationToken") : undefined;
    }
    return files;
  }

  async read(name: string): Promise<Buffer> {
    return this.#send({ method: "GET", key: this.#key(name) }, async ({ body, headers }, signal) =>
      readBody(body, headers["content-encoding"], { maxBytes: MAX_OBJECT_BYTES, signal }),
    );
  }

  async create(name: string, bytes: Uint8Array): Promise<void> {
    const { retainUntil, legalHold } = this.#options;
    const sha256 = createHash("sha256").update(bytes).digest();
    const lock = {
      ...(retainUntil === undefined
        ? {}
        : { mode: "COMPLIANCE" as const, retainUntil: new Date(retainUntil).toISOString() }),
      ...(legalHold ? { legalHold } : {}),
    };
    const headers = {
      "content-type": "application/octet-stream",
      "if-none-match": "*",
      // S3 wants a checksum of what it is to lock.
      "x-amz-checksum-sha256": sha256.toString("base64"),
      ...lockHeaders(lock),
    };
    const body = { bytes, length: bytes.length, sha256: sha256.toString("hex") };
    await this.#send({ method: "PUT", key: this.#key(name), headers, body }, async (answer, signal) =>
      discard(answer, signal),
    );
  }

  async append(name: string): Promise<void> {
    throw new MaestroError("conflict", `${this.shown}${name} is not whole, and an object is never changed.`, {
      fix: "S3 takes objects whole or not at all: somebody else put it there. Export to another prefix.",
    });
  }

  async protection(): Promise<Protection> {
    const [newest] = (await this.list()).slice(-1);
    if (newest === undefined) return { enforced: false, detail: "nothing is there yet" };
    const { until, mode, hold } = await this.#lockOf(newest.name);
    const parts = [
      ...(until === undefined ? [] : [`retained until ${until} (${mode ?? "no mode"})`]),
      ...(hold === "ON" ? ["on legal hold"] : []),
    ];
    if (parts.length === 0)
      return {
        enforced: false,
        detail: "versions stay when an object is replaced, but nothing keeps them from being deleted: give --retain",
      };
    return { enforced: mode === "COMPLIANCE" || hold === "ON", detail: `the store says: ${parts.join(", ")}` };
  }

  async #lockOf(name: string): Promise<{ readonly until?: string; readonly mode?: string; readonly hold?: string }> {
    return this.#send({ method: "HEAD", key: this.#key(name) }, async ({ headers }) => {
      const text = (header: string): string | undefined => {
        const value = headers[header];
        return typeof value === "string" ? value : undefined;
      };
      const until = text("x-amz-object-lock-retain-until-date");
      const mode = text("x-amz-object-lock-mode");
      const hold = text("x-amz-object-lock-legal-hold");
      return {
        ...(until === undefined ? {} : { until }),
        ...(mode === undefined ? {} : { mode }),
        ...(hold === undefined ? {} : { hold }),
      };
    });
  }

  /** Undefined where the bucket has none. */
  async #lockConfiguration(): Promise<Element | undefined> {
    try {
      return await this.#send({ method: "GET", query: { "object-lock": "" } }, async (answer, signal) =>
        readXml(answer, "ObjectLockConfiguration", `GET ${this.#options.bucket}?object-lock`, signal),
      );
    } catch (error) {
      if (error instanceof MaestroError && error.facts["s3"] === "ObjectLockConfigurationNotFoundError")
        return undefined;
      throw error;
    }
  }

  #key(name: string): string {
    return `${this.#options.prefix}${name}`;
  }

  async #send<T>(
    request: StoreRequest,
    read: (answer: Parameters<Parameters<typeof send<T>>[3]>[0], signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const signal = AbortSignal.timeout(REQUEST_MS);
    try {
      return await send(this.#store, request, signal, async (answer) => read(answer, signal));
    } catch (error) {
      if (error instanceof TaskFailure) throw problemOf(error);
      throw error;
    }
  }
}

const CODES = { ACCESS_DENIED: "unauthorized", PRECONDITION: "conflict" } as const;

/** What the store said, for whoever called the command. */
function problemOf(failure: TaskFailure): MaestroError {
  const { code, details } = failure.error;
  const known = Object.hasOwn(CODES, code) ? CODES[code as keyof typeof CODES] : "storage_failed";
  const s3 = isJsonObject(details) ? details["code"] : undefined;
  return new MaestroError(known, messageOf(failure), {
    cause: failure,
    facts: typeof s3 === "string" ? { s3 } : {},
    fix: "Check bucket, endpoint, region and the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
  });
}
