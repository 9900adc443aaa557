import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { formatDuration } from "../core/duration.ts";
import type { Plan, PlanTask, TaskUse } from "../core/plan.ts";
import { API_VERSION } from "../api/respond.ts";
import type { Cli } from "./cli.ts";
import { count, grouped, usd } from "./format.ts";
import { isData, printLines, printObject } from "./output.ts";
import { paint } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import { safe, truncate } from "./terminal/text.ts";

interface PlanWithDigest {
  readonly plan: Plan;
  readonly digest: string;
}

/** A plan in the format that was asked for: a tree for people, DOT for pictures, JSON for programs, the digest as its name. */
export async function printPlan(cli: Cli, { plan, digest }: PlanWithDigest): Promise<void> {
  if (isData(cli)) return printObject(cli, { apiVersion: API_VERSION, kind: "Plan", digest, plan });
  if (cli.output === "name") return printLines(cli, [digest]);
  if (cli.output === "dot") return printLines(cli, dotLines(plan));
  const width = cli.terminal.outIsTty ? cli.terminal.width() : Infinity;
  await printLines(cli, planLines({ plan, digest }, cli.terminal.out, width));
}

/** What will be asked, touched and spent, and in which order. */
export function planLines({ plan, digest }: PlanWithDigest, style: Style, width: number): readonly string[] {
  const { workflow, budget } = plan;
  const approvals = plan.tasks.filter(
    ({ approvals: rule, uses }) => rule !== undefined || (uses.kind === "type" && uses.name === "approval"),
  );
  const effects = [...new Set(plan.tasks.flatMap((task) => task.effects))].toSorted();
  const secrets = [...new Set(plan.tasks.flatMap((task) => Object.values(task.secrets ?? {})))].toSorted();
  const audiences = [...new Set(plan.tasks.flatMap((task) => task.identity?.audiences ?? []))].toSorted();
  const fact = (name: string, value: string): string =>
    `  ${name.padEnd(9)} ${truncate(safe(value), Math.max(20, width - 12))}`;
  return [
    `${paint(style, "bold", `${workflow.namespace}/${workflow.name}@${workflow.version}`)}  ${count(plan.tasks.length, "task")}${approvals.length === 0 ? "" : `, ${count(approvals.length, "approval")}`}`,
    ...(plan.description === undefined ? [] : [`  ${truncate(safe(plan.description), Math.max(20, width - 2))}`]),
    fact("plan", digest),
    fact("purposes", plan.purposes.join(", ")),
    fact("authority", plan.authority.required ? "required" : "not required"),
    fact("license", plan.license),
    fact("effects", effects.length === 0 ? "none" : effects.join(", ")),
    ...(secrets.length === 0 ? [] : [fact("secrets", secrets.join(", "))]),
    ...(audiences.length === 0 ? [] : [fact("tokens", `for ${audiences.join(", ")}`)]),
    ...(budget === undefined ? [] : [fact("budget", budgetText(budget))]),
    ...(plan.concurrency === undefined
      ? []
      : [
          fact(
            "together",
            `at most ${plan.concurrency.max} by ${plan.concurrency.key}, else ${plan.concurrency.onConflict}`,
          ),
        ]),
    ...(plan.onFailure === "rollback" ? [fact("failure", "what succeeded is undone, in reverse order")] : []),
    "",
    paint(style, "bold", "inputs"),
    ...inputLines(plan.inputs, width),
    "",
    paint(style, "bold", "tasks"),
    ...plan.tasks.flatMap((task) => taskLines(task, style, width)),
  ];
}

