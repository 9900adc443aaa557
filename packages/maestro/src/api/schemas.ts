import { SOURCES } from "../catalog/catalog.ts";
import type { JsonObject } from "../core/json.ts";
import { PROBLEMS } from "../core/problem.ts";
import {
  string,
  integer,
  boolean,
  anything,
  anyObject,
  time,
  digest,
  orNull,
  listOf,
  oneOf,
  ref,
  members,
  answer,
} from "./schema-parts.ts";
import { POLICY_ANSWERS, POLICY_PARTS } from "./schemas-policy.ts";
import { KEY_SET, OPENID_CONFIGURATION } from "./workload-schemas.ts";

// What JSON answers look like, in JSON Schema 2020-12. Objects are open: a later version may have more members, and a client
// that refuses those is broken by them. A test checks real answers against these.

const runStatus = oneOf("queued", "running", "cancelling", "succeeded", "failed", "cancelled", "denied");
const stepStatus = oneOf("pending", "running", "waiting", "succeeded", "failed", "skipped", "cancelled");
const workflow = {
  namespace: string,
  name: string,
  version: string,
  planDigest: digest,
  manifestDigest: digest,
  createdAt: time,
} as const;
const step = { task: string, item: { type: "integer", minimum: -1 } } as const;

const number: JsonObject = { type: "number" };
const milliseconds = members({ p50: orNull(number), p99: orNull(number) });

const PARTS = {
  ...POLICY_PARTS,
  Caller: members({
    type: oneOf("user", "service", "run", "schedule"),
    id: string,
    via: string,
    grants: listOf(members({ namespace: string, roles: listOf(string) })),
    properties: anyObject,
  }),
  Session: members({
    id: string,
    subject: string,
    issuer: orNull(string),
    label: string,
    createdAt: time,
    expiresAt: time,
    seenAt: time,
    revokedAt: orNull(time),
    revokedBy: orNull(string),
  }),
  EngineReport: members({
    activeRuns: integer,
    running: members({ inline: integer, process: integer, resident: integer }),
    waiting: integer,
    turns: integer,
    failedTurns: integer,
    turnMs: milliseconds,
    commitMs: milliseconds,
    dispatchMs: milliseconds,
    lastTurnAt: orNull(time),
    refused: integer,
    stalled: boolean,
  }),
  RunRow: members({
    id: string,
    namespace: string,
    workflow: string,
    version: string,
    name: string,
    planDigest: digest,
    status: runStatus,
    waiting: orNull(string),
    initiator: string,
    purpose: string,
    labels: { type: "object", additionalProperties: string },
    priority: integer,
    createdAt: time,
    startedAt: orNull(time),
    endedAt: orNull(time),
    wakeAt: orNull(time),
    concurrencyKey: orNull(string),
    idempotencyKey: orNull(string),
    parentRun: orNull(string),
    tasksTotal: integer,
    tasksDone: integer,
    error: orNull(string),
    seq: integer,
    head: { type: "string", description: "Digest of the chain of events up to `seq`." },
  }),
  TaskError: members({ code: string, message: string }),
  RunTask: members({
    id: string,
    phase: oneOf("main", "finally"),
    uses: string,
    needs: listOf(string),
    status: stepStatus,
    startedAt: orNull(time),
    endedAt: orNull(time),
    counts: { type: "object", additionalProperties: integer },
    attempts: integer,
    fanOut: boolean,
    cachedFrom: orNull(string),
    error: orNull(ref("TaskError")),
    waiting: orNull(members({ kind: string, text: string })),
    steps: listOf(members({ ...step, status: stepStatus, attempt: integer, error: orNull(ref("TaskError")) })),
  }),
  Event: { ...members({ seq: integer, at: time, kind: string }), description: "One event of a run's history." },
  Decision: members({
    id: string,
    allow: boolean,
    reasons: listOf(string),
    rules: listOf(string),
    policyDigest: digest,
  }),
  ApprovalRow: members({
    id: string,
    run: string,
    namespace: string,
    workflow: string,
    task: string,
    planDigest: digest,
    count: integer,
    roles: listOf(string),
    requestedBy: string,
    notRequester: boolean,
    message: string,
    requestedAt: time,
    expiresAt: time,
  }),
  TaskDescription: members({
    name: string,
    version: integer,
    title: string,
    docs: string,
    input: anyObject,
    output: anyObject,
    effects: listOf(string),
    runs: string,
    example: anyObject,
    "program?": digest,
  }),
  Hold: members({
    id: string,
    kind: oneOf("run", "namespace"),
    target: string,
    reason: string,
    placedBy: string,
    placedAt: time,
    releasedBy: orNull(string),
    releasedAt: orNull(time),
    releaseReason: orNull(string),
  }),
  Diagnostic: members({ rule: string, severity: oneOf("error", "warning"), message: string }),
} as const;

