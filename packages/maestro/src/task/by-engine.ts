import { MaestroError } from "../core/problem.ts";
import type { Task } from "./task.ts";

/** The `init` of a type that the state machine carries out itself: there is nothing to dispatch, and doing so is a fault of ours. */
export function byEngine(name: string): () => Task {
  return () => {
    throw new MaestroError(
      "internal",
      `${name} was dispatched to a runner, but the engine carries it out itself (runs: "engine")`,
    );
  };
}
