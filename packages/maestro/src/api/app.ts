import type { Catalog } from "../catalog/catalog.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { MaestroError } from "../core/problem.ts";
import type { RunComparison } from "../engine/compare-run.ts";
import type { Engine } from "../engine/engine.ts";
import type { ReplayReport } from "../engine/replay-run.ts";
import type { EngineReport } from "../engine/report.ts";
import type { Disclosure, DisclosureRequest, PermittedRun } from "../operations/disclosure/build.ts";
import type { Retention } from "../operations/retention.ts";
import type { Caller } from "../identity/caller.ts";
import type { Identity } from "../identity/identity.ts";
import { problemOf } from "../identity/refused-problem.ts";
import { Refused } from "../identity/refused.ts";
import type { RefusalReason } from "../identity/refused.ts";
import type { Issuer } from "../identity/issuer.ts";
import type { PolicyDesk } from "../policy/desk.ts";
import type { Gate } from "../policy/gate.ts";
import type { AuditTrail } from "../provenance/audit.ts";
import type { Ledger } from "../provenance/ledger/ledger.ts";
import type { Cosigning } from "../provenance/witness/cosigning.ts";
import type { LogStore } from "../runner/logs.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { Store, StoredPlan } from "../store/store.ts";
import type { ExternalTypes } from "../task/external.ts";
import type { TaskType } from "../task/task.ts";
import type { Exposition } from "../telemetry/prometheus.ts";
import type { AnsweredRequest } from "../telemetry/requests.ts";
import { Access } from "./access.ts";
import type { AccessRule } from "./access.ts";
import { countStream } from "./answered.ts";
import type { OpenStreams } from "./answered.ts";
import { targetOf } from "./api-request.ts";
import type { ApiRequest } from "./api-request.ts";
import { notModified } from "./etag.ts";
import { canRedact, redactAnswer } from "./redact-answer.ts";
import { recordDone, recordFailed } from "./record.ts";
import { REQUEST_ID, requestIdOf } from "./request-id.ts";
import { problem } from "./respond.ts";
import { findRoute } from "./find-route.ts";
import type { Route } from "./route.ts";

/** What the API needs from the control plane; `serve.ts` brings it together. */
export interface AppDeps {
  readonly engine: Engine;
  readonly store: Store;
  readonly catalog: Catalog;
  readonly logs: LogStore;
  readonly blobs: BlobStore;
  /** By `name@version`. */
  readonly taskTypes: ReadonlyMap<string, TaskType>;
  /** Adds and removes the task types of programs. Errors: those of `ExternalTypes`. */
  readonly external: Pick<ExternalTypes, "add" | "remove">;
  /**
   * Parses, checks and compiles; never throws for what is wrong with the manifest. `file` is only named in diagnostics;
   * runbooks that it uses and that are not stored are looked for in `folder`. With `namespaces` it can use no others'.
   */
  readonly compile: (
    manifest: string,
    file: string,
    folder: string | undefined,
    namespaces?: readonly string[],
  ) => Promise<Compiled>;
  /** Re-decides the run's stored history. Errors: `not_found`, `store_corrupt`. */
  readonly replay: (run: string) => Promise<ReplayReport>;
  /** Decides it by another version of its runbook. Errors: `not_found`. */
  readonly compare: (run: string, plan: StoredPlan) => Promise<RunComparison>;
  /** The trust root file's text: the public keys whose receipts this control plane vouches for. */
  readonly trustRoot: () => Promise<string>;
  /** Makes a package of runs that may be disclosed. Errors: as of `operations/disclosure/build.ts`. */
  readonly disclose: (request: DisclosureRequest, permitted: readonly PermittedRun[]) => Promise<Disclosure>;
  /** Errors: `ledger_broken`. */
  readonly ledger: () => Promise<Ledger>;
  /** What others put under its checkpoints. */
  readonly cosigning: Pick<Cosigning, "cosigned" | "noteOf" | "covering" | "status" | "quorum">;
  /** Of tokens for workloads. */
  readonly issuer: Pick<Issuer, "discovery" | "keySet">;
  /** Rejects with the reason when new work would be refused: `shutting_down`, `overloaded`, `storage_full`, … */
  readonly ready: () => Promise<void>;
  /** Removes what has had its time. Errors: `conflict`, `invalid_request` for the policy. */
  readonly retention: Pick<Retention, "run" | "policy">;
  readonly identity: () => Promise<Identity>;
  /** Told of every credential that proves nobody. */
  readonly refused: (reason: RefusalReason, request: ApiRequest) => void;
  /** The URL that the API is served at; undefined where it is not. */
  readonly listening: () => string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly version: string;
  readonly gate: Gate;
  readonly policy: PolicyDesk;
  readonly audit: AuditTrail;
  /** What policies call this installation. */
  readonly environment: string;
  /** Told of what was thrown that is not a MaestroError: a fault of our own. */
  readonly fault: (thrown: unknown, requestId: string) => void;
  /** Told of every answer when it begins. */
  readonly answered: (seen: AnsweredRequest & { readonly requestId: string }) => void;
  readonly requests: OpenStreams;
  readonly metrics: () => Promise<Exposition>;
  readonly report: () => EngineReport;
}

export interface Compiled {
  /** Null when there are errors. */
  readonly plan: Plan | null;
  /** As data: file, line, column, rule, severity, message, snippet, fix. */
  readonly diagnostics: readonly JsonObject[];
}

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
