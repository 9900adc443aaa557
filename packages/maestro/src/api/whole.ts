import { HeaderList } from "./header-list.ts";
import type { HeaderInit } from "./header-list.ts";

/**
 * An answer that is complete when it is made. A `Response` of fetch's makes a stream of every body and checks each header
 * anew: a quarter of what a small answer takes. Here that is done only for who asks for a stream, and a server takes `content`
 * as it is. For everybody else it is used as any `Response` is.
 */
export class WholeResponse implements Response {
  readonly content: Content | null;
  readonly status: number;
  readonly headers: HeaderList;
  readonly statusText = "";
  readonly type = "default";
  readonly url = "";
  readonly redirected = false;
  #isRead = false;
  #streamed: Response | undefined;

  constructor(content: Content | null, { status = 200, headers }: WholeInit = {}) {
    this.content = content;
    this.status = status;
    this.headers = headers instanceof HeaderList ? headers : new HeaderList(headers);
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get body(): Response["body"] {
    return this.content === null ? null : this.#asStream().body;
  }

  get bodyUsed(): boolean {
    return this.#isRead || (this.#streamed?.bodyUsed ?? false);
  }

  async text(): Promise<string> {
    const content = this.#take();
    return typeof content === "string" ? content : new TextDecoder().decode(content);
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const content = this.#take();
    return typeof content === "string" ? new TextEncoder().encode(content) : content.slice();
  }

  async blob(): ReturnType<Response["blob"]> {
    return this.#asStream().blob();
  }

  async formData(): ReturnType<Response["formData"]> {
    return this.#asStream().formData();
  }

  clone(): WholeResponse {
    return new WholeResponse(this.content, { status: this.status, headers: new HeaderList(this.headers) });
  }

  /** Once: a body is read once, here as there. */
  #take(): Content {
    if (this.bodyUsed) throw new TypeError("the body was read before");
    this.#isRead = true;
    return this.content ?? "";
  }

  #asStream(): Response {
    return (this.#streamed ??= new Response(this.content, { headers: [...this.headers] }));
  }
}

export type Content = string | Uint8Array<ArrayBuffer>;

export interface WholeInit {
  readonly status?: number;
  /** A HeaderList is taken as it is, and belongs to the answer from then on. */
  readonly headers?: HeaderInit;
}
