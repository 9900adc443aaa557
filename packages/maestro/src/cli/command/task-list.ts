import { taskTypes } from "../../task/catalogue.ts";
import type { TaskDescription } from "../../task/task.ts";
import type { Cli } from "../cli.ts";
import { printList } from "../output.ts";

export async function run(cli: Cli): Promise<number> {
  const tasks = [...taskTypes().values()].map(({ description }) => description);
  await printList<TaskDescription>(cli, {
    columns: [
      { head: "TASK", value: ({ name, version }) => `${name}@${version}` },
      { head: "EFFECTS", value: ({ effects }) => effects.join(",") },
      { head: "TITLE", value: ({ title }) => title, flexible: true },
    ],
    rows: tasks,
    name: ({ name, version }) => `${name}@${version}`,
    answer: { apiVersion: "maestro/v1", kind: "TaskTypeList", tasks },
    member: "tasks",
    empty: "There are no task types.",
  });
  return 0;
}
