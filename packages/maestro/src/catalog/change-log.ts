import { refOf } from "./folder.ts";
import type { FolderChange } from "./folder.ts";

/** One line of a log for one change of a watched folder. */
export function logLine(
  change: FolderChange,
): readonly [level: "info" | "warn", message: string, fields: Readonly<Record<string, string>>] {
  switch (change.kind) {
    case "loaded":
      return [
        "info",
        "a manifest was loaded",
        { file: change.file, workflow: refOf(change.workflow), plan: change.workflow.digest },
      ];
    case "broken":
      return ["warn", "a manifest is broken", { file: change.file, problem: change.problem.message }];
    case "removed":
      return ["info", "a manifest is gone", { file: change.file }];
    case "folder":
      return change.problem === null
        ? ["info", "the folder of manifests is whole again", {}]
        : ["warn", "the folder of manifests is not whole", { problem: change.problem }];
  }
}
