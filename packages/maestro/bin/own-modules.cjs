// Our own modules import each other by where they are, so there is nothing to find out. Node asks the file system all the
// same, for every import: whether the file is there, what it links to, and in folder after folder for the package.json that
// says what kind of module it is. Without that the 430 modules of a control plane load in 210 ms instead of 330.
"use strict";
const { registerHooks } = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const own = pathToFileURL(path.join(__dirname, "../")).href;

registerHooks({
  resolve(specifier, context, next) {
    const isOwn = specifier.startsWith(".") && specifier.endsWith(".ts") && context.parentURL?.startsWith(own);
    if (!isOwn) return next(specifier, context);
    return { url: new URL(specifier, context.parentURL).href, format: "module-typescript", shortCircuit: true };
  },
});
