import { isAbsolute, resolve } from "node:path";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isPrivate, ownPlaceFailure } from "./places.ts";
import type { Task, TaskContext } from "./task.ts";

/**
 * A task whose input has the shape `Input`: the schema of its type has made sure of that by the time `validate` is called.
 * `check` says what the schema cannot; `work` does the task.
 */
export function task<Input>(steps: {
  check?(input: Input): readonly string[];
  work(input: Input): Promise<JsonValue> | JsonValue;
}): Task {
  let checked: { readonly input: Input } | undefined;
  return {
    validate(raw: JsonObject): readonly string[] {
      const input = raw as unknown as Input;
      checked = { input };
      return steps.check?.(input) ?? [];
    },
    async execute(): Promise<JsonValue> {
      if (checked === undefined) throw new Error("execute() was called before validate()");
      return steps.work(checked.input);
    },
  };
}

/**
 * A path of an input: relative ones are meant from the folder the run was started in. Of a task, none leads to Maestro's own
 * files, such as its keys and the owner's token. Fails with OUTSIDE (final).
 */
export function inputPath(
  context: Pick<TaskContext, "base"> & Partial<Pick<TaskContext, "dir">>,
  path: string,
): string {
  const full = isAbsolute(path) ? path : resolve(context.base, path);
  if (isOfTask(context) && isPrivate(full, context)) throw ownPlaceFailure(full);
  return full;
}

/** The control plane reads settings of its own the same way. */
function isOfTask(context: Partial<Pick<TaskContext, "dir">>): context is Pick<TaskContext, "dir"> {
  return "dir" in context;
}

/** Lets other work of the process go on; rejects when the attempt was called off. Long inline work calls it every few milliseconds. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await new Promise<void>((next) => setImmediate(next));
  signal.throwIfAborted();
}
