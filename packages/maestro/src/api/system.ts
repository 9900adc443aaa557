import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { requestIdOf } from "./request-id.ts";
import { bytes, object, problem } from "./respond.ts";
import { route } from "./route.ts";

export const listTasks = route({
  method: "GET",
  path: "/v1/tasks",
  operation: "listTaskTypes",
  access: { action: "task.read", as: "read" },
  summary: "The task types of this installation.",
  answers: [
    { status: 200, type: "application/json", schema: "TaskTypeList", description: "`tasks`: the description of each." },
  ],
  async handle({ taskTypes }, { access }) {
    await access.onInstallation();
    return object("TaskTypeList", { tasks: [...taskTypes.values()].map(({ description }) => description) });
  },
});

export const getTask = route({
  method: "GET",
  path: "/v1/tasks/{name}",
  operation: "getTaskType",
  access: { action: "task.read", as: "read" },
  summary: "One task type by `name` or `name@version`: its documentation, schemas, effects and an example.",
  answers: [{ status: 200, type: "application/json", schema: "TaskType", description: "`task`: the description." }],
  async handle({ taskTypes }, { params, access }) {
    await access.onInstallation();
    const all = [...taskTypes.values()].map(({ description }) => description);
    const named = all.filter(({ name, version }) => name === params.name || `${name}@${version}` === params.name);
    const newest = named.toSorted((a, b) => b.version - a.version)[0];
    if (newest !== undefined) return object("TaskType", { task: newest });
    const near = suggest(params.name.replace(/@.*$/, ""), new Set(all.map(({ name }) => name)));
    throw new MaestroError(
      "not_found",
      `There is no task type ${params.name.slice(0, 100)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      { fix: "List them: `maestro task list`." },
    );
  },
});

export const replayRun = route({
  method: "GET",
  path: "/v1/runs/{run}/replay",
  operation: "replayRun",
  access: { action: "run.replay", as: "read" },
  summary: "Decides the run's stored history again and compares: the proof that the state is a function of the events.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "Replay",
      description: "`equal`, `events`, `head`, and where it differs, `difference` and `atSeq`.",
    },
  ],
  async handle({ replay }, { params, access }) {
    const run = await access.onRun(params.run);
    return object("Replay", await replay(run.id));
  },
});

export const getTrustRoot = route({
  method: "GET",
  path: "/v1/trust-root",
  operation: "getTrustRoot",
  access: { action: "system.read", as: "read" },
  summary: "The public keys whose receipts this control plane vouches for, old ones included.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "TrustRoot",
      description: "The trust root as a file for `maestro verify --trust-root`.",
    },
  ],
  async handle({ trustRoot }, { access }) {
    await access.onInstallation();
    return bytes(new TextEncoder().encode(await trustRoot()), "application/json");
  },
});

export const getHealth = route({
  method: "GET",
  path: "/v1/health",
  operation: "getHealth",
  access: { action: "system.read", as: "read" },
  summary:
    "That it lives, which version it is, what time it has and who goes past the policy now; to those who have a part in all namespaces also how its engine is doing.",
  answers: [{ status: 200, type: "application/json", schema: "Health", description: "`status` is `ok`." }],
  async handle({ version, now, report, policy }, { access }) {
    await access.onInstallation();
    // An emergency is everybody's business, as far as they know of the place.
    const breakGlass = policy.breakGlass.current.filter(
      ({ namespace }) => access.scope === undefined || namespace === "*" || access.sees(namespace),
    );
    // How busy it is tells of all namespaces together.
    const inside = access.scope === undefined ? { pid: process.pid, engine: report() } : {};
    return object("Health", { status: "ok", version, now: now(), breakGlass, ...inside });
  },
});

export const getLiveness = route({
  method: "GET",
  path: "/healthz",
  operation: "getLiveness",
  access: null,
  summary: "That the process answers. For a supervisor; needs no token.",
  answers: [{ status: 200, type: "application/json", schema: "Liveness", description: "`status` is `live`." }],
  handle() {
    return Promise.resolve(object("Liveness", { status: "live" }));
  },
});

export const getReadiness = route({
  method: "GET",
  path: "/readyz",
  operation: "getReadiness",
  access: null,
  summary: "Whether new work would be taken now, else why not. For a supervisor; needs no token.",
  answers: [
    { status: 200, type: "application/json", schema: "Readiness", description: "`status` is `ready`." },
    { status: 503, type: "application/problem+json", description: "`detail` says why not." },
  ],
  async handle({ ready, fault }, { request }) {
    try {
      await ready();
      return object("Readiness", { status: "ready" });
    } catch (error) {
      const requestId = requestIdOf(request);
      if (!(error instanceof MaestroError)) fault(error, requestId);
      return problem(error, { instance: "/readyz", requestId }, { status: 503 });
    }
  },
});
