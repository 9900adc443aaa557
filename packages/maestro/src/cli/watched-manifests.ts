import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { refOf } from "../catalog/folder.ts";
import type { FolderChange } from "../catalog/folder.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { formatHuman } from "../manifest/report.ts";
import type { LocatedDiagnostic } from "../manifest/report.ts";
import type { ControlPlaneOptions } from "../serve.ts";
import { usage } from "./cli.ts";
import type { Cli } from "./cli.ts";
import { shortDigest } from "./format.ts";
import { safe } from "./terminal/text.ts";

/** The folder that an engine in this process is to watch, with what it says to people about it. Errors: `not_found`, `invalid_request`. */
export async function watchedManifests(
  cli: Cli,
  folder: string,
  forPeople: boolean,
): Promise<NonNullable<ControlPlaneOptions["manifests"]>> {
  const path = resolve(cli.cwd, folder);
  const found = await stat(path).catch((error: unknown) => {
    throw new MaestroError("not_found", `The folder ${folder} cannot be watched: ${messageOf(error)}.`, {
      cause: error,
      fix: "Check the path and its permissions.",
    });
  });
  if (!found.isDirectory()) throw usage(`${folder} is a file; \`maestro up\` watches a folder of manifests.`);
  // As it was typed, so that what is said about a file opens it.
  return { path, shown: folder, changed: forPeople ? (change) => cli.terminal.say(changeText(change)) : undefined };
}

/** What became of a file, for who edits it: the diagnostics as `maestro lint` prints them, and what runs meanwhile. */
export function changeText(change: FolderChange): string {
  switch (change.kind) {
    case "loaded":
      return `${safe(change.file)}: ${refOf(change.workflow)} is what new runs follow  plan ${shortDigest(change.workflow.digest)}`;
    case "broken": {
      const { diagnostics, message } = change.problem;
      // The API writes the path as a text, which this form does not print.
      const located = diagnostics.map((one) => ({ ...one, path: [] }) as unknown as LocatedDiagnostic);
      const errors = located.filter(({ severity }) => severity === "error");
      const kept =
        change.kept === undefined
          ? "there is no good version of it yet"
          : `new runs follow the last good version of ${refOf(change.kept)}, plan ${shortDigest(change.kept.digest)}`;
      const what = errors.length === 0 ? `${safe(change.file)}: ${safe(message)}` : formatHuman(errors).trimEnd();
      return `${what}\n${safe(change.file)} is broken; ${kept}`;
    }
    case "removed":
      return change.workflow === undefined
        ? `${safe(change.file)} is gone`
        : `${safe(change.file)} is gone, and ${refOf(change.workflow)} with it; runs go on`;
    case "folder":
      return change.problem === null
        ? "The folder of manifests is whole again."
        : `The folder of manifests: ${safe(change.problem)}; what was good stays.`;
  }
}
