import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { seenHere } from "./seen-here.ts";

// Loaded into the processes of TypeScript tests before the tests: they may lie in a folder without node_modules.
const HERE = new URL("./testing.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "@summit/maestro/testing" ? { url: HERE, shortCircuit: true } : next(specifier, context),
});

// `?seen=FOLDER`: what its runs did is left there for the coverage.
const folder = new URL(import.meta.url).searchParams.get("seen");
if (folder !== null)
  process.on("exit", () => {
    const seen = seenHere.map(({ branches, ...rest }) => ({ ...rest, branches: [...branches] }));
    writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(seen));
  });
