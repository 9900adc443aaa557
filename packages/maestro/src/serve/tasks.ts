import { hostname } from "node:os";
import { join } from "node:path";
import { openTokenFolder, sharedSocketFolder } from "../api/socket.ts";
import type { ProcessRunner } from "../runner/process.ts";
import { openProcessRunner } from "../runner/process.ts";
import { taskTypes } from "../task/catalogue.ts";
import { ExternalTypes } from "../task/external.ts";
import type { TaskDescription, TaskType } from "../task/task.ts";
import { VERSION } from "../version.ts";
import type { Base } from "./base.ts";

/** Where attempts are carried out. */
export interface Workplace {
  readonly workDir: string;
  /** Their sockets for tokens lie there. */
  readonly tokenFolder: string;
  readonly runner: ProcessRunner;
}

export async function openWorkplace({ dataDir }: Base): Promise<Workplace> {
  const workDir = join(dataDir, "work");
  const tokenFolder = await openTokenFolder(dataDir);
  const runner = await openProcessRunner({
    workDir,
    hostname: hostname(),
    hidden: [dataDir, sharedSocketFolder()],
  });
  return { workDir, tokenFolder, runner };
}

/** What tasks can be, by `name@version`: the built-in types and those of programs. */
export interface Tasks {
  readonly types: Map<string, TaskType>;
  readonly descriptions: Map<string, TaskDescription>;
  readonly external: ExternalTypes;
}

export function openTasks({ dataDir, runner, environment, now, log, atEnd }: Base & Workplace): Tasks {
  const types = new Map(taskTypes());
  const descriptions = new Map([...types].map(([name, type]) => [name, type.description] as const));
  const external = new ExternalTypes({
    dataDir,
    types,
    descriptions,
    start: (command) => runner.resident(command),
    environment,
    isolation: () => runner.measure("none"),
    engine: `summit-maestro/${VERSION}`,
    now,
    warn: (problem) => log("warn", "a task type cannot be used", { problem }),
  });
  atEnd(() => external.close());
  return { types, descriptions, external };
}
