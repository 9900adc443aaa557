import { registerHooks } from "node:module";

// Loaded into the processes of TypeScript tests before the tests: they may lie in a folder without node_modules.
const HERE = new URL("./testing.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "@summit/maestro/testing" ? { url: HERE, shortCircuit: true } : next(specifier, context),
});
