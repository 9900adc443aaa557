import { digestOf } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { approval } from "./approval.ts";
import { artifactsCompare } from "./artifacts-compare.ts";
import { exec } from "./exec.ts";
import { http } from "./http.ts";
import { licenseCheck } from "./license-check.ts";
import { noop } from "./noop.ts";
import { npmInventory } from "./npm-inventory.ts";
import type { TaskDescription, TaskType } from "./task.ts";
import { transform } from "./transform.ts";
import { validate } from "./validate.ts";
import { wait } from "./wait.ts";

/** Every task type of this installation, in alphabetical order. */
export const builtInTypes: readonly TaskType[] = [
  approval,
  artifactsCompare,
  exec,
  http,
  licenseCheck,
  noop,
  npmInventory,
  transform,
  validate,
  wait,
];

/** The same by what `uses` says: `name@version`. */
export function taskTypes(): ReadonlyMap<string, TaskType> {
  return new Map(builtInTypes.map((type) => [`${type.description.name}@${type.description.version}`, type]));
}

/** What plans pin: a digest of all that the description says, so that a changed schema or promise is another type. */
export function descriptionDigest(description: TaskDescription): Digest {
  return digestOf(description as unknown as JsonObject);
}
