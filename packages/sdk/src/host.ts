// node host.ts PATH: serves the task that a module exports as its default. Maestro starts modules with it.
import { pathToFileURL } from "node:url";
import "./own-copy.ts";
import { serve } from "./serve.ts";
import { isTask } from "./task.ts";

const [path = ""] = process.argv.slice(2);

const { default: task } = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
if (isTask(task)) {
  await serve(task);
  process.exit(0);
}
console.error(`${path} does not export a task: write \`export default defineTask({ … })\`.`);
process.exitCode = 2;
