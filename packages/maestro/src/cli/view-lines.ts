import type { RunView, TaskView } from "../engine/engine.ts";
import type { JsonObject } from "../core/json.ts";
import { duration, stepName, time } from "./format.ts";
import { summaryLines } from "./outcome.ts";
import { glyph, paint, shownStep } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import { tableLines } from "./terminal/table.ts";
import { oneLine, safe, truncate } from "./terminal/text.ts";

/** `maestro show`: everything about a run that fits a page. */
export function viewLines(
  view: RunView,
  options: { readonly style: Style; readonly proof: string | null; readonly width: number; readonly now: number },
): readonly string[] {
  const { run } = view;
  const { style, width, now } = options;
  const fact = (name: string, value: string): string =>
    `  ${name.padEnd(9)} ${truncate(safe(value), Math.max(20, width - 12))}`;
  const labels = Object.entries(run.labels).map(([key, value]) => `${key}=${value}`);
  return [
    ...summaryLines(view, { ...options, besides: "maestro show" }),
    "",
    fact("id", run.id),
    fact("workflow", `${run.namespace}/${run.workflow}@${run.version}`),
    fact("plan", run.planDigest),
    fact("by", [run.initiator, ...(run.purpose === "" ? [] : [`for ${run.purpose}`])].join(" ")),
    ...(view.authority === "" ? [] : [fact("authority", view.authority)]),
    fact("created", time(run.createdAt)),
    ...(run.endedAt === null ? [] : [fact("ended", time(run.endedAt))]),
    ...(labels.length === 0 ? [] : [fact("labels", labels.join(" "))]),
    ...(run.parentRun === null ? [] : [fact("parent", run.parentRun)]),
    ...objectFact("inputs", view.inputs, fact),
    "",
    ...tableLines(
      [
        {
          head: "TASK",
          value: (task: TaskView) => task.id,
          mark: { width: 1, of: (task) => glyph(style, shownStep(task.status, task.error)) },
          flexible: true,
        },
        { head: "STATUS", value: (task) => shownStep(task.status, task.error) },
        { head: "USES", value: (task) => task.uses, flexible: true },
        { head: "STEPS", value: stepsText, align: "right" },
        {
          head: "TOOK",
          value: (task) => (task.startedAt === null ? "" : duration((task.endedAt ?? now) - task.startedAt)),
          align: "right",
        },
        {
          head: "WHY",
          value: (task) => whyText(task, view),
          decorate: (cell) => paint(style, "gray", cell),
          flexible: true,
        },
      ],
      view.tasks,
      width,
    ).map((line) => `  ${line}`.trimEnd()),
  ];
}

function stepsText({ fanOut, counts, attempts }: TaskView): string {
  if (!fanOut) return attempts > 1 ? `x${attempts}` : "";
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return `${counts.succeeded ?? 0}/${total}`;
}

function whyText(task: TaskView, view: RunView): string {
  if (task.waiting !== null) return task.waiting.text;
  const step = task.steps.find(({ error }) => error !== null);
  if (step?.error != null)
    return `${task.fanOut ? `${stepName(step)} ` : ""}${step.error.code}: ${oneLine(step.error.message)}`;
  if (task.error !== null) return `${task.error.code}: ${oneLine(task.error.message)}`;
  if (task.status === "skipped") return skipText(task, view);
  return task.cachedFrom === null ? "" : `cached from ${task.cachedFrom}`;
}

function skipText({ needs, fanOut }: TaskView, { run, tasks }: RunView): string {
  const stood = (status: TaskView["status"]): TaskView | undefined =>
    tasks.find((task) => task.status === status && needs.includes(task.id));
  const failed = stood("failed");
  if (failed !== undefined) return `${failed.id} failed`;
  const skipped = stood("skipped");
  if (skipped !== undefined) return `${skipped.id} was skipped`;
  // What a cancelled run did not come to was skipped as well, whatever its condition.
  if (run.status === "cancelled" || run.status === "denied") return "";
  return fanOut ? "its condition was false, or its list is empty" : "its condition was false";
}

function objectFact(name: string, value: JsonObject, fact: (name: string, value: string) => string): readonly string[] {
  return Object.entries(value).map(([key, member], i) =>
    fact(i === 0 ? name : "", `${key} = ${JSON.stringify(member)}`),
  );
}
