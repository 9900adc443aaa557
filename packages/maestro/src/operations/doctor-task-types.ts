import { readRegistrations } from "../task/external-registry.ts";
import type { Finding, Patient } from "./finding.ts";

/** Task types that programs carry out: those that were added here, and those that cannot be used. */
export async function taskTypeChecks({ dataDir }: Patient): Promise<readonly Finding[]> {
  const check = "added task types";
  const { found, problems } = readRegistrations(dataDir);
  const names = found.map(({ description }) => `${description.name}@${description.version}`).join(", ");
  return [
    { check, status: "info", detail: found.length === 0 ? "none" : names },
    ...problems.map((problem): Finding => ({
      check,
      status: "failed",
      detail: problem,
      fix: "Add the program again: `maestro task add`.",
    })),
  ];
}
