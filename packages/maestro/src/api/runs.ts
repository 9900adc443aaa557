import type { RunStatus } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import type { RunView } from "../engine/engine.ts";
import type { Store } from "../store/store.ts";
import type { ApiRequest } from "./api-request.ts";
import { choice, flag, integer, json, jsonObject, list, optional, text, textMap } from "./field.ts";
import { IF_NONE_MATCH, tagged } from "./etag.ts";
import { initiatorOf } from "./initiator.ts";
import { originOf, TRACE_HEADERS } from "./origin.ts";
import { DIGEST_PATTERN, MAX_MANIFEST, PLAN_SOURCE, planOfRun, refuseFolders, resolvePlan } from "./plans.ts";
import { viewRun } from "./removed-run.ts";
import { object, objectOfTexts } from "./respond.ts";
import { route } from "./route.ts";
import type { SchemaName } from "./schemas.ts";

const STATUSES: readonly RunStatus[] = [
  "queued",
  "running",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "denied",
];
const TASK_ID = "^[A-Za-z_][A-Za-z0-9_-]{0,99}$";
const LABEL_KEY = "^[a-z0-9A-Z]([a-z0-9A-Z._/-]{0,61}[a-z0-9A-Z])?$";

const runAnswer = (status: number, description: string, schema: SchemaName = "Run") =>
  ({ status, type: "application/json", schema, description }) as const;

const MAX_KEY = 200;
const IDEMPOTENCY_KEY = {
  name: "idempotency-key",
  description:
    "The same key in the same namespace gives the run that was started first; with other inputs or another plan it is a `conflict`.",
} as const;

export const startRun = route({
  method: "POST",
  path: "/v1/runs",
  operation: "startRun",
  access: { action: "run.start", as: "change" },
  summary:
    "Asks the gate and records a run; answered when it is durable. A denied run is recorded too: look at its status.",
  body: {
    ...PLAN_SOURCE,
    plan: optional(
      text("The plan's digest: what was looked at is what runs. Alone, it names a stored plan.", {
        max: 71,
        pattern: DIGEST_PATTERN,
      }),
    ),
    inputs: optional(jsonObject("Checked against the workflow's inputs; defaults are filled in.")),
    purpose: optional(
      text("Why: one of the workflow's purposes. May be left out where there is exactly one.", { max: 200 }),
    ),
    authority: optional(text("Under which mandate: a ticket, an approval, a legal basis.", { min: 0, max: 1000 })),
    name: optional(text("Default: the workflow's name.", { max: 200 })),
    labels: optional(textMap("For finding the run again.", { pattern: LABEL_KEY }, text("", { min: 0, max: 200 }), 50)),
    priority: optional(integer("Higher first; default 0.", { min: -100, max: 100 })),
    key: optional(
      text(
        "Idempotency key: the same key in the same namespace gives the run that was started first, and is refused for other inputs or another workflow. Also as the header Idempotency-Key.",
        { max: 200 },
      ),
    ),
    dryRun: optional(flag("Check everything and ask the gate, but record and start nothing.")),
    base: optional(
      text(
        "The folder the run is started in, from which relative paths of tasks and inputs are meant. Absolute; the owner's to name; default: `work` in the data directory.",
        {
          max: 4096,
          pattern: "^/",
        },
      ),
    ),
  },
  maxBody: 4 * MAX_MANIFEST,
  headers: [...TRACE_HEADERS, IDEMPOTENCY_KEY],
  answers: [
    runAnswer(201, "`run`: its row."),
    runAnswer(200, "With `dryRun`: `inputs` with defaults filled in, and the gate's `decision`.", "Preview"),
  ],
  async handle(deps, { body, request, access }) {
    refuseFolders(access, body);
    const plan = await resolvePlan(deps, access, body);
    access.leftToEngine();
    const key = body.key ?? idempotencyKeyOf(request);
    const start = {
      plan,
      inputs: body.inputs ?? {},
      purpose: body.purpose ?? onlyPurpose(plan.text),
      authority: body.authority ?? "",
      initiator: await initiatorOf(deps.store, access, plan),
      origin: originOf(request),
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.labels === undefined ? {} : { labels: body.labels }),
      ...(body.priority === undefined ? {} : { priority: body.priority }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...(body.base === undefined ? {} : { base: body.base }),
    };
    if (body.dryRun === true) return object("Preview", await deps.engine.preview(start));
    const run = await deps.engine.start(start);
    access.did(run);
    return object("Run", { run }, { status: 201, headers: { location: `/v1/runs/${run.id}` } });
  },
});

