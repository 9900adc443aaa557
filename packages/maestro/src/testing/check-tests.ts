import type { Diagnostic, Path } from "../core/diagnostic.ts";
import { compileExpression, compileTemplate, ExpressionError } from "../core/expression.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan, PlanTask, TaskUse } from "../core/plan.ts";
import { useText } from "../core/receipt-facts.ts";
import { checkValue } from "../core/schema-check.ts";
import { suggest } from "../core/suggest.ts";
import type { TaskType } from "../task/task.ts";
import { fillOutput } from "./fill-output.ts";
import type { TestFile } from "./read-tests.ts";
import type { Runbook } from "./runbook.ts";

/** What a test file says that its runbook does not know: tasks, types, inputs, outputs that a type cannot give. */
export function checkTests({ value }: TestFile, runbook: Runbook): readonly Diagnostic[] {
  const names = namesOf(runbook);
  const problems: Diagnostic[] = [];
  for (const { part, path } of partsOf(value)) {
    checkFakes(part["fakes"], [...path, "fakes"], names, problems);
    checkKeys(part["approvals"], [...path, "approvals"], names.people, "asks no people", problems);
    checkKeys(part["inputs"], [...path, "inputs"], inputsOf(runbook.plan), "is no input", problems);
    const expect = isJsonObject(part["expect"]) ? part["expect"] : {};
    checkKeys(expect["tasks"], [...path, "expect", "tasks"], names.root, "is no task", problems);
    checkKeys(
      expect["outputs"],
      [...path, "expect", "outputs"],
      Object.keys(runbook.plan.outputs),
      "is no output",
      problems,
    );
    checkWords(part["deny"], [...path, "deny"], [...names.tasks, "run.start"], problems);
    checkDuring(part["cancel"], [...path, "cancel", "during"], names.tasks, problems);
    checkThat(expect["that"], [...path, "expect", "that"], problems);
  }
  return problems;
}

interface Part {
  readonly part: JsonObject;
  readonly path: Path;
}

/** Everything in a file that has the fields of a case. */
function partsOf(value: JsonObject): readonly Part[] {
  const parts: Part[] = [];
  if (isJsonObject(value["defaults"])) parts.push({ part: value["defaults"], path: ["defaults"] });
  (value["cases"] as readonly JsonObject[]).forEach((part, i) => {
    parts.push({ part, path: ["cases", i] });
    ((part["rows"] ?? []) as readonly JsonObject[]).forEach((row, n) =>
      parts.push({ part: row, path: ["cases", i, "rows", n] }),
    );
  });
  return parts;
}

interface Names {
  /** Tasks of the runbook itself. */
  readonly root: readonly string[];
  /** ... and of its child runs. */
  readonly tasks: readonly string[];
  readonly people: readonly string[];
  /** By what a fake may be called. */
  readonly types: ReadonlyMap<string, readonly (TaskType | undefined)[]>;
}

/** Runbooks inside runbooks, as deep as the engine goes. */
const MAX_DEPTH = 8;

function namesOf({ plan, plans, types }: Runbook): Names {
  const tasks: string[] = [];
  const people: string[] = [];
  const known = new Map<string, (TaskType | undefined)[]>();
  const add = (name: string, use: TaskUse): void => {
    const type = use.kind === "type" ? types.get(useText(use)) : undefined;
    known.set(name, [...(known.get(name) ?? []), type]);
    if (type !== undefined) known.set(useText(use), [type]);
  };
  const visit = (of: Plan, prefix: string, depth: number): void => {
    for (const task of of.tasks) {
      const name = `${prefix}${task.id}`;
      tasks.push(name);
      if (asksPeople(task)) people.push(name);
      if (task.uses.kind === "type") add(name, task.uses);
      if (task.undo !== undefined) add(`${name}.undo`, task.undo.uses);
      const child = task.uses.kind === "runbook" ? plans.get(task.uses.planDigest) : undefined;
      if (child !== undefined && depth < MAX_DEPTH) visit(child, `${name}/`, depth + 1);
    }
  };
  visit(plan, "", 0);
  return { root: plan.tasks.map(({ id }) => id), tasks, people, types: known };
}

function asksPeople({ approvals, uses }: PlanTask): boolean {
  return approvals !== undefined || (uses.kind === "type" && uses.name === "approval");
}

function inputsOf(plan: Plan): readonly string[] {
  const { properties } = plan.inputs;
  return isJsonObject(properties) ? Object.keys(properties) : [];
}

