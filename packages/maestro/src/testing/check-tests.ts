import type { Diagnostic, Path } from "../core/diagnostic.ts";
import { compileTemplate, ExpressionError } from "../core/expression.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { Plan, PlanTask, TaskUse } from "../core/plan.ts";
import { useText } from "../core/receipt-facts.ts";
import { checkValue } from "../core/schema-check.ts";
import type { TaskType } from "../task/task.ts";
import { checkExpect } from "./check-expect.ts";
import { fillOutput } from "./fill-output.ts";
import type { ReadCase, TestFile } from "./read-tests.ts";
import type { Runbook } from "./runbook.ts";
import { checkKeys, checkWords, unknownKey, unknownValue, withoutItem } from "./unknown-name.ts";

/** What a test file says that its runbook does not know: tasks, types, inputs, outputs that a type cannot give. */
export function checkTests(
  { value, cases }: Pick<TestFile, "value" | "cases">,
  runbook: Runbook,
): readonly Diagnostic[] {
  const names = namesOf(runbook);
  const problems: Diagnostic[] = [];
  for (const { part, path } of partsOf(value)) {
    checkFakes(part["fakes"], [...path, "fakes"], names, problems);
    checkKeys(part["approvals"], [...path, "approvals"], names.people, "asks no people", problems);
    checkKeys(part["inputs"], [...path, "inputs"], inputsOf(runbook.plan), "is no input", problems);
    checkSignals(part["signals"], [...path, "signals"], names, problems);
    checkWords(part["deny"], [...path, "deny"], [...names.tasks, "run.start"], "is no task", problems);
    checkDuring(part["cancel"], [...path, "cancel", "during"], names.tasks, problems);
    if (isJsonObject(part["expect"])) checkExpect(part["expect"], runbook.plan, [...path, "expect"], problems);
  }
  checkTitles(cases, problems);
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
  /** Tasks of the runbook and of its child runs. */
  readonly tasks: readonly string[];
  /** Those that have items. */
  readonly fanOuts: ReadonlySet<string>;
  readonly people: readonly string[];
  /** What tasks wait for; undefined where one finds that out only when it runs. */
  readonly signals: readonly string[] | undefined;
  /** By what a fake may be called. */
  readonly types: ReadonlyMap<string, readonly (TaskType | undefined)[]>;
}

/** Runbooks inside runbooks, as deep as the engine goes. */
const MAX_DEPTH = 8;

function namesOf({ plan, plans, types }: Runbook): Names {
  const tasks: string[] = [];
  const fanOuts = new Set<string>();
  const people: string[] = [];
  const signals: (string | undefined)[] = [];
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
      if (task.forEach !== undefined) fanOuts.add(name);
      signals.push(...signalsOf(task));
      if (asksPeople(task)) people.push(name);
      if (task.uses.kind === "type") add(name, task.uses);
      if (task.undo !== undefined) add(`${name}.undo`, task.undo.uses);
      const child = task.uses.kind === "runbook" ? plans.get(task.uses.planDigest) : undefined;
      if (child !== undefined && depth < MAX_DEPTH) visit(child, `${name}/`, depth + 1);
    }
  };
  visit(plan, "", 0);
  const all = signals.every((name) => name !== undefined) ? signals : undefined;
  return { tasks, fanOuts, people, signals: all, types: known };
}

/** What `wait@1` waits for; undefined for a name that an expression gives. */
function signalsOf({ uses, with: given }: PlanTask): readonly (string | undefined)[] {
  if (uses.kind !== "type" || uses.name !== "wait" || !isJsonObject(given)) return [];
  return [given["signal"], given["event"]].flatMap((name) =>
    typeof name !== "string" ? [] : [compileTemplate(name).constant ? name : undefined],
  );
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
    const types = names.types.get(name) ?? names.types.get(withoutItem(name));
    if (types === undefined) {
      problems.push(unknownKey(at, name, [...names.types.keys()], whyNot(name, names)));
      continue;
    }
    const step = withoutItem(name);
    if (step !== name && !names.fanOuts.has(step.replace(/\.undo$/, "")))
      problems.push({
        rule: "WF012",
        severity: "error",
        path: at,
        key: true,
        message: `\`${name}\` names an item, and ${step} has none: its task has no \`forEach\``,
        fix: `did you mean \`${step}\`?`,
      });
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

function checkDuring(
  cancel: JsonValue | undefined,
  path: Path,
  known: readonly string[],
  problems: Diagnostic[],
): void {
  const during = isJsonObject(cancel) ? cancel["during"] : undefined;
  if (typeof during !== "string" || known.includes(withoutItem(during))) return;
  problems.push(unknownValue(path, during, known, "is no task; there are"));
}

function checkSignals(list: JsonValue | undefined, path: Path, { signals }: Names, problems: Diagnostic[]): void {
  if (!Array.isArray(list) || signals === undefined) return;
  (list as readonly JsonObject[]).forEach(({ name }, i) => {
    if (typeof name === "string" && !signals.includes(name))
      problems.push(unknownValue([...path, i, "name"], name, signals, "is no signal that a task waits for; there are"));
  });
}

/** Reports and `--filter` tell cases apart by their names. */
function checkTitles(cases: readonly ReadCase[], problems: Diagnostic[]): void {
  const lines = new Map<string, number>();
  for (const { name, path, line } of cases) {
    const first = name === "" ? undefined : lines.get(name);
    if (first === undefined) lines.set(name, line);
    else
      problems.push({
        rule: "WF011",
        severity: "error",
        path: [...path, "name"],
        message: `\`${name}\` is the name of the case in line ${first} already`,
      });
  }
}
