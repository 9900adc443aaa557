import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AppDeps } from "../api/app-deps.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { compareRun } from "../engine/compare-run.ts";
import type { DurableEngine } from "../engine/durable.ts";
import { replayRun } from "../engine/replay-run.ts";
import { reportOf } from "../engine/report.ts";
import type { Retention } from "../operations/retention.ts";
import { TRUST_ROOT_FILE } from "../provenance/trust.ts";
import { VERSION } from "../version.ts";
import type { Base } from "./base.ts";
import type { Governance } from "./governance.ts";
import type { Provenance } from "./provenance.ts";
import type { Tasks } from "./tasks.ts";

/** All that was opened. */
interface Parts extends Base, Tasks, Governance, Provenance {
  readonly engine: DurableEngine;
  readonly retention: Retention;
  readonly catalog: Catalog;
  readonly listening: AppDeps["listening"];
}

export function appDeps(parts: Parts): AppDeps {
  const { store, blobs, logs, now, catalog, engine, retention, types, external, cosigning, ledger, listening } = parts;
  const { policy, audit, issuer, identity, refused } = parts;
  return {
    engine,
    store,
    catalog,
    logs,
    blobs,
    taskTypes: types,
    external,
    compile: compileWith(parts),
    replay: async (run) => replayRun(engine, run),
    compare: async (run, plan) => compareRun(engine, run, plan),
    trustRoot: trustRootOf(parts),
    disclose: discloseFrom(parts),
    ledger: async () => ledger.get(),
    cosigning,
    issuer,
    identity: async () => identity.get(),
    refused,
    listening,
    ready: readinessOf(parts),
    retention,
    now,
    version: VERSION,
    gate: policy.gate,
    policy,
    audit,
    environment: policy.live.settings.environment,
    ...observed(parts),
  };
}

function compileWith({ catalog, descriptions }: Parts): AppDeps["compile"] {
  // Loaded when the first manifest comes: what reads YAML is a tenth of all modules.
  return async (manifest, file, folder, namespaces) => {
    const { resolveManifest } = await import("../catalog/resolve.ts");
    return resolveManifest(manifest, file, { ...catalog, descriptions, namespaces }, folder);
  };
}

function discloseFrom(parts: Parts): AppDeps["disclose"] {
  const { store, blobs, logs, engine, keys, ledger, cosigning, policy } = parts;
  // Loaded when the first package is made.
  return async (request, permitted) => {
    const { disclose } = await import("../operations/disclosure/build.ts");
    return disclose(
      {
        store,
        blobs,
        logs,
        view: async (run) => engine.view(run),
        signer: keys.signer,
        trustRoot: trustRootOf(parts),
        ledger: async () => ledger.get(),
        covering: async (place) => (await cosigning.covering(place)) ?? store.ledger.checkpoint(place + 1),
        policies: () => policy.live.sources(),
      },
      request,
      permitted,
    );
  };
}

function trustRootOf({ dataDir }: Parts): AppDeps["trustRoot"] {
  return async () => readFile(join(dataDir, "keys", TRUST_ROOT_FILE), "utf8");
}

function readinessOf({ engine, store }: Parts): AppDeps["ready"] {
  return async () => {
    engine.pressure.refuseStart();
    // Whether it can be read at all; whether it can be written, the engine knows by its last commit.
    await store.runList({ limit: 1 });
  };
}

/** What is told of requests and of the engine. */
function observed(parts: Parts): Pick<AppDeps, "fault" | "answered" | "requests" | "metrics" | "report"> {
  const { log, telemetry, engine, policy } = parts;
  return {
    fault: (thrown, requestId) =>
      log("error", "a request met a fault of our own", {
        requestId,
        stack: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
      }),
    answered: (seen) => telemetry.answered(seen),
    requests: telemetry.requests,
    metrics: async () => telemetry.scrape(engine, policy),
    report: () => reportOf(engine),
  };
}
