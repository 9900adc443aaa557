import { randomBytes } from "node:crypto";
import { makeId } from "../core/id.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { Hold } from "../store/retention.ts";
import type { Access } from "./access.ts";
import { flag, integer, optional, text } from "./field.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

export const runRetention = route({
  method: "POST",
  path: "/v1/retention/passes",
  operation: "runRetention",
  access: { action: "retention.run", as: "change" },
  summary:
    "Removes what has had its time by the policy, or with `dryRun` counts what would go. Answered when it is done.",
  body: { dryRun: optional(flag("Count only.")) },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "RetentionPass",
      description: "`removed`: runs by part, rows, blobs and bytes; `held` and `needed`: runs that were due and stay.",
    },
  ],
  async handle({ retention }, { body, access }) {
    await access.onInstallation();
    const report = await retention.run({ by: access.by, dryRun: body.dryRun ?? false });
    return object("RetentionPass", report);
  },
});

export const getRetention = route({
  method: "GET",
  path: "/v1/retention",
  operation: "getRetention",
  access: { action: "system.read", as: "read" },
  summary:
    "The policy as it is now, and what was removed by it, newest first: to those who have a part in all namespaces.",
  query: { limit: optional(integer("Passes; default 20.", { min: 1, max: 1000 })) },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Retention",
      description: "`policy`: durations by clock; `passes`: when, who and how much.",
    },
  ],
  async handle({ retention, store }, { query, access }) {
    await access.onInstallation();
    // They count what was removed anywhere.
    const passes = access.scope === undefined ? await store.retention.passList(query.limit ?? 20) : [];
    const policy = await retention.policy();
    return object("Retention", {
      policy: { ...policy, namespaces: ofScope(policy["namespaces"], access.scope) },
      passes: passes.map(({ startedAt, endedAt, startedBy, removed }) => ({ startedAt, endedAt, startedBy, removed })),
    });
  },
});

/** What is told of namespaces that have clocks of their own. */
function ofScope(named: JsonValue | undefined, scope: readonly string[] | undefined): JsonObject {
  return Object.fromEntries(
    Object.entries(isJsonObject(named) ? named : {}).filter(([name]) => scope?.includes(name) ?? true),
  );
}

export const setHold = route({
  method: "POST",
  path: "/v1/holds",
  operation: "setHold",
  access: { action: "hold.manage", as: "change" },
  summary: "Places a legal hold on a run or a namespace: nothing of it is removed until the hold is released.",
  body: {
    run: optional(text("A run's id, a unique beginning or end of one, @last or @failed.", { max: 64 })),
    namespace: optional(text("All runs of this namespace, also those to come.", { max: 100 })),
    reason: text("Why; recorded.", { max: 1000 }),
  },
  answers: [
    { status: 201, type: "application/json", schema: "HoldAnswer", description: "`hold`: its id and what it covers." },
  ],
  async handle({ store, now }, { body, access }) {
    if ((body.run === undefined) === (body.namespace === undefined))
      throw new MaestroError(
        "invalid_request",
        "the body: a hold is on either a run or a namespace; name one of them.",
      );
    const target = await held(access, body);
    const at = now();
    const hold: Hold = {
      id: makeId("h", at, randomBytes(10)),
      kind: body.run === undefined ? "namespace" : "run",
      target,
      reason: body.reason,
      placedBy: access.by,
      placedAt: at,
      releasedBy: null,
      releasedAt: null,
      releaseReason: null,
    };
    await store.retention.holdPut(hold);
    return object("Hold", { hold }, { status: 201 });
  },
});

/** The id of what is to be held, once it may be. */
async function held(access: Access, body: { readonly run?: string; readonly namespace?: string }): Promise<string> {
  if (body.run !== undefined) return (await access.onRun(body.run)).id;
  const namespace = body.namespace ?? "";
  await access.on({ type: "namespace", id: namespace, namespace });
  return namespace;
}

export const releaseHold = route({
  method: "POST",
  path: "/v1/holds/{hold}/release",
  operation: "releaseHold",
  access: { action: "hold.manage", as: "change" },
  summary: "Releases a legal hold. It stays on record.",
  body: { reason: text("Why; recorded.", { max: 1000 }) },
  answers: [{ status: 200, type: "application/json", schema: "HoldAnswer", description: "`hold`: as it is now." }],
  async handle({ store, now }, { params, body, access }) {
    await access.onInstallation();
    const release = { by: access.by, at: now(), reason: body.reason };
    return object("Hold", { hold: await store.retention.holdRelease(params.hold, release) });
  },
});

export const listHolds = route({
  method: "GET",
  path: "/v1/holds",
  operation: "listHolds",
  access: { action: "system.read", as: "read" },
  summary: "Legal holds on what the caller has a part in, newest first; with `all` also those that were released.",
  query: {
    all: optional(integer("1: also released ones.", { min: 0, max: 1 })),
    limit: optional(integer("Default 100.", { min: 1, max: 1000 })),
  },
  answers: [{ status: 200, type: "application/json", schema: "HoldList", description: "`holds`." }],
  async handle({ store }, { query, access }) {
    const namespaces = await access.inNamespaces();
    return object("HoldList", {
      holds: await store.retention.holdList({
        open: query.all !== 1,
        limit: query.limit ?? 100,
        ...(namespaces === undefined ? {} : { namespaces }),
      }),
    });
  },
});
