import { join } from "node:path";
import type { ApiRequest } from "../api/api-request.ts";
import type { LazyIdentity } from "../api/open-identity.ts";
import { lazyIdentity } from "../api/open-identity.ts";
import { requestIdOf } from "../api/request-id.ts";
import type { Actor } from "../core/event.ts";
import { messageOf } from "../core/problem.ts";
import type { Issuer } from "../identity/issuer.ts";
import { openIssuer, readIssuerUrl } from "../identity/issuer.ts";
import type { RefusalReason } from "../identity/refused.ts";
import type { PolicyDesk } from "../policy/desk.ts";
import { openDesk } from "../policy/desk.ts";
import type { AuditTrail } from "../provenance/audit.ts";
import { openAudit } from "../provenance/audit.ts";
import type { Base } from "./base.ts";

/** Who asks, what they may, and the memory of both. */
export interface Governance {
  readonly audit: AuditTrail;
  /** Its gate is what is asked before every effect. */
  readonly policy: PolicyDesk;
  /** Of tokens for workloads. */
  readonly issuer: Issuer;
  readonly identity: LazyIdentity;
  /** Told of each request that proved to be nobody's. */
  readonly refused: (reason: RefusalReason, request: ApiRequest) => void;
}

export async function openGovernance(base: Base, owner: Actor): Promise<Governance> {
  const audit = openAuditTrail(base);
  const policy = await openPolicy(base, audit);
  const issuer = openOwnIssuer(base);
  const identity = openIdentity(base, owner);
  return { audit, policy, issuer, identity, refused: refusalsTo(base, audit) };
}

function openAuditTrail({ store, builder, now, randomBytes, log, atEnd }: Base): AuditTrail {
  const audit = openAudit({
    store,
    source: builder,
    now,
    randomBytes,
    failed: (error) => log("warn", "the audit could not be written; it is tried again", { error: messageOf(error) }),
  });
  atEnd(() => audit.close());
  return audit;
}

async function openPolicy(base: Base, audit: AuditTrail): Promise<PolicyDesk> {
  const { dataDir, store, builder, now, randomBytes, environment, log, passive, atEnd } = base;
  const policy = await openDesk({
    dataDir,
    store,
    audit,
    source: builder,
    now,
    randomBytes,
    environment,
    log,
    passive,
  });
  atEnd(() => policy.close());
  return policy;
}

function openOwnIssuer({ dataDir, options, now }: Base): Issuer {
  return openIssuer({
    dir: join(dataDir, "keys"),
    now,
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
    ...(options.issuer === undefined ? {} : { url: readIssuerUrl(options.issuer) }),
  });
}

function openIdentity({ dataDir, store, now, randomBytes, log }: Base, owner: Actor): LazyIdentity {
  return lazyIdentity({
    dataDir,
    store: store.sessions,
    owner: owner.id,
    now,
    randomBytes,
    failed: (error) => log("error", "nobody but the owner comes in", { error: messageOf(error) }),
  });
}

function refusalsTo({ telemetry }: Base, audit: AuditTrail): Governance["refused"] {
  return (reason, request) => {
    const requestId = requestIdOf(request);
    // Floods are told apart by where they come from.
    const from = request.peer;
    telemetry.refused(reason, requestId);
    audit.note({
      kind: "refused",
      actor: { type: "unknown", id: "unknown" },
      action: "session.prove",
      resource: { type: "installation", id: "*" },
      namespace: null,
      allow: false,
      request: requestId,
      ...(from === undefined ? {} : { from }),
      code: "unauthorized",
      detail: { reason },
    });
  };
}
