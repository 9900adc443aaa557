import { messageOf } from "../core/problem.ts";
import { backupChecks } from "./doctor-backups.ts";
import { databaseChecks } from "./doctor-database.ts";
import { directoryChecks } from "./doctor-directory.ts";
import { engineChecks } from "./doctor-engine.ts";
import { identityChecks } from "./doctor-identity.ts";
import { keyChecks } from "./doctor-keys.ts";
import { machineChecks } from "./doctor-machine.ts";
import { policyChecks } from "./doctor-policy.ts";
import { sandboxChecks } from "./doctor-sandbox.ts";
import { taskTypeChecks } from "./doctor-task-types.ts";
import { witnessChecks } from "./doctor-witnesses.ts";
import { workChecks } from "./doctor-work.ts";
import type { Check, Finding, Patient } from "./finding.ts";

/** In the order in which they are shown: what others stand on comes first. */
const CHECKS: readonly Check[] = [
  machineChecks,
  directoryChecks,
  engineChecks,
  databaseChecks,
  keyChecks,
  policyChecks,
  identityChecks,
  witnessChecks,
  sandboxChecks,
  workChecks,
  taskTypeChecks,
  backupChecks,
];

/** Makes every check, whatever the others come to. `more` are checks of whoever asks: contexts, configuration. */
export async function diagnose(patient: Patient, more: readonly Check[] = []): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of [...CHECKS, ...more]) {
    try {
      findings.push(...(await check(patient)));
    } catch (error) {
      findings.push({
        check: "doctor",
        status: "failed",
        detail: `a check could not be made: ${messageOf(error)}`,
        fix: "Report it with the output of `maestro doctor --debug`.",
      });
    }
  }
  return findings;
}

/** What can be mended by itself; each line says what was done, or why not. */
export async function mend(findings: readonly Finding[]): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const { check, repair } of findings) {
    if (repair === undefined) continue;
    try {
      lines.push(`${check}: ${await repair()}`);
    } catch (error) {
      lines.push(`${check}: not mended: ${messageOf(error)}`);
    }
  }
  return lines;
}
