import type { JsonObject, JsonValue } from "../core/json.ts";
import { HTTP_STATUS, MaestroError, PROBLEMS } from "../core/problem.ts";
import type { ProblemCode } from "../core/problem.ts";
import { HeaderList } from "./header-list.ts";
import { WholeResponse } from "./whole.ts";
import type { WholeInit } from "./whole.ts";

/** Version of the API's objects; on every JSON answer. */
export const API_VERSION = "maestro/v1";

/** A JSON answer: the object itself with `apiVersion` and `kind` in front. */
export function object(kind: string, value: object, init: WholeInit = {}): WholeResponse {
  return new WholeResponse(
    JSON.stringify({ apiVersion: API_VERSION, kind, ...value }),
    withType(init, "application/json"),
  );
}

/** As `object`, for members that are JSON text already (events, plans), so that they are neither parsed nor changed. */
export function objectOfTexts(kind: string, members: Readonly<Record<string, string>>): WholeResponse {
  const parts = Object.entries(members).map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  const body = `{"apiVersion":${JSON.stringify(API_VERSION)},"kind":${JSON.stringify(kind)}${parts.map((part) => `,${part}`).join("")}}`;
  return new WholeResponse(body, withType({}, "application/json"));
}

export function bytes(
  body: Uint8Array | ReadableStream<Uint8Array>,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  // A log or an artifact is whatever a task made: never let a browser guess that it is a page.
  const init = {
    headers: { ...headers, "content-type": type, "x-content-type-options": "nosniff", "cache-control": "no-store" },
  };
  return body instanceof Uint8Array ? new WholeResponse(new Uint8Array(body), init) : new Response(body, init);
}

/**
 * RFC 9457 problem details of anything that was thrown; what is not ours is `internal` and says nothing of its inside.
 * `override` is for answers that HTTP itself defines (405 with Allow).
 */
export function problem(
  thrown: unknown,
  where: { readonly instance: string; readonly requestId: string },
  override: ProblemOverride = {},
): WholeResponse {
  const { status, headers, text } = problemText(thrown, where, override);
  return new WholeResponse(text, { status, headers });
}

interface ProblemOverride {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `problem` in parts, for where there is no Request that a Response could answer. */
export function problemText(
  thrown: unknown,
  where: { readonly instance: string; readonly requestId: string },
  override: ProblemOverride = {},
): { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly text: string } {
  const error =
    thrown instanceof MaestroError
      ? thrown
      : new MaestroError("internal", "Something went wrong inside the control plane.", { cause: thrown });
  const status = override.status ?? statusOf(error.code);
  return {
    status,
    text: JSON.stringify({ ...problemObject(error), status, ...where }),
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(status === 503 ? { "retry-after": "1" } : {}),
      ...(error.code === "step_up_required" ? { "www-authenticate": stepUpChallenge(error.facts) } : {}),
      ...override.headers,
    },
  };
}

export function statusOf(code: ProblemCode): number {
  return STATUS_OF_CODE[code] ?? HTTP_STATUS[PROBLEMS[code].class];
}

/** Where HTTP has a more exact status than the class. */
const STATUS_OF_CODE: Readonly<Partial<Record<ProblemCode, number>>> = {
  payload_too_large: 413,
  rate_limited: 429,
  removed: 410,
  unsupported_media_type: 415,
};

/** RFC 9470: what a client asks its provider for, to come again with a token that is enough. */
function stepUpChallenge({ acr_values: acr }: JsonObject): string {
  const values = Array.isArray(acr) ? (acr as readonly JsonValue[]).filter((one) => typeof one === "string") : [];
  // Policies choose these texts; none of them ends the header or the quotes.
  const wanted = values.map((one) => one.replaceAll(/[^\x21\x23-\x5b\x5d-\x7e]/g, "")).join(" ");
  const challenge = 'Bearer error="insufficient_user_authentication"';
  return wanted === "" ? challenge : `${challenge}, acr_values="${wanted}"`;
}

function problemObject(error: MaestroError): JsonObject {
  return {
    type: `/help/errors/${error.code}`,
    title: PROBLEMS[error.code].title,
    detail: error.message,
    code: error.code,
    class: error.class,
    fix: error.fix,
    facts: error.facts,
  };
}

/** What a proxy in front means, whose answers are no problems of ours. */
const CODE_OF_STATUS: Readonly<Partial<Record<number, ProblemCode>>> = {
  401: "unauthorized",
  403: "denied",
  404: "not_found",
  413: "payload_too_large",
  429: "rate_limited",
  502: "server_unreachable",
  503: "overloaded",
  504: "server_unreachable",
};

/** The error a problem answer describes, for clients. */
export function errorOf(status: number, body: JsonValue | undefined): MaestroError {
  const fields = typeof body === "object" && body !== null && !Array.isArray(body) ? (body as JsonObject) : {};
  const { code, detail, fix, facts } = fields;
  const known =
    typeof code === "string" && Object.hasOwn(PROBLEMS, code)
      ? (code as ProblemCode)
      : (CODE_OF_STATUS[status] ?? "internal");
  return new MaestroError(
    known,
    typeof detail === "string" ? detail : `The control plane answered with HTTP status ${status}.`,
    {
      ...(typeof fix === "string" ? { fix } : {}),
      ...(typeof facts === "object" && facts !== null && !Array.isArray(facts) ? { facts: facts as JsonObject } : {}),
    },
  );
}

function withType(init: WholeInit, type: string): WholeInit {
  const headers = new HeaderList(init.headers);
  headers.set("content-type", type);
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  return { ...init, headers };
}
