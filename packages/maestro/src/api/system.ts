import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { findRun } from "./find-run.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

export const listTasks = route({
  method: "GET",
  path: "/v1/tasks",
  operation: "listTaskTypes",
  summary: "The task types of this installation.",
  answers: [{ status: 200, type: "application/json", description: "`tasks`: the description of each." }],
  handle({ taskTypes }) {
    return Promise.resolve(
      object("TaskTypeList", { tasks: [...taskTypes.values()].map(({ description }) => description) }),
    );
  },
});

export const getTask = route({
  method: "GET",
  path: "/v1/tasks/{name}",
  operation: "getTaskType",
  summary: "One task type by `name` or `name@version`: its documentation, schemas, effects and an example.",
  answers: [{ status: 200, type: "application/json", description: "`task`: the description." }],
  handle({ taskTypes }, { params }) {
    const all = [...taskTypes.values()].map(({ description }) => description);
    const named = all.filter(({ name, version }) => name === params.name || `${name}@${version}` === params.name);
    const newest = named.toSorted((a, b) => b.version - a.version)[0];
    if (newest !== undefined) return Promise.resolve(object("TaskType", { task: newest }));
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
  summary: "Decides the run's stored history again and compares: the proof that the state is a function of the events.",
  answers: [
    {
      status: 200,
      type: "application/json",
      description: "`equal`, `events`, `head`, and where it differs, `difference` and `atSeq`.",
    },
  ],
  async handle({ store, replay }, { params }) {
    const run = await findRun(store, params.run);
    return object("Replay", await replay(run.id));
  },
});

export const getTrustRoot = route({
  method: "GET",
  path: "/v1/trust-root",
  operation: "getTrustRoot",
  summary: "The public keys whose receipts this control plane vouches for, old ones included.",
  answers: [
    {
      status: 200,
      type: "application/json",
      description: "The trust root as a file for `maestro verify --trust-root`.",
    },
  ],
  async handle({ trustRoot }) {
    return bytes(new TextEncoder().encode(await trustRoot()), "application/json");
  },
});

export const getHealth = route({
  method: "GET",
  path: "/v1/health",
  operation: "getHealth",
  summary: "That it lives, which version it is and what time it has.",
  answers: [{ status: 200, type: "application/json", description: "`status` is `ok`." }],
  handle({ version, now }) {
    return Promise.resolve(object("Health", { status: "ok", version, now: now(), pid: process.pid }));
  },
});
