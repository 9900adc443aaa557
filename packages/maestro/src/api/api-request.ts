import { HeaderList } from "./header-list.ts";

/** What the API reads of a request. A `Request` of fetch's is one; a server makes a cheaper one. */
export interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Pick<Headers, "get" | "set">;
  readonly body: ReadableStream<Uint8Array> | null;
  /** The other end of the connection, where it came over a network: behind a proxy it is the proxy. What a header claims is not believed. */
  readonly peer?: string | undefined;
}

/** A request that a server has read. `rawHeaders` as Node gives them. */
export class ReceivedRequest implements ApiRequest {
  readonly method: string;
  readonly target: URL;
  readonly headers: HeaderList;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly peer: string | undefined;

  constructor(
    method: string,
    target: URL,
    rawHeaders: readonly string[],
    body: ReadableStream<Uint8Array> | null,
    peer?: string,
  ) {
    this.method = method;
    this.target = target;
    this.headers = HeaderList.ofRaw(rawHeaders);
    this.body = body;
    this.peer = peer;
  }

  get url(): string {
    return this.target.href;
  }
}

/** The request's URL, in parts; nobody changes it. */
export function targetOf(request: ApiRequest): URL {
  return request instanceof ReceivedRequest ? request.target : new URL(request.url);
}
