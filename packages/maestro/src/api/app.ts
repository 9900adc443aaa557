import { MaestroError } from "../core/problem.ts";
import type { Caller } from "../identity/caller.ts";
import { problemOf } from "../identity/refused-problem.ts";
import { Refused } from "../identity/refused.ts";
import { Access } from "./access.ts";
import type { AccessRule } from "./access.ts";
import { countStream } from "./answered.ts";
import { targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";
import type { AppDeps } from "./app-deps.ts";
import { notModified } from "./etag.ts";
import { canRedact, redactAnswer } from "./redact-answer.ts";
import { recordDone, recordFailed } from "./record.ts";
import { REQUEST_ID, requestIdOf } from "./request-id.ts";
import { problem } from "./respond.ts";
import { findRoute } from "./find-route.ts";
import type { Route } from "./route.ts";

/** Answers a request of a caller who was proved to be the one. Never rejects. */
export type App = (request: ApiRequest, caller: Caller) => Promise<Response>;

/** The one request handler: HTTP, the control socket and the in-process CLI all call this. */
export function createApp(deps: AppDeps): App {
  return async (request, caller) => {
    const began = performance.now();
    const requestId = requestIdOf(request);
    const { route, response } = await answer(deps, request, caller, requestId);
    response.headers.set(REQUEST_ID, requestId);
    deps.answered({
      // What somebody made up must not become a name of ours.
      route: route?.path ?? "none",
      method: METHODS.has(request.method) ? request.method : "other",
      status: response.status,
      seconds: (performance.now() - began) / 1000,
      requestId,
    });
    return countStream(response, deps.requests);
  };
}

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

interface Answered {
  readonly route?: Route;
  readonly response: Response;
}

async function answer(deps: AppDeps, request: ApiRequest, caller: Caller, requestId: string): Promise<Answered> {
  const url = targetOf(request);
  const where = { instance: url.pathname, requestId };
  let route: Route | undefined;
  try {
    const found = findRoute(request.method, url.pathname);
    if ("allow" in found) {
      const error = new MaestroError(
        "invalid_request",
        `${url.pathname} does not take ${request.method}; it takes ${found.allow.join(", ")}.`,
      );
      return { response: problem(error, where, { status: 405, headers: { allow: found.allow.join(", ") } }) };
    }
    route = found.route;
    const access = new Access({
      ...deps,
      caller,
      rule: route.access ?? NOTHING,
      requestId,
      purpose: headerOf(request, PURPOSE),
      authority: headerOf(request, AUTHORITY),
      redacts: route.hides || canRedact(route.answers),
    });
    const occurrence = { operation: route.operation, rule: route.access ?? NOTHING, request, requestId };
    try {
      const response = await route.handle(deps, { request, url, params: found.params, access });
      if (route.access === null) return { route, response };
      if (!access.wasAsked) throw new TypeError(`${route.operation} answered without having asked the gate`);
      await recordDone(deps.audit, access, occurrence);
      const shown = route.hides ? response : await redactAnswer(response, access.obligations);
      return { route, response: notModified(request, shown) };
    } catch (error) {
      if (route.access !== null && error instanceof MaestroError) recordFailed(deps.audit, access, occurrence, error);
      throw error;
    }
  } catch (thrown) {
    if (thrown instanceof Refused) deps.refused(thrown.reason, request);
    const error = thrown instanceof Refused ? problemOf(thrown) : thrown;
    if (!(error instanceof MaestroError)) deps.fault(error, requestId);
    return { ...(route === undefined ? {} : { route }), response: problem(error, where) };
  }
}

/** Of routes that ask nothing. */
const NOTHING: AccessRule = { action: "none", as: "read" };
/** Why somebody asks, and under which mandate: for policies that want to know. */
export const PURPOSE = "maestro-purpose";
export const AUTHORITY = "maestro-authority";
const MAX_HEADER = 1000;

function headerOf(request: ApiRequest, name: string): string {
  const value = request.headers.get(name) ?? "";
  if (value.length <= MAX_HEADER) return value;
  throw new MaestroError("invalid_request", `The header ${name} is longer than ${MAX_HEADER} characters.`);
}
