import { taskTypes } from "../task/catalogue.ts";
import { digestOfFile } from "../task/external-program.ts";
import { readRegistrations } from "../task/external-registry.ts";
import type { Registration } from "../task/external-registry.ts";
import { asTaskDescription } from "../task/external-type.ts";
import type { TaskDescription } from "../task/task.ts";
import type { Cli } from "./cli.ts";

/** A task type, and where it comes from. */
export interface KnownType {
  readonly description: TaskDescription;
  /** Undefined: it is built in, or a server's, which does not tell. */
  readonly program: Registration["program"] | undefined;
}

/** The task types that `uses` can name on the target: the server's, or without an engine what is built in and was added. */
export async function knownTypes(cli: Cli): Promise<readonly KnownType[]> {
  if (cli.target.kind === "server") {
    const client = await cli.connect("look");
    try {
      const { tasks } = await client.get<{ readonly tasks: readonly TaskDescription[] }>("/v1/tasks");
      return tasks.map((description) => ({ description, program: undefined }));
    } finally {
      await client.close();
    }
  }
  const { found, problems } = readRegistrations(cli.dataDir);
  for (const problem of problems) cli.terminal.say(`warning  ${problem}`);
  const own = [...taskTypes().values()].map(({ description }) => ({ description, program: undefined }));
  const added = found.map(({ description, program }) => ({
    description: asTaskDescription(description, program),
    program,
  }));
  return [...own, ...added].toSorted((a, b) => order(a.description, b.description));
}

/** Where a task type comes from, and whether its program still is the one that was added. */
export async function sourceOf({ description, program }: KnownType): Promise<string> {
  if (program === undefined) return description.program === undefined ? "built in" : "a program of the server";
  const state = await digestOfFile(program.path).then(
    (digest) => (digest === program.digest ? "" : " (changed: add it again)"),
    () => " (cannot be read)",
  );
  return `${program.path}${state}`;
}

function order(a: TaskDescription, b: TaskDescription): number {
  return a.name === b.name ? a.version - b.version : a.name < b.name ? -1 : 1;
}