function budgetText({ wallMs, tasks, usdMicros }: NonNullable<Plan["budget"]>): string {
  const parts = [
    wallMs === undefined ? "" : formatDuration(wallMs),
    tasks === undefined ? "" : `${grouped(tasks)} attempts`,
    usdMicros === undefined ? "" : usd(usdMicros),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function inputLines(schema: JsonObject, width: number): readonly string[] {
  const properties = Object.entries(isJsonObject(schema["properties"]) ? schema["properties"] : {});
  if (properties.length === 0) return ["  none"];
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const nameWidth = Math.max(...properties.map(([name]) => name.length));
  return properties.map(([name, property]) => {
    const fields = isJsonObject(property) ? property : {};
    const parts = [
      typeText(property),
      fields["default"] === undefined
        ? required.includes(name)
          ? "required"
          : "optional"
        : `default ${JSON.stringify(fields["default"])}`,
    ];
    const about = typeof fields["description"] === "string" ? `  ${fields["description"]}` : "";
    return truncate(safe(`  ${name.padEnd(nameWidth)}  ${parts.join(", ")}${about}`), width);
  });
}

function typeText(schema: JsonValue): string {
  if (!isJsonObject(schema)) return "any";
  if (Array.isArray(schema["enum"]))
    return schema["enum"].map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("|");
  const type = schema["type"];
  if (type === "array") return `list of ${typeText(schema["items"] ?? {})}`;
  return typeof type === "string" ? type : Array.isArray(type) ? type.join(" or ") : "any";
}

function taskLines(task: PlanTask, style: Style, width: number): readonly string[] {
  const notes = taskNotes(task);
  const head = `  ${paint(style, "bold", safe(task.id))}  ${safe(useText(task.uses))}${task.phase === "finally" ? "  (finally)" : ""}`;
  return [head, ...notes.map((note) => paint(style, "gray", truncate(`    ${safe(note)}`, width)))];
}

function taskNotes(task: PlanTask): readonly string[] {
  const { forEach, approvals, retry, timeout } = task;
  return [
    ...(task.needs.length === 0 ? [] : [`needs ${task.needs.join(", ")}`]),
    ...(task.when === undefined ? [] : [`when ${task.when}`]),
    ...(forEach === undefined
      ? []
      : [
          `for each ${forEach.as} of ${forEach.items}, ${forEach.max} at a time${forEach.onItemFailure === "continue" ? ", failures do not stop the others" : ""}`,
        ]),
    ...(task.effects.length === 0 ? [] : [`effects ${task.effects.join(", ")}`]),
    ...(approvals === undefined
      ? []
      : [
          `approval by ${approvals.count}${approvals.roles.length === 0 ? "" : ` of ${approvals.roles.join(", ")}`}${approvals.notRequester ? ", not the requester" : ""}, within ${formatDuration(approvals.expiresMs)}`,
        ]),
    ...(task.secrets === undefined ? [] : [`secrets ${Object.values(task.secrets).join(", ")}`]),
    ...(task.identity === undefined ? [] : [`tokens for ${task.identity.audiences.join(", ")}`]),
    ...(retry === undefined || retry.attempts === 1 ? [] : [`up to ${retry.attempts} attempts`]),
    ...(timeout?.runMs === undefined ? [] : [`at most ${formatDuration(timeout.runMs)}`]),
    ...(task.runner === undefined || task.runner.sandbox === "none" ? [] : [`sandbox ${task.runner.sandbox}`]),
    ...(task.undo === undefined ? [] : [`undone by ${useText(task.undo.uses)}`]),
  ];
}

function useText(use: TaskUse): string {
  return use.kind === "type" ? `${use.name}@${use.version}` : `runbook ${use.namespace}/${use.name}@${use.version}`;
}

/** Graphviz DOT: tasks as boxes, needs as arrows, fan-outs as stacked boxes, approvals doubled. */
export function dotLines(plan: Plan): readonly string[] {
  const quote = (text: string): string =>
    `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
  return [
    `digraph ${quote(plan.workflow.name)} {`,
    "  rankdir=LR;",
    '  node [shape=box, fontname="sans-serif"];',
    ...plan.tasks.map((task) => {
      const shape = task.forEach === undefined ? "" : ", shape=box3d";
      const border = task.approvals === undefined ? "" : ", peripheries=2";
      const style = task.phase === "finally" ? ", style=dashed" : "";
      return `  ${quote(task.id)} [label=${quote(`${task.id}\n${useText(task.uses)}`)}${shape}${border}${style}];`;
    }),
    ...plan.tasks.flatMap((task) => task.needs.map((need) => `  ${quote(need)} -> ${quote(task.id)};`)),
    "}",
  ];
}
