import { MaestroError, messageOf } from "../core/problem.ts";
import { TaskFailure } from "./task.ts";
import { commandOf, digestOfFile, kindOf } from "./external-program.ts";
import type { ProgramHost } from "./external-pool.ts";
import { PROTOCOL_LIMITS } from "./external-protocol.ts";
import type { ProgramDescription } from "./external-protocol.ts";
import type { Registration } from "./external-registry.ts";
import { reasonOf, Session } from "./external-session.ts";
import { compileSchema } from "./json-schema.ts";

/** Starts a program, hears what it says about itself, ends it. Errors: `not_found`, `task_unusable`. */
export async function examine(
  path: string,
  env: readonly string[],
  host: ProgramHost & { now(): number },
): Promise<Registration> {
  const kind = kindOf(path);
  if (typeof kind !== "string") {
    if (kind.problem.startsWith("there is no file"))
      throw new MaestroError("not_found", `There is no file ${path}.`, { fix: "Check the path." });
    throw new MaestroError("task_unusable", `${kind.problem}.`, { fix: "Make it one of the two." });
  }
  const digest = await digestOfFile(path);
  const program = { path, kind, digest, env };
  const session = await open(path, program, host);
  let introduction: Awaited<ReturnType<Session["introduce"]>>;
  try {
    introduction = await session.introduce(host.engine);
  } catch (error) {
    throw unusable(path, reasonOf(error), error);
  } finally {
    await session.shutdown(PROTOCOL_LIMITS.shutdownMs);
  }
  const { description, validates, concurrency } = introduction;
  const wrong = problemsOf(description);
  if (wrong.length > 0) throw unusable(path, wrong.join("; "));
  if ((await digestOfFile(path)) !== digest) throw unusable(path, "it was changed while it was looked at");
  return { description, validates, concurrency, program, addedAt: host.now() };
}

/** What the message's schema cannot say about a description; empty when it can be a task type. */
export function problemsOf({ input, output, example = {} }: ProgramDescription): readonly string[] {
  const problems: string[] = [];
  for (const [name, schema] of [
    ["input", input],
    ["output", output],
  ] as const) {
    try {
      compileSchema(schema);
    } catch (error) {
      problems.push(`${name}: ${messageOf(error)}`);
    }
  }
  if (problems.length > 0) return problems;
  if (input["type"] !== "object") problems.push('input: it must say `type: "object"`, because `with` is one');
  const misfits = compileSchema(input)(example).map(({ path, message }) => `${path} ${message}`.trim());
  if (misfits.length > 0)
    problems.push(`example: ${misfits.join("; ")}; give an \`example\`, an input that is valid and complete`);
  return problems;
}

async function open(path: string, program: Registration["program"], host: ProgramHost): Promise<Session> {
  try {
    return new Session(await host.start(commandOf(program, (name) => host.environment(name))));
  } catch (error) {
    if (error instanceof TaskFailure) throw unusable(path, reasonOf(error), error);
    throw error;
  }
}

function unusable(path: string, why: string, cause?: unknown): MaestroError {
  return new MaestroError("task_unusable", `${path} cannot be used as a task type: ${why}.`, {
    ...(cause === undefined ? {} : { cause }),
    fix: `See everything that is wrong with it: \`maestro task test ${path}\`.`,
  });
}
