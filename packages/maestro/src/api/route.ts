import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { Access, AccessRule } from "./access.ts";
import type { ApiRequest } from "./api-request.ts";
import type { AppDeps } from "./app-deps.ts";
import { readJsonBody } from "./body.ts";
import { readObject, readQuery } from "./field.ts";
import type { Read, Shape } from "./field.ts";
import type { SchemaName } from "./schemas.ts";

/**
 * One operation of the API, as data: what the router matches, what the reference and OpenAPI print, and how it is
 * carried out. Everything a client can send is in `query` and `body`.
 */
export interface Route {
  readonly method: Method;
  /** `{name}` stands for one segment, `{name*}` at the end for all that follow. */
  readonly path: string;
  /** Stable, unique: OpenAPI's operationId and the SDK's method. */
  readonly operation: string;
  readonly summary: string;
  readonly query: Shape;
  readonly body: Shape | null;
  /** What it does not know in the body it leaves alone. */
  readonly lenient: boolean;
  /** Headers that mean something to it. */
  readonly headers: readonly HeaderField[];
  /** Its handler takes out of the answer what policies hide; else that is done to the JSON that it gives. */
  readonly hides: boolean;
  /** What the gate is asked; null: answered to everybody who can connect, because it tells nothing, as the probes of a supervisor. */
  readonly access: AccessRule | null;
  /** Bytes of its body at most. */
  readonly maxBody: number;
  readonly answers: readonly Answer[];
  handle(deps: AppDeps, asked: Incoming): Promise<Response>;
}

/** A request that has found its route. */
export interface Incoming {
  readonly request: ApiRequest;
  readonly url: URL;
  readonly params: Readonly<Record<string, string>>;
  readonly access: Access;
}

export interface HeaderField {
  readonly name: string;
  readonly description: string;
}

export type Method = "GET" | "POST" | "PATCH";

export interface Answer {
  readonly status: number;
  readonly type:
    | "application/json"
    | "application/jsonl"
    | "application/problem+json"
    | "application/timestamp-reply"
    | "text/event-stream"
    | "text/plain"
    | "text/html"
    | "application/octet-stream"
    | "application/x-tar"
    | "application/vnd.dev.sigstore.bundle.v0.3+json";
  readonly description: string;
  /** What the JSON is, by its name in `schemas.ts`. */
  readonly schema?: SchemaName;
}

export interface Call<P extends string, Q extends Shape, B extends Shape> {
  readonly request: ApiRequest;
  readonly params: Readonly<Record<P, string>>;
  readonly query: Read<Q>;
  readonly body: Read<B>;
  /** Every handler that is not open asks by it before it tells or does anything. */
  readonly access: Access;
}

type ParamsOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `${infer All}*` ? All : Name) | ParamsOf<Rest>
  : never;

interface Definition<Path extends string, Q extends Shape, B extends Shape> {
  readonly method: Method;
  readonly path: Path;
  readonly operation: string;
  readonly summary: string;
  readonly query?: Q;
  readonly body?: B;
  /** What it does not know in the body it leaves alone, where a specification wants that. */
  readonly lenient?: true;
  /** Bytes; default 64 KiB. */
  readonly maxBody?: number;
  readonly headers?: readonly HeaderField[];
  readonly access: AccessRule | null;
  readonly hides?: true;
  readonly answers: readonly Answer[];
  handle(deps: AppDeps, call: Call<ParamsOf<Path>, Q, B>): Promise<Response>;
}

/** No fields at all. */
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- a route without fields is what it says
type Nothing = Readonly<Record<never, never>>;

const DEFAULT_MAX_BODY = 64 * 1024;

export function route<const Path extends string, Q extends Shape = Nothing, B extends Shape = Nothing>(
  definition: Definition<Path, Q, B>,
): Route {
  const query: Shape = definition.query ?? {};
  const body: Shape | null = definition.body ?? null;
  return {
    method: definition.method,
    path: definition.path,
    operation: definition.operation,
    summary: definition.summary,
    query,
    body,
    lenient: definition.lenient === true,
    headers: definition.headers ?? [],
    access: definition.access,
    hides: definition.hides === true,
    maxBody: definition.maxBody ?? DEFAULT_MAX_BODY,
    answers: definition.answers,
    async handle(deps, { request, url, params, access }) {
      const readQ = (
        url.search === "" ? readObject(query, {}, "the query") : readQuery(query, url.searchParams)
      ) as Read<Q>;
      const sent: JsonValue =
        definition.method === "GET" ? {} : await readJsonBody(request, definition.maxBody ?? DEFAULT_MAX_BODY);
      const known = definition.lenient === true ? knownOf(body ?? {}, sent) : sent;
      const readB = readObject(body ?? {}, known, "the body") as Read<B>;
      return definition.handle(deps, {
        request,
        params,
        query: readQ,
        body: readB,
        access,
      });
    },
  };
}

function knownOf(shape: Shape, sent: JsonValue): JsonValue {
  return isJsonObject(sent)
    ? Object.fromEntries(Object.entries(sent).filter(([name]) => Object.hasOwn(shape, name)))
    : sent;
}

/** The segments of `{name}` in order of the template, or undefined where the path is another one's. */
export function matchPath(template: string, pathname: string): Readonly<Record<string, string>> | undefined {
  if (!template.includes("{")) return template === pathname ? {} : undefined;
  const wanted = segmentsOf(template);
  const given = pathname.split("/");
  const takesAll = template.endsWith("*}");
  if (takesAll ? given.length < wanted.length : wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    if (part.endsWith("*}")) {
      params[part.slice(1, -2)] = given
        .slice(i)
        .map((segment) => decodeSegment(segment))
        .join("/");
      continue;
    }
    const segment = given[i] ?? "";
    if (part.startsWith("{")) {
      if (segment === "") return undefined;
      params[part.slice(1, -1)] = decodeSegment(segment);
    } else if (part !== segment) {
      return undefined;
    }
  }
  return params;
}

/** Whether a path is one of the template's, whatever stands for its parameters; for templates without `*`. */
export function matchesTemplate(template: string, pathname: string): boolean {
  const [wanted, given] = [segmentsOf(template), pathname.split("/")];
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith("{") || part === given[i]);
}

/** Of the table's templates, which are few; each request is compared with all of them. */
const SEGMENTS = new Map<string, readonly string[]>();

function segmentsOf(template: string): readonly string[] {
  const known = SEGMENTS.get(template) ?? template.split("/");
  SEGMENTS.set(template, known);
  return known;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new MaestroError(
      "invalid_request",
      `The path holds ${JSON.stringify(segment)}, which is not valid percent-encoding.`,
      { cause: error },
    );
  }
}
