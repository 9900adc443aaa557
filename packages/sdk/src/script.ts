// node --import script.ts PATH: a script that serves its task itself, or leaves it to us. Maestro starts executable Node
// scripts with it, so that they have the SDK and a Node that is new enough, whatever `node` is in the PATH.
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import "./own-copy.ts";

// Nothing is left to do: it would exit now, and has not asked for a message yet.
process.once("beforeExit", () => {
  const [, path] = process.argv;
  if (path === undefined || process.stdin.readableDidRead || process.exitCode !== undefined) return;
  void serveDefault(path);
});

async function serveDefault(path: string): Promise<void> {
  // The instance that has run already: the name of a main module has its links followed.
  const { default: task } = (await import(pathToFileURL(realpathSync(path)).href)) as { readonly default?: unknown };
  // Most serve themselves, or speak the protocol by themselves, and start sooner without.
  const [{ serve }, { isTask }] = await Promise.all([import("./serve.ts"), import("./task.ts")]);
  if (isTask(task)) return serve(task);
  console.error(
    `${path} ended without having read a message: end it with \`await serve(task)\`, or \`export default defineTask({ … })\`.`,
  );
  process.exitCode = 2;
}
