import { lstatSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { acquireLock } from "../store/lock.ts";
import type { Finding, Patient } from "./finding.ts";

/** Who works here, and whether that one answers. The lock is looked at and never taken. */
export async function engineChecks(patient: Patient): Promise<readonly Finding[]> {
  const [answer, held] = await Promise.all([patient.ask(), isHeld(patient.dataDir)]);
  const note = await readNote(patient.dataDir);
  return [engine(patient, answer, held, note), await socket(patient, answer !== undefined, held)];
}

function engine(
  { version }: Patient,
  answer: { readonly pid: number; readonly version: string } | undefined,
  held: boolean | undefined,
  note: string,
): Finding {
  const check = "engine";
  if (answer !== undefined) {
    const detail = `process ${answer.pid} answers, version ${answer.version}`;
    return answer.version === version
      ? { check, status: "ok", detail }
      : {
          check,
          status: "warning",
          detail: `${detail}; this command is ${version}`,
          fix: "Restart the engine with the same version.",
        };
  }
  if (held === true)
    return {
      check,
      status: "failed",
      detail: `${note === "" ? "a process" : note} holds the lock and does not answer`,
      fix: "It may be starting or ending; if this lasts, end that process and the next engine goes on from what is on disk.",
    };
  const detail = held === false ? "none is up; the lock is free" : "none answers";
  return { check, status: "info", detail };
}

async function socket(
  { socket: path, dataDir }: Patient,
  answers: boolean,
  held: boolean | undefined,
): Promise<Finding> {
  const check = "control socket";
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) {
    if (!answers && held !== true)
      return { check, status: "info", detail: "not there, as it should be while no engine is up" };
    return {
      check,
      status: "warning",
      detail: `${path} is not there although an engine is up`,
      fix: "If it is not just starting, end it and start it again: it makes the socket at its start.",
    };
  }
  if (!there.isSocket())
    return {
      check,
      status: "failed",
      detail: `${path} is not a socket`,
      fix: `Move it away: \`mv ${path} ${path}.old\`.`,
    };
  if (answers) return { check, status: "ok", detail: path };
  if (held === true)
    return {
      check,
      status: "warning",
      detail: `${path} is there and nobody answers on it`,
      fix: "See the check before.",
    };
  return {
    check,
    status: "warning",
    detail: `${path} was left behind by an engine that was killed`,
    fix: "Nothing has to be done: the next engine replaces it. `maestro doctor --fix` removes it.",
    async repair() {
      // Whoever starts just now waits for the lock and then makes its own.
      const lock = await acquireLock(dataDir);
      try {
        await rm(path, { force: true });
      } finally {
        await lock.release();
      }
      return `${path} was removed`;
    },
  };
}

/** By /proc/locks, which names locked files by their inode; undefined where there is none. */
async function isHeld(dataDir: string): Promise<boolean | undefined> {
  try {
    const [locks, file] = await Promise.all([readFile("/proc/locks", "utf8"), stat(join(dataDir, "lock.db"))]);
    return new RegExp(`WRITE \\S+ [0-9a-f]+:[0-9a-f]+:${file.ino} `).test(locks);
  } catch (error) {
    return (error as NodeJS.ErrnoException).path === join(dataDir, "lock.db") ? false : undefined;
  }
}

/** What the holder wrote about itself. */
async function readNote(dataDir: string): Promise<string> {
  try {
    const note = JSON.parse(await readFile(join(dataDir, "lock.json"), "utf8")) as JsonValue;
    const { pid, since } = isJsonObject(note) ? note : {};
    return typeof pid === "number" && typeof since === "number"
      ? `process ${pid}, since ${new Date(since).toISOString()},`
      : "";
  } catch {
    return ""; // There is none, or it is half written; it is a note and no more.
  }
}
