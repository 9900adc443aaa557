import { ACCESS } from "./commands/access.ts";
import { AUTHOR } from "./commands/author.ts";
import { CATALOG } from "./commands/catalog.ts";
import { DAILY } from "./commands/daily.ts";
import { OBJECTS } from "./commands/objects.ts";
import { OPERATIONS } from "./commands/operations.ts";
import { POLICY } from "./commands/policy.ts";
import { POLICY_FILES } from "./commands/policy-files.ts";
import { SYSTEM } from "./commands/system.ts";
import { TRUST } from "./commands/trust.ts";
import type { CommandSpec } from "./spec.ts";

/** Every command. What is not here does not exist; help, the reference and the parser are made from it. */
export const COMMANDS: readonly CommandSpec[] = [
  ...DAILY,
  ...AUTHOR,
  ...TRUST,
  ...POLICY_FILES,
  ...POLICY,
  ...CATALOG,
  ...OBJECTS,
  ...OPERATIONS,
  ...ACCESS,
  ...SYSTEM,
];