function checkFakes(fakes: JsonValue | undefined, path: Path, names: Names, problems: Diagnostic[]): void {
  if (!isJsonObject(fakes)) return;
  for (const [name, fake] of Object.entries(fakes)) {
    const at = [...path, name];
    const types = names.types.get(name) ?? names.types.get(name.replace(/\[\d+\]$/, ""));
    if (types === undefined) {
      problems.push(unknown(at, name, [...names.types.keys()], whyNot(name, names)));
      continue;
    }
    const [type] = types;
    if (type?.description.runs === "engine") {
      problems.push({
        rule: "WF012",
        severity: "error",
        path: at,
        key: true,
        message: `${name} is carried out by the engine itself, and time and people are the test's already`,
        help: "Use `approvals`, `signals` or nothing at all: waiting takes no real time.",
      });
      continue;
    }
    if (Array.isArray(fake))
      (fake as readonly JsonObject[]).forEach((one, i) => checkBehaviour(one, [...at, i], type, problems));
    else checkBehaviour(fake as JsonObject, at, type, problems);
  }
}

function whyNot(name: string, { tasks, types }: Names): string {
  if (tasks.includes(name)) return "is a child run; fake the tasks of its runbook, such as";
  return name.includes("@") && !types.has(name)
    ? "is a task type that this runbook does not use; it uses"
    : "is no task; there are";
}

/** A constant output is checked here, where it can be pointed at; others are checked when they are made. */
function checkBehaviour(behaviour: JsonObject, path: Path, type: TaskType | undefined, problems: Diagnostic[]): void {
  const { output, fail, real } = behaviour;
  const said = Object.keys(behaviour).filter((key) => key !== "real" && key !== "times");
  if (real === true && said.length > 0)
    problems.push({
      rule: "WF011",
      severity: "error",
      path: [...path, "real"],
      message: `a real attempt does what its type does, so \`${said.join("`, `")}\` has no meaning here`,
    });
  try {
    if (output !== undefined && !compileTemplate(output).constant) return;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    problems.push({
      rule: "WF011",
      severity: "error",
      path: [...path, "output"],
      message: `\`output\`: ${error.message}`,
    });
    return;
  }
  if (fail !== undefined || real === true || type === undefined) return;
  const { description } = type;
  const whole = fillOutput(output, description.output);
  for (const issue of checkValue(whole, description.output)) {
    const name = issue.path.length === 0 ? "`output`" : `\`${["output", ...issue.path].join(".")}\``;
    problems.push({
      rule: "WF011",
      severity: "error",
      path: output === undefined ? path : [...path, "output", ...issue.path],
      message: `${name} ${issue.message}, and that is nothing ${description.name}@${description.version} can give`,
      help: `\`maestro task show ${description.name}@${description.version}\` describes what it gives.`,
    });
  }
}

function checkKeys(
  map: JsonValue | undefined,
  path: Path,
  known: readonly string[],
  what: string,
  problems: Diagnostic[],
): void {
  if (!isJsonObject(map)) return;
  for (const key of Object.keys(map))
    if (!known.includes(key)) problems.push(unknown([...path, key], key, known, `${what}; there are`));
}

function checkWords(list: JsonValue | undefined, path: Path, known: readonly string[], problems: Diagnostic[]): void {
  if (!Array.isArray(list)) return;
  (list as readonly string[]).forEach((word, i) => {
    if (!known.includes(word.replace(/\[\d+\]$/, "")))
      problems.push(atValue(unknown([...path, i], word, known, "is no task; there are")));
  });
}

function checkDuring(
  cancel: JsonValue | undefined,
  path: Path,
  known: readonly string[],
  problems: Diagnostic[],
): void {
  const during = isJsonObject(cancel) ? cancel["during"] : undefined;
  if (typeof during !== "string" || known.includes(during.replace(/\[\d+\]$/, ""))) return;
  problems.push(atValue(unknown(path, during, known, "is no task; there are")));
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
        problems.push(atValue(unknown(at, root, MEMBERS, "is nothing of a run; there are")));
      }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      problems.push({ rule: "WF011", severity: "error", path: at, message: error.message });
    }
  });
}

/** Pointing at the value, where that is the name. */
function atValue(diagnostic: Diagnostic): Diagnostic {
  const { key: isKey, ...rest } = diagnostic;
  return isKey === true ? rest : diagnostic;
}

const MAX_NAMES = 12;

function unknown(path: Path, name: string, known: readonly string[], what: string): Diagnostic {
  const near = suggest(name, known);
  const list =
    known.length > MAX_NAMES
      ? `${known.slice(0, MAX_NAMES).join(", ")} and ${known.length - MAX_NAMES} more`
      : known.join(", ");
  return {
    rule: "WF012",
    severity: "error",
    path,
    key: true,
    message: `\`${name}\` ${what} ${list === "" ? "none" : list}`,
    ...(near === undefined ? {} : { fix: `did you mean \`${near}\`?` }),
  };
}
