import type { Cli } from "../cli.ts";
import { knownTypes, sourceOf } from "../known-types.ts";
import { printList } from "../output.ts";

export async function run(cli: Cli): Promise<number> {
  const known = await knownTypes(cli);
  const rows = await Promise.all(known.map(async (type) => ({ ...type.description, source: await sourceOf(type) })));
  await printList(cli, {
    columns: [
      { head: "TASK", value: ({ name, version }) => `${name}@${version}` },
      { head: "EFFECTS", value: ({ effects }) => effects.join(",") },
      { head: "TITLE", value: ({ title }) => title, flexible: true },
      { head: "SOURCE", value: ({ source }) => source, wide: true },
    ],
    rows,
    name: ({ name, version }) => `${name}@${version}`,
    answer: { apiVersion: "maestro/v1", kind: "TaskTypeList", tasks: rows },
    member: "tasks",
    empty: "There are no task types.",
  });
  return 0;
}
