import { RULES } from "../core/rules.ts";
import type { LocatedDiagnostic } from "./report.ts";

/** What is wrong with an ignore comment, and where. */
export interface IgnoreProblem {
  readonly line: number;
  readonly offset: number;
  readonly length: number;
  readonly message: string;
}

/**
 * Drops the warnings that a comment `# maestro-ignore WF052: reason` covers: those on its own line, or on the next line
 * that is no comment. Errors cannot be ignored. Comments that do nothing are told, so that they do not pile up.
 */
export function applyIgnores(
  diagnostics: readonly LocatedDiagnostic[],
  comments: readonly { readonly offset: number; readonly text: string }[],
  lines: { lineOf(offset: number): number; isBlank(line: number): boolean },
): { readonly kept: readonly LocatedDiagnostic[]; readonly problems: readonly IgnoreProblem[] } {
  const problems: IgnoreProblem[] = [];
  const covered = new Set<LocatedDiagnostic>();
  for (const comment of comments) {
    if (!comment.text.includes("maestro-ignore")) continue;
    const line = lines.lineOf(comment.offset);
    const add = (message: string): number =>
      problems.push({ line, offset: comment.offset, length: comment.text.trimEnd().length, message });
    const match = /^#\s*maestro-ignore\s+(WF\d{3}(?:\s*,\s*WF\d{3})*)\s*(?::\s*(\S.*))?$/.exec(comment.text.trimEnd());
    if (match === null) {
      add("the comment does not have the form `# maestro-ignore WF052: reason`");
      continue;
    }
    if (match[2] === undefined) {
      add(`say why: \`# maestro-ignore ${match[1] ?? ""}: reason\``);
      continue;
    }
    let target = line;
    if (lines.isBlank(line)) while (lines.isBlank(target)) target++;
    for (const rule of (match[1] ?? "").split(/\s*,\s*/)) {
      const known = Object.entries(RULES).find(([id]) => id === rule)?.[1];
      if (known === undefined) add(`there is no rule ${rule}`);
      else if (known.severity === "error") add(`${rule} is an error, and errors cannot be ignored`);
      else {
        const found = diagnostics.filter((one) => one.rule === rule && one.line === target);
        if (found.length === 0) add(`there is no ${rule} on line ${target} to ignore`);
        for (const one of found) covered.add(one);
      }
    }
  }
  return { kept: diagnostics.filter((one) => !covered.has(one)), problems };
}
