import type { Catalog } from "../catalog/catalog.ts";
import type { JsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { RunComparison } from "../engine/compare-run.ts";
import type { Engine } from "../engine/engine.ts";
import type { ReplayReport } from "../engine/replay-run.ts";
import type { EngineReport } from "../engine/report.ts";
import type { Disclosure, DisclosureRequest, PermittedRun } from "../operations/disclosure/build.ts";
import type { Retention } from "../operations/retention.ts";
import type { Identity } from "../identity/identity.ts";
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
import type { OpenStreams } from "./answered.ts";
import type { ApiRequest } from "./api-request.ts";

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