const ANSWERS = {
  ...POLICY_ANSWERS,
  Run: answer("Run", { run: ref("RunRow") }),
  RunView: answer("Run", {
    run: ref("RunRow"),
    authority: string,
    inputs: anyObject,
    outputs: orNull(anyObject),
    error: orNull(ref("TaskError")),
    tasks: listOf(ref("RunTask")),
    used: members({ wallMs: { type: "number" }, tasks: integer, usdMicros: integer }),
    receipts: listOf(members({ ordinal: integer, digest })),
  }),
  RunList: answer("RunList", { runs: listOf(ref("RunRow")), cursor: orNull(string) }),
  Preview: answer("Preview", { inputs: anyObject, decision: ref("Decision") }),
  EventList: answer("EventList", { run: string, events: listOf(ref("Event")), next: orNull(integer) }),
  LogList: answer("LogList", {
    run: string,
    logs: listOf(members({ run: string, ...step, attempt: integer, size: integer, lines: integer })),
  }),
  LogMatches: answer("LogMatches", {
    run: string,
    ...step,
    attempt: integer,
    lines: listOf(members({ line: integer, offset: integer, text: string })),
  }),
  ArtifactList: answer("ArtifactList", {
    run: string,
    artifacts: listOf(members({ ...step, name: string, digest, size: integer })),
  }),
  LedgerList: answer("LedgerList", {
    entries: listOf(members({ place: integer, kind: string, run: orNull(string), event: anyObject })),
    cursor: orNull(string),
  }),
  LedgerCheck: answer("LedgerCheck", { size: integer, checked: integer, root: string, signedAt: time }),
  AuditList: answer("AuditList", {
    entries: listOf(members({ place: integer, entry: anyObject })),
    cursor: orNull(string),
  }),
  LedgerConsistency: answer("LedgerConsistency", {
    from: integer,
    size: integer,
    hashes: listOf(string),
    checkpoint: string,
  }),
  WitnessList: answer("WitnessList", {
    quorum: integer,
    witnesses: listOf(
      members({ name: string, url: string, size: integer, outcome: string, detail: string, at: integer }),
    ),
  }),
  ReceiptList: answer("ReceiptList", {
    receipts: listOf(members({ id: string, run: string, ordinal: integer, digest, createdAt: time })),
    cursor: orNull(string),
  }),
  Plan: answer("Plan", {
    digest: orNull(digest),
    plan: orNull(anyObject),
    "diagnostics?": listOf(ref("Diagnostic")),
    "manifest?": string,
  }),
  Published: answer("Workflow", { ...workflow, diagnostics: listOf(ref("Diagnostic")) }),
  Workflow: answer("Workflow", {
    ...workflow,
    source: oneOf(...SOURCES),
    manifest: string,
    plan: anyObject,
    signature: orNull(ref("SigstoreBundle")),
    versions: listOf(members({ version: string, planDigest: digest, createdAt: time })),
  }),
  WorkflowList: answer("WorkflowList", {
    workflows: listOf(
      members({
        source: oneOf(...SOURCES),
        namespace: orNull(string),
        name: orNull(string),
        version: orNull(string),
        planDigest: orNull(digest),
        createdAt: orNull(time),
        file: orNull(string),
        problem: orNull(members({ message: string, diagnostics: listOf(ref("Diagnostic")) })),
      }),
    ),
    folder: orNull(members({ path: string, problem: orNull(string) })),
    cursor: orNull(string),
  }),
  Replay: answer("Replay", { equal: boolean, events: integer, head: string, "difference?": anything }),
  ComparisonList: answer("ComparisonList", {
    plan: digest,
    comparisons: listOf(
      members({
        run: string,
        status: runStatus,
        events: integer,
        kind: oneOf("same", "differs", "incomparable"),
        "seq?": integer,
        "why?": string,
      }),
    ),
  }),
  ApprovalList: answer("ApprovalList", { approvals: listOf(ref("ApprovalRow")) }),
  Answered: answer("Run", { run: ref("RunRow"), approval: string, verdict: oneOf("approve", "deny") }),
  TaskTypeList: answer("TaskTypeList", { tasks: listOf(ref("TaskDescription")) }),
  TaskType: answer("TaskType", { task: ref("TaskDescription") }),
  TaskTypeAdded: answer("TaskTypeAdded", {
    task: ref("TaskDescription"),
    outdated: listOf(members({ namespace: string, name: string, version: string })),
  }),
  TaskTypeRemoved: answer("TaskTypeRemoved", { name: string }),
  TrustRoot: anyObject,
  SigstoreBundle: members({ mediaType: string, verificationMaterial: anyObject, dsseEnvelope: anyObject }),
  DisclosureSalts: answer("DisclosureSalts", {
    package: digest,
    fields: listOf(members({ path: string, pointer: string, salt: string, value: {} })),
  }),
  Health: answer("Health", {
    status: { const: "ok" },
    version: string,
    now: time,
    breakGlass: listOf(ref("BreakGlass")),
    "pid?": integer,
    "engine?": ref("EngineReport"),
  }),
  RetentionPass: answer("RetentionPass", {
    dryRun: boolean,
    startedAt: time,
    endedAt: time,
    policy: anyObject,
    removed: { type: "object", additionalProperties: integer },
    held: integer,
    needed: integer,
  }),
  Retention: answer("Retention", {
    policy: anyObject,
    passes: listOf(members({ startedAt: time, endedAt: time, startedBy: string, removed: anyObject })),
  }),
  HoldAnswer: answer("Hold", { hold: ref("Hold") }),
  HoldList: answer("HoldList", { holds: listOf(ref("Hold")) }),
  IdentityDescription: answer("IdentityDescription", {
    issuers: listOf(
      members({
        name: string,
        issuer: string,
        audience: string,
        type: string,
        login: orNull(members({ clientId: string, scopes: listOf(string), audienceParameter: string })),
      }),
    ),
  }),
  NewSession: answer("NewSession", {
    token: string,
    tokenType: { const: "Bearer" },
    issuedTokenType: string,
    expiresAt: time,
    session: ref("Session"),
    caller: ref("Caller"),
  }),
  SessionAnswer: answer("Session", { session: ref("Session") }),
  SessionList: answer("SessionList", { sessions: listOf(ref("Session")) }),
  RevokedSessions: answer("RevokedSessions", { revoked: listOf(string) }),
  WhoAmI: answer("WhoAmI", { caller: ref("Caller"), session: orNull(ref("Session")) }),
  LoginLink: answer("LoginLink", { url: string, expiresAt: time }),
  Liveness: answer("Liveness", { status: { const: "live" } }),
  Readiness: answer("Readiness", { status: { const: "ready" } }),
  OpenIdConfiguration: OPENID_CONFIGURATION,
  KeySet: KEY_SET,
  OpenApi: members({ openapi: string, info: anyObject, paths: anyObject, components: anyObject }),
} as const;

export type SchemaName = keyof typeof ANSWERS;

/** RFC 9457, with what every problem of ours adds. */
const PROBLEM: JsonObject = {
  ...members({
    type: { type: "string", format: "uri-reference" },
    title: string,
    status: { type: "integer", minimum: 400, maximum: 599 },
    detail: string,
    instance: { type: "string", format: "uri-reference" },
    code: { type: "string", enum: Object.keys(PROBLEMS), description: "Stays the same from version to version." },
    class: { type: "string", enum: [...new Set(Object.values(PROBLEMS).map((one) => one.class))] },
    fix: { type: "string", description: "What to do next." },
    facts: { type: "object", description: "Particulars of the case as data." },
    requestId: { type: "string", description: "Also the header `x-request-id`." },
  }),
  description: "RFC 9457 problem details.",
};

/** `components.schemas` of the API's description. */
export const SCHEMAS: Readonly<Record<string, JsonObject>> = { Problem: PROBLEM, ...PARTS, ...ANSWERS };
