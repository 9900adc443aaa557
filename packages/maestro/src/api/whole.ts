/**
 * An answer that is complete when it is made. `Response` makes a stream of every body, and reading that back costs as much
 * again: a quarter of what a small answer takes. So here a stream is made only for who asks for one, and a server takes
 * `contentOf`. For everybody else it is a `Response` like any other.
 */
export function wholeResponse(content: Content, init: ResponseInit): Response {
  return new WholeResponse(content, init);
}

/** Undefined where it comes piece by piece, or was not made here. */
export function contentOf(response: Response): Content | undefined {
  return response instanceof WholeResponse ? response.content : undefined;
}

type Content = string | Uint8Array<ArrayBuffer>;

/** The declarations have what reads a body as properties, which a class cannot override. */
type Head = Omit<
  Response,
  "body" | "bodyUsed" | "text" | "json" | "arrayBuffer" | "bytes" | "blob" | "formData" | "clone"
>;
const HeadResponse = Response as unknown as new (body: null, init: ResponseInit) => Head;

class WholeResponse extends HeadResponse {
  readonly content: Content;
  #read: Response | undefined;

  constructor(content: Content, init: ResponseInit) {
    super(null, init);
    this.content = content;
  }

  get body(): Response["body"] {
    return this.#asRead().body;
  }

  get bodyUsed(): boolean {
    return this.#read?.bodyUsed ?? false;
  }

  text(): Promise<string> {
    return this.#asRead().text();
  }

  json(): Promise<unknown> {
    return this.#asRead().json();
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#asRead().arrayBuffer();
  }

  bytes(): ReturnType<Response["bytes"]> {
    return this.#asRead().bytes();
  }

  blob(): ReturnType<Response["blob"]> {
    return this.#asRead().blob();
  }

  formData(): ReturnType<Response["formData"]> {
    return this.#asRead().formData();
  }

  clone(): Response {
    return wholeResponse(this.content, { status: this.status, headers: this.headers });
  }

  /** Once: a body is read once, here as there. */
  #asRead(): Response {
    return (this.#read ??= new Response(this.content, { headers: this.headers }));
  }
}
