import type { JsonObject } from "../core/json.ts";
import type { StoredPlan } from "../store/store.ts";

/** What a watched folder holds at this moment. */
export interface FolderWorkflows {
  /** As its watcher was told to name it. */
  readonly path: string;
  /** One for each file, in the order of their names. */
  readonly files: readonly FolderFile[];
  /** What keeps the folder from being read as a whole: it is gone, or holds too much. */
  readonly problem: string | null;
}

export interface FolderFile {
  /** As people know it: the folder's name and the path in it. */
  readonly file: string;
  /** The last version of it that was good and that no other file holds; undefined where there was none yet. */
  readonly workflow: StoredPlan | undefined;
  /** What is wrong with the file as it is now. */
  readonly problem: FileProblem | null;
}

export interface FileProblem {
  readonly message: string;
  /** As the API gives them: file, line, column, rule, severity, message, snippet, fix. */
  readonly diagnostics: readonly JsonObject[];
}