function idempotencyKeyOf(request: ApiRequest): string | undefined {
  const key = request.headers.get("idempotency-key") ?? undefined;
  if (key !== undefined && (key === "" || key.length > MAX_KEY))
    throw new MaestroError("invalid_request", `Idempotency-Key has 1 to ${MAX_KEY} characters.`);
  return key;
}

/** The purpose that needs no naming because there is no other; else "", and the gate says what it thinks of that. */
function onlyPurpose(planText: string): string {
  const { purposes } = JSON.parse(planText) as { readonly purposes: readonly string[] };
  return purposes.length === 1 ? (purposes[0] ?? "") : "";
}

export const listRuns = route({
  method: "GET",
  path: "/v1/runs",
  operation: "listRuns",
  access: { action: "run.list", as: "read" },
  summary: "Runs, newest first, in keyset pages.",
  query: {
    status: optional(list("Any of these; repeat or separate by commas.", choice("", STATUSES), STATUSES.length)),
    workflow: optional(text("Name of the workflow.", { max: 200 })),
    namespace: optional(text("Namespace.", { max: 100 })),
    label: optional(text("`key=value`.", { max: 300, pattern: "^[^=]+=.*$" })),
    initiator: optional(text("Who started it.", { max: 200 })),
    parent: optional(text("Child runs of this run.", { max: 64 })),
    from: optional(integer("Created at or after, epoch milliseconds.", { min: 0, max: 8.64e15 })),
    to: optional(integer("Created before, epoch milliseconds.", { min: 0, max: 8.64e15 })),
    text: optional(text("Part of id, name, workflow or error.", { max: 200 })),
    limit: optional(integer("Default 50.", { min: 1, max: 500 })),
    cursor: optional(text("`cursor` of the page before.", { max: 500 })),
  },
  answers: [runAnswer(200, "`runs`: their rows, and `cursor` of the next page, null at the end.", "RunList")],
  async handle({ store }, { query, access }) {
    const { label, parent, namespace, limit = 50, ...rest } = query;
    const namespaces = await access.inNamespaces(namespace);
    const [labelKey = "", ...value] = label?.split("=") ?? [];
    const { runs, cursor } = await store.runListText({
      ...rest,
      limit,
      ...(namespace === undefined ? {} : { namespace }),
      ...(namespaces === undefined ? {} : { namespaces }),
      ...(label === undefined ? {} : { label: { key: labelKey, value: value.join("=") } }),
      ...(parent === undefined ? {} : { parentRun: (await access.onRun(parent, "run.read")).id }),
    });
    return objectOfTexts("RunList", { runs, cursor: JSON.stringify(cursor) });
  },
});

export const getRun = route({
  method: "GET",
  path: "/v1/runs/{run}",
  operation: "getRun",
  access: { action: "run.read", as: "read" },
  summary:
    "A run with every task and, for what waits, why. The id may be a unique beginning or end of one, @last or @failed.",
  headers: [IF_NONE_MATCH],
  answers: [
    runAnswer(
      200,
      "`run`, `inputs`, `outputs`, `error`, `tasks`, `used` and `receipts`. With `ETag`; 304 for `If-None-Match`.",
      "RunView",
    ),
  ],
  async handle({ store, engine }, { params, access }) {
    const row = await access.onRun(params.run);
    const view = await viewRun({ engine, store }, row);
    return tagged(object("Run", { ...view, receipts: await allReceipts(store, view) }));
  },
});

