import { resolve } from "node:path";
import type { WorkflowRef } from "../../core/plan.ts";
import type { TaskDescription } from "../../task/task.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  // A server's programs are files of the server, and it says so where the path is not one.
  const path = cli.target.kind === "server" ? input.arg("path") : resolve(cli.cwd, input.arg("path"));
  const client = await cli.connect("look");
  try {
    const answer = await client.send<Added>("POST", "/v1/tasks", { path, env: input.texts("env") });
    if (isData(cli)) {
      await printObject(cli, answer);
      return 0;
    }
    const { name, version, effects, program } = answer.task;
    await printLines(cli, [`${name}@${version}`]);
    cli.terminal.say(`  effects  ${effects.length === 0 ? "none" : effects.join(", ")}`);
    cli.terminal.say(`  program  ${program ?? ""}`);
    for (const line of outdatedLines(answer)) cli.terminal.say(line);
    cli.terminal.say(`  next     maestro task show ${name}@${version}`);
    return 0;
  } finally {
    await client.close();
  }
}

interface Added {
  readonly task: TaskDescription;
  readonly outdated: readonly WorkflowName[];
}

type WorkflowName = Pick<WorkflowRef, "namespace" | "name" | "version">;

/** What a screen holds. */
const MAX_SHOWN = 10;

/** A published workflow keeps its plan, and the plan the program that it was made with. */
function outdatedLines({ outdated }: Added): readonly string[] {
  if (outdated.length === 0) return [];
  const names = outdated.slice(0, MAX_SHOWN).map(({ namespace, name, version }) => `${namespace}/${name}@${version}`);
  const more = outdated.length > MAX_SHOWN ? [`and ${outdated.length - MAX_SHOWN} more`] : [];
  return [
    `  outdated ${[...names, ...more].join(", ")}`,
    "           They name the program that was here before, and their runs fail: raise metadata.version and publish them again.",
  ];
}
