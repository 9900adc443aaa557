import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Finding, Patient } from "./finding.ts";

const MIN_NODE = [24, 15] as const;
/** Each running command takes a handful, each client one. */
const MIN_FILES = 4_096;

/** The machine: Node.js, limits of the process, programs that task types use. */
export async function machineChecks(patient: Patient): Promise<readonly Finding[]> {
  return [node(patient), openFiles(), program("git", "the task type git"), program("podman", "containers")];
}

function node({ version }: Patient): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNewEnough = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const detail = `Node.js ${process.versions.node}, Maestro ${version}, SQLite ${process.versions["sqlite"] ?? "unknown"}, ${process.platform} ${process.arch}`;
  return isNewEnough
    ? { check: "node", status: "ok", detail }
    : { check: "node", status: "failed", detail, fix: `Install Node.js ${MIN_NODE.join(".")} or newer.` };
}

function openFiles(): Finding {
  const check = "open files";
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return { check, status: "info", detail: "this system does not say how many a process may have" };
  }
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1] ?? "unknown";
  if (soft === "unlimited" || Number(soft) >= MIN_FILES)
    return { check, status: "ok", detail: `a process may have ${soft}` };
  return {
    check,
    status: "warning",
    detail: `a process may have ${soft}; many clients or commands at once need more`,
    fix: `Raise it: \`ulimit -n ${MIN_FILES}\`, or LimitNOFILE=${MIN_FILES} in the service.`,
  };
}

function program(name: string, what: string): Finding {
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable);
  return {
    check: name,
    status: "info",
    detail: found === undefined ? `not installed; ${what} would need it` : found,
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Not here.
  }
}