/** The engine knows the newest; each retry before it left one too. */
async function allReceipts(store: Store, { run, receipts }: RunView): Promise<RunView["receipts"]> {
  const earlier: RunView["receipts"][number][] = [];
  for (let ordinal = 1; ordinal < (receipts[0]?.ordinal ?? 1); ordinal++) {
    const receipt = await store.receiptGet(run.id, ordinal);
    if (receipt !== undefined) earlier.push({ ordinal, digest: receipt.digest });
  }
  return [...earlier, ...receipts];
}

export const changeRun = route({
  method: "PATCH",
  path: "/v1/runs/{run}",
  operation: "changeRun",
  access: { action: "run.cancel", as: "change" },
  summary: "Cancels a run, or retries its failed tasks (or those named) and what depended on them, in the same run.",
  body: {
    action: choice("What to do; to retry takes the action run.retry.", ["cancel", "retry"]),
    reason: optional(text("cancel: why; recorded.", { max: 1000 })),
    force: optional(flag("cancel: end running attempts at once instead of with grace.")),
    tasks: optional(list("retry: only these tasks.", text("", { max: 100, pattern: TASK_ID }), 10_000)),
  },
  maxBody: 2 * 1024 * 1024,
  answers: [runAnswer(200, "`run`: its row when the change is durable.")],
  async handle({ engine }, { params, body, access }) {
    const { id, namespace } = await access.onRun(params.run, body.action === "cancel" ? "run.cancel" : "run.retry");
    const by = access.actor(namespace);
    if (body.action === "cancel") {
      if (body.tasks !== undefined)
        throw new MaestroError("invalid_request", "the body: /tasks belongs to retry; a cancel is for the whole run.");
      return object("Run", {
        run: await engine.send(id, {
          kind: "cancel",
          by,
          reason: body.reason ?? "",
          force: body.force ?? false,
        }),
      });
    }
    // A retry records no reason: what is sent for one would be lost without a word.
    for (const name of ["force", "reason"] as const)
      if (body[name] !== undefined) throw new MaestroError("invalid_request", `the body: /${name} belongs to cancel.`);
    return object("Run", {
      run: await engine.send(id, {
        kind: "retry",
        by,
        ...(body.tasks === undefined ? {} : { tasks: body.tasks }),
      }),
    });
  },
});

export const rerunRun = route({
  method: "POST",
  path: "/v1/runs/{run}/rerun",
  operation: "rerunRun",
  access: { action: "run.start", as: "change" },
  summary:
    "A new run of the same plan. With `from`, what succeeded before that task is reused; with `inputs`, those instead of the old ones.",
  body: {
    from: optional(text("Task to begin with.", { max: 100, pattern: TASK_ID })),
    inputs: optional(jsonObject("All inputs of the new run. Absent: the same as before.")),
  },
  maxBody: 2 * MAX_MANIFEST,
  headers: [...TRACE_HEADERS, IDEMPOTENCY_KEY],
  answers: [runAnswer(201, "`run`: the new run's row.")],
  async handle({ store, engine }, { request, params, body, access }) {
    const { id, planDigest } = await access.onRun(params.run, "run.read");
    const plan = await planOfRun(store, id, planDigest);
    access.leftToEngine();
    const key = idempotencyKeyOf(request);
    const run = await engine.rerun(id, {
      initiator: await initiatorOf(store, access, plan),
      origin: originOf(request),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...body,
    });
    access.did(run);
    return object("Run", { run }, { status: 201, headers: { location: `/v1/runs/${run.id}` } });
  },
});

export const signalRun = route({
  method: "POST",
  path: "/v1/runs/{run}/signals",
  operation: "signalRun",
  access: { action: "run.signal", as: "change" },
  summary: "Gives a run a signal that a task waits for, or will.",
  body: {
    name: text("The signal's name.", { max: 200 }),
    payload: optional(json("What the waiting task gives as its output.")),
  },
  maxBody: 1024 * 1024,
  answers: [runAnswer(200, "`run`: its row when the signal is durable.")],
  async handle({ engine }, { params, body, access }) {
    const { id, namespace } = await access.onRun(params.run);
    const by = access.actor(namespace);
    const payload: JsonObject | (typeof body)["payload"] = body.payload ?? null;
    return object("Run", { run: await engine.send(id, { kind: "signal", name: body.name, payload, by }) });
  },
});
