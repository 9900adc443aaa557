import { resolve } from "node:path";
import type { TaskDescription } from "../../task/task.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  // A server's programs are files of the server, and it says so where the path is not one.
  const path = cli.target.kind === "server" ? input.arg("path") : resolve(cli.cwd, input.arg("path"));
  const client = await cli.connect("look");
  try {
    const answer = await client.send<{ readonly task: TaskDescription }>("POST", "/v1/tasks", {
      path,
      env: input.texts("env"),
    });
    if (isData(cli)) {
      await printObject(cli, answer);
      return 0;
    }
    const { name, version, effects, program } = answer.task;
    await printLines(cli, [`${name}@${version}`]);
    cli.terminal.say(`  effects  ${effects.length === 0 ? "none" : effects.join(", ")}`);
    cli.terminal.say(`  program  ${program ?? ""}`);
    cli.terminal.say(`  next     maestro task show ${name}@${version}`);
    return 0;
  } finally {
    await client.close();
  }
}
