// A module that has the SDK installed uses its own copy; one that has not gets this one, so that a single file is enough.
import { registerHooks } from "node:module";

const own = new URL("sdk.ts", import.meta.url).href;

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
