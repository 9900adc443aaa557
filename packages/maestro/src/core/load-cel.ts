import { createRequire } from "node:module";
import type * as Cel from "./cel.ts";

let cel: typeof Cel | undefined;

/**
 * What compiles and evaluates expressions. It takes a tenth of a second and 20 MB to load, and most commands and many
 * runbooks have no expression; a function that needs it now cannot wait for a promise.
 */
export function loadCel(): typeof Cel {
  cel ??= createRequire(import.meta.url)("./cel.ts") as typeof Cel;
  return cel;
}
