import type { TaskDescription } from "../core/task-description.ts";
import { TaskFailure } from "../task/task.ts";
import type { TaskType } from "../task/task.ts";

/** A task type of a program that was added to the installation: a test knows what it takes and gives, and never starts it. */
export function knownProgram(description: TaskDescription): TaskType {
  return {
    description,
    init: () => ({
      validate: () => [],
      execute: () =>
        Promise.reject(
          new TaskFailure({
            code: "UNAVAILABLE",
            message: `tests do not start the program of ${description.name}; give it a fake`,
            final: true,
          }),
        ),
    }),
  };
}
