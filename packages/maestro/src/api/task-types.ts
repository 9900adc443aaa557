import { outdatedBy } from "../catalog/outdated.ts";
import { MAX_ENVIRONMENT_NAMES } from "../task/external-registry.ts";
import { list, optional, text } from "./field.ts";
import { object } from "./respond.ts";
import { route } from "./route.ts";

export const addTask = route({
  method: "POST",
  path: "/v1/tasks",
  operation: "addTaskType",
  access: { action: "task.manage", as: "change" },
  summary:
    "Adds a program of this machine as a task type, or adds it again after it was changed. The program is started and asked to describe itself.",
  body: {
    path: text("The program: an executable or a TypeScript or JavaScript module, absolute.", { max: 4096 }),
    env: optional(
      list(
        "Variables of the engine's environment that it is given.",
        text("A name.", { max: 128, pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }),
        MAX_ENVIRONMENT_NAMES,
      ),
    ),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "TaskTypeAdded",
      description:
        "`task`: what it says about itself, and the digest of its file. `outdated`: published workflows whose newest version names another program as this type; their runs fail until they are published again.",
    },
  ],
  async handle({ external, store }, { body, access }) {
    await access.onInstallation();
    const task = await external.add(body.path, body.env ?? []);
    const outdated = await outdatedBy(store, task, access.scope);
    return object("TaskTypeAdded", {
      task,
      outdated: outdated.map(({ namespace, name, version }) => ({ namespace, name, version })),
    });
  },
});

export const removeTask = route({
  method: "POST",
  path: "/v1/tasks/{name}/remove",
  operation: "removeTaskType",
  access: { action: "task.manage", as: "change" },
  summary: "Takes out the task type of a program, by `name@version`. The program's file stays.",
  body: {},
  answers: [
    { status: 200, type: "application/json", schema: "TaskTypeRemoved", description: "`name`: what was removed." },
  ],
  async handle({ external }, { params, access }) {
    await access.onInstallation();
    external.remove(params.name);
    return object("TaskTypeRemoved", { name: params.name });
  },
});
