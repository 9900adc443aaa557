// node host.ts PATH: serves the task that a module exports as its default. Maestro starts modules with it.
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
import { serve } from "./serve.ts";
import { isTask } from "./task.ts";

const [path = ""] = process.argv.slice(2);
const own = new URL("sdk.ts", import.meta.url).href;

// A module that has the SDK installed uses its own copy; one that has not gets this one, so that a single file is enough.
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== "@summit/maestro-sdk") return next(specifier, context);
    try {
      return next(specifier, context);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
      return { url: own, shortCircuit: true };
    }
  },
});

const { default: task } = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
if (isTask(task)) {
  await serve(task);
  process.exit(0);
}
console.error(`${path} does not export a task: write \`export default defineTask({ … })\`.`);
process.exitCode = 2;
