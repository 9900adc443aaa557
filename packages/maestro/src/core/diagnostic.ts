import type { RuleId } from "./rules.ts";

/** Members and indices from the root of the manifest. */
export type Path = readonly (string | number)[];

/** One thing to say about a manifest. Errors keep it from running; warnings do not. */
export interface Diagnostic {
  readonly rule: RuleId;
  readonly severity: "error" | "warning";
  readonly path: Path;
  /** Points at the member's name and not at its value. */
  readonly key?: true;
  /** A part of a string at `path`, in UTF-16 units of the string's value. */
  readonly span?: { readonly offset: number; readonly length: number };
  /** What is wrong, as one sentence without a full stop. */
  readonly message: string;
  /** A few words for beside the caret: `did you mean "test"?`. */
  readonly fix?: string;
  /** What to do, as a sentence or two. */
  readonly help?: string;
}

/** `spec.tasks.build.needs[0]`, with names in quotes where a dot would not do. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text === "" ? "the manifest" : text;
}
