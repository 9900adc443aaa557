import { approval } from "./approval.ts";
import { artifactsCompare } from "./artifacts-compare.ts";
import { emit } from "./emit.ts";
import { exec } from "./exec.ts";
import { file } from "./file.ts";
import { git } from "./git.ts";
import { http } from "./http.ts";
import { licenseCheck } from "./license-check.ts";
import { noop } from "./noop.ts";
import { notify } from "./notify.ts";
import { npmInventory } from "./npm-inventory.ts";
import { s3 } from "./s3.ts";
import { sql } from "./sql.ts";
import type { TaskType } from "./task.ts";
import { transform } from "./transform.ts";
import { validate } from "./validate.ts";
import { wait } from "./wait.ts";

/** Every task type of this installation, in alphabetical order. */
export const builtInTypes: readonly TaskType[] = [
  approval,
  artifactsCompare,
  emit,
  exec,
  file,
  git,
  http,
  licenseCheck,
  noop,
  notify,
  npmInventory,
  s3,
  sql,
  transform,
  validate,
  wait,
];

/** The same by what `uses` says: `name@version`. */
export function taskTypes(): ReadonlyMap<string, TaskType> {
  return new Map(builtInTypes.map((type) => [`${type.description.name}@${type.description.version}`, type]));
}
