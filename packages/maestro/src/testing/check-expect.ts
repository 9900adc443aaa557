import type { Diagnostic, Path } from "../core/diagnostic.ts";
import { EVENT_SUBJECTS } from "../core/event-line.ts";
import { compileExpression, ExpressionError } from "../core/expression.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import { checkKeys, checkWords, unknownValue, withoutItem } from "./unknown-name.ts";

/** Names in an `expect` that the plan does not have. What can never happen would make `never` pass by accident. */
export function checkExpect(expect: JsonObject, plan: Plan, path: Path, problems: Diagnostic[]): void {
  const tasks = plan.tasks.map(({ id }) => id);
  checkKeys(expect["tasks"], [...path, "tasks"], tasks, "is no task", problems);
  checkKeys(expect["outputs"], [...path, "outputs"], Object.keys(plan.outputs), "is no output", problems);
  checkWords(expect["undone"], [...path, "undone"], tasks, "is no task", problems);
  checkDecisions(expect["decisions"], [...path, "decisions"], tasks, problems);
  for (const list of ["events", "never"]) checkEvents(expect[list], [...path, list], tasks, problems);
  checkThat(expect["that"], [...path, "that"], problems);
}

function checkDecisions(
  list: JsonValue | undefined,
  path: Path,
  tasks: readonly string[],
  problems: Diagnostic[],
): void {
  if (!Array.isArray(list)) return;
  (list as readonly JsonValue[]).forEach((decision, i) => {
    const task = isJsonObject(decision) ? decision["task"] : undefined;
    if (typeof task === "string" && !tasks.includes(withoutItem(task)))
      problems.push(unknownValue([...path, i, "task"], task, tasks, "is no task; there are"));
  });
}

const KINDS: readonly string[] = Object.keys(EVENT_SUBJECTS);

function checkEvents(list: JsonValue | undefined, path: Path, tasks: readonly string[], problems: Diagnostic[]): void {
  if (!Array.isArray(list)) return;
  (list as readonly string[]).forEach((line, i) => {
    const at = [...path, i];
    const [kind = "", subject] = line.split(" ");
    if (!isKind(kind)) problems.push(unknownValue(at, kind, KINDS, "is no kind of event; there are"));
    else if (subject !== undefined && EVENT_SUBJECTS[kind] !== "other") {
      const known = EVENT_SUBJECTS[kind] === "task" ? tasks : [...tasks, "allow", "deny"];
      if (!known.includes(withoutItem(subject)))
        problems.push(unknownValue(at, subject, known, `is nothing that follows ${kind}; there are`));
    }
  });
}

function isKind(kind: string): kind is keyof typeof EVENT_SUBJECTS {
  return Object.hasOwn(EVENT_SUBJECTS, kind);
}

const MEMBERS = [
  "status",
  "error",
  "outputs",
  "tasks",
  "undone",
  "decisions",
  "approvals",
  "events",
  "cost",
  "tookMs",
  "plan",
] as const;

function checkThat(that: JsonValue | undefined, path: Path, problems: Diagnostic[]): void {
  if (!Array.isArray(that)) return;
  (that as readonly string[]).forEach((source, i) => {
    const at = [...path, i];
    try {
      for (const { path: names } of compileExpression(source).references) {
        const root = names[0] ?? "";
        if (MEMBERS.some((member) => member === root)) continue;
        problems.push(unknownValue(at, root, MEMBERS, "is nothing of a run; there are"));
      }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      problems.push({ rule: "WF011", severity: "error", path: at, message: error.message });
    }
  });
}
