import { pathOfTask } from "./compile-places.ts";
import type { ResolvedUse } from "./compile-uses.ts";
import type { Diagnostic, Path } from "./diagnostic.ts";
import { formatDuration } from "./duration.ts";
import { hasInterpolation } from "./interpolation.ts";
import type { JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";
import { formatUse } from "./workflow.ts";

/** What works and is still worth a word: the warnings that need no graph. */
export function lint(
  workflow: Workflow,
  uses: ReadonlyMap<WorkflowTask, ResolvedUse>,
  usedInputs: ReadonlySet<string>,
  problems: Diagnostic[],
): void {
  for (const name of Object.keys(workflow.inputs["properties"] ?? {})) {
    if (!usedInputs.has(name))
      problems.push({
        rule: "WF050",
        severity: "warning",
        path: ["spec", "inputs", name],
        key: true,
        message: `nothing reads the input \`${name}\``,
      });
  }
  lintBudget(workflow, problems);
  lintRollback(workflow, problems);
  for (const task of workflow.tasks) {
    const use = uses.get(task);
    if (use !== undefined) lintTask(workflow, task, use, problems);
    findSecrets(task.with, [...pathOfTask(task), "with"], problems);
    if (task.undo !== undefined) findSecrets(task.undo.with, [...pathOfTask(task), "undo", "with"], problems);
  }
}

function lintTask(workflow: Workflow, task: WorkflowTask, use: ResolvedUse, problems: Diagnostic[]): void {
  const at = pathOfTask(task);
  const warn = (
    rule: "WF043" | "WF051" | "WF052" | "WF053" | "WF059",
    path: Path,
    message: string,
    help: string,
  ): void => {
    problems.push({ rule, severity: "warning", path, key: true, message, help });
  };
  if (task.sensitive && task.approvals === undefined) {
    warn(
      "WF051",
      [...at, "sensitive"],
      `task "${task.id}" is sensitive, and nobody is asked before it runs`,
      "Add `approvals: { count: 1, roles: [...] }`, or an ignore comment that says why not.",
    );
  }
  if (use.runs === "process" && task.timeout?.runMs === undefined && workflow.budget?.wallMs === undefined) {
    warn(
      "WF052",
      at,
      `task "${task.id}" runs a command without a time limit`,
      "Add `timeout: { run: 10m }`, or `budget: { wall: 1h }` for the whole run.",
    );
  }
  if (
    (task.sensitive || use.effects.includes("spend") || use.effects.includes("deploy")) &&
    task.retry === undefined &&
    use.runs !== "engine" &&
    use.runs !== "child"
  ) {
    warn(
      "WF053",
      at,
      `task "${task.id}" may run twice if the engine dies while it runs`,
      "Add `retry: { onLost: fail }`, or `retry: { onLost: retry }` if running twice does no harm.",
    );
  }
  if (use.runs === "process" && task.identity !== undefined && task.runner?.sandbox === "none") {
    warn(
      "WF059",
      [...at, "identity"],
      `task "${task.id}" gets tokens outside a sandbox, where every process of this user can ask for them, too`,
      "Take `sandbox: none` out, or an ignore comment that says why the user's other processes may have them.",
    );
  }
  const type = formatUse(task.uses);
  const idle: (readonly [string, boolean])[] = [
    ["runner", use.runs !== "process" && task.runner !== undefined],
    ["secrets", use.runs !== "process" && Object.keys(task.secrets).length > 0],
    ["identity", use.runs !== "process" && task.identity !== undefined],
    ["artifacts", use.runs !== "process" && task.artifacts.length > 0],
    ["cache", (use.runs === "engine" || use.runs === "child") && task.cache !== undefined],
  ];
  for (const [field, without] of idle) {
    if (without)
      warn(
        "WF043",
        [...at, field],
        `\`${field}\` has no effect on \`${type}\``,
        field === "runner" || field === "secrets" || field === "identity"
          ? "It runs inside the engine and starts no command."
          : "It leaves nothing that could be kept.",
      );
  }
}

function lintBudget(workflow: Workflow, problems: Diagnostic[]): void {
  const { budget } = workflow;
  if (
    budget?.tasks !== undefined &&
    budget.tasks < workflow.tasks.filter((task) => task.phase === "main" && task.when === undefined).length
  ) {
    problems.push({
      rule: "WF045",
      severity: "warning",
      path: ["spec", "budget", "tasks"],
      message: `the budget allows ${budget.tasks} attempt${budget.tasks === 1 ? "" : "s"}, and there are more tasks than that`,
    });
  }
  if (budget?.wallMs === undefined) return;
  for (const task of workflow.tasks) {
    const runMs = task.timeout?.runMs;
    if (runMs === undefined || runMs <= budget.wallMs) continue;
    problems.push({
      rule: "WF045",
      severity: "warning",
      path: [...pathOfTask(task), "timeout", "run"],
      message: `task "${task.id}" may take ${formatDuration(runMs)}, longer than the whole run (\`budget.wall\` is ${formatDuration(budget.wallMs)})`,
    });
  }
}

function lintRollback(workflow: Workflow, problems: Diagnostic[]): void {
  const undoable = workflow.tasks.filter((task) => task.undo !== undefined);
  if (workflow.onFailure === "rollback" && undoable.length === 0) {
    problems.push({
      rule: "WF058",
      severity: "warning",
      path: ["spec", "onFailure"],
      message: "`rollback` has nothing to do: no task says how to `undo` it",
    });
  }
  const [first] = undoable;
  if (workflow.onFailure === "stop" && first !== undefined) {
    problems.push({
      rule: "WF058",
      severity: "warning",
      path: [...pathOfTask(first), "undo"],
      key: true,
      message: "`undo` never runs without `onFailure: rollback`",
    });
  }
}

/** Tokens whose form gives them away, and values under names that say so. */
const TOKENS =
  /\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35})\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|:\/\/[^/\s:@]+:[^/\s:@$]{3,}@/;
const SECRET_NAME = /(?:^|[_-])(?:password|passwd|secret|token|api_?key|private_?key|credential)s?$/i;

function findSecrets(value: JsonValue, path: Path, problems: Diagnostic[]): void {
  if (typeof value === "string") {
    const name = path.at(-1);
    const named =
      typeof name === "string" &&
      SECRET_NAME.test(name) &&
      value.length >= 8 &&
      !hasInterpolation(value) &&
      !/\s/.test(value);
    if (!TOKENS.test(value) && !named) return;
    problems.push({
      rule: "WF054",
      severity: "warning",
      path,
      message: `${typeof name === "string" ? `\`${name}\`` : "this"} looks like a secret in plain text`,
      help: "Name it in `secrets: { VARIABLE: name-of-the-secret }` and read it from the environment. Change the secret: it has been seen.",
    });
  } else if (Array.isArray(value))
    (value as readonly JsonValue[]).forEach((element, i) => findSecrets(element, [...path, i], problems));
  else if (isJsonObject(value))
    for (const [key, member] of Object.entries(value)) findSecrets(member, [...path, key], problems);
}
