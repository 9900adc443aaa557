import type { RunView, StepStatus, TaskView } from "../engine/engine.ts";
import { count, duration, grouped, shortDigest, shortId, stepName } from "./format.ts";
import { glyph, paint, PLAIN, shownRun, shownStep } from "./terminal/style.ts";
import type { ShownStatus, Style } from "./terminal/style.ts";
import { displayWidth, oneLine, pad, safe, truncate } from "./terminal/text.ts";

export interface TreeOptions {
  readonly width: number;
  /** Lines at most; what does not fit is counted. */
  readonly height: number;
  readonly now: number;
  readonly style: Style;
}

/**
 * A run as at most `height` lines of at most `width` columns: a head, what failed, what works, what waits and why, and
 * counts of what has passed and of what is still to come. Pure: the same view gives the same lines.
 */
export function treeLines(view: RunView, options: TreeOptions): readonly string[] {
  const body = foldTasks(view, options.height - 1);
  const nameWidth = Math.min(MAX_NAME, Math.max(0, ...body.map((row) => displayWidth(row.name))));
  const notes = body.map((row) => row.note);
  const noteWidth = Math.min(MAX_NOTE, Math.max(0, ...notes.map(displayWidth)));
  return [head(view, options), ...body.map((row) => rowLine(row, { nameWidth, noteWidth }, options))];
}

const MAX_NAME = 28;
const MAX_NOTE = 24;

function head(view: RunView, { width, now, style }: TreeOptions): string {
  const { run } = view;
  const shown = shownRun(run);
  const word = run.status === "cancelling" ? "cancelling" : shown;
  const took = run.startedAt === null ? "" : duration((run.endedAt ?? now) - run.startedAt);
  const parts = [
    `${safe(run.name)} ${shortId(run.id)}`,
    word,
    took,
    `${grouped(run.tasksDone)} of ${count(run.tasksTotal, "task")}`,
    `plan ${shortDigest(run.planDigest)}`,
  ];
  return `${glyph(style, shown)} ${truncate(parts.filter((part) => part !== "").join("  "), width - 2)}`;
}

/** One line of the body, before widths are known. */
interface Row {
  readonly indent: number;
  readonly status: ShownStatus;
  readonly name: string;
  /** Second column: counts. */
  readonly note: string;
  /** The rest: duration, reason. */
  readonly text: string;
  readonly since: { readonly from: number; readonly to: number | null } | null;
}

function foldTasks(view: RunView, room: number): readonly Row[] {
  const queued = view.tasks.filter(({ status }) => status === "pending");
  const others = view.tasks.filter(({ status }) => status !== "pending");
  const passed = others.filter(({ status }) => status === "succeeded" || status === "skipped");
  const open = others.filter((task) => !passed.includes(task));
  const tail = queued.length === 0 ? [] : [foldRow("queued", queued, "queued")];
  // Everything in the order of the plan while there is room; then what has passed becomes a count; then the least urgent goes.
  if (others.length + tail.length <= room) {
    const rows = others.map(taskRow);
    return [...withItems(others, rows, room - tail.length), ...tail];
  }
  const folded = passed.length === 0 ? [] : [foldRow("succeeded", passed, "passed")];
  const left = room - folded.length - tail.length;
  if (open.length <= left) return [...folded, ...withItems(open, open.map(taskRow), left), ...tail];
  const urgent = open.toSorted((a, b) => URGENCY[a.status] - URGENCY[b.status]).slice(0, Math.max(0, left - 1));
  const shown = open.filter((task) => urgent.includes(task));
  const hidden = open.filter((task) => !urgent.includes(task));
  return [...folded, ...shown.map(taskRow), foldRow("running", hidden, "more"), ...tail];
}

const URGENCY: Readonly<Record<StepStatus, number>> = {
  failed: 0,
  waiting: 1,
  running: 2,
  cancelled: 3,
  pending: 4,
  skipped: 5,
  succeeded: 6,
};

function foldRow(status: ShownStatus, tasks: readonly TaskView[], word: string): Row {
  const names = tasks.slice(0, 20).map(({ id }) => id);
  return {
    indent: 1,
    status,
    name: "",
    note: "",
    text: `${grouped(tasks.length)} ${word}: ${names.join(", ")}${tasks.length > names.length ? ", …" : ""}`,
    since: null,
  };
}

function taskRow(task: TaskView): Row {
  return {
    indent: 1,
    status: shownStep(task.status, task.error),
    name: task.id,
    note: taskNote(task),
    text: taskText(task),
    since: task.startedAt === null || task.status === "skipped" ? null : { from: task.startedAt, to: task.endedAt },
  };
}

function taskNote(task: TaskView): string {
  const { counts } = task;
  if (!task.fanOut) return task.attempts > 1 ? `attempt ${task.attempts}` : "";
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const done = (counts.succeeded ?? 0) + (counts.failed ?? 0) + (counts.skipped ?? 0) + (counts.cancelled ?? 0);
  const failed = counts.failed === undefined || counts.failed === 0 ? "" : `, ${grouped(counts.failed)} failed`;
  return `${grouped(done)} of ${grouped(total)}${failed}`;
}

function taskText(task: TaskView): string {
  if (task.waiting !== null) return task.waiting.text;
  if (task.error !== null && task.status === "failed") return `${task.error.code}: ${oneLine(task.error.message)}`;
  if (task.cachedFrom !== null) return `cached from ${shortId(task.cachedFrom)}`;
  return task.status === "skipped" ? "skipped" : "";
}

/** Failed items of fan-outs below their task, as far as there is room. */
function withItems(tasks: readonly TaskView[], rows: readonly Row[], room: number): readonly Row[] {
  let free = Math.min(room - rows.length, MAX_ITEMS);
  return rows.flatMap((row, i) => {
    const failed = (tasks[i]?.fanOut === true ? tasks[i].steps : [])
      .filter(({ status }) => status === "failed")
      .slice(0, Math.max(0, free));
    free -= failed.length;
    return [
      row,
      ...failed.map((step): Row => ({
        indent: 2,
        status: shownStep("failed", step.error),
        name: stepName(step),
        note: "",
        text: step.error === null ? "failed" : `${step.error.code}: ${oneLine(step.error.message)}`,
        since: null,
      })),
    ];
  });
}

const MAX_ITEMS = 3;

function rowLine(
  row: Row,
  { nameWidth, noteWidth }: { readonly nameWidth: number; readonly noteWidth: number },
  { width, now, style }: TreeOptions,
): string {
  const indent = "  ".repeat(row.indent);
  const name = row.name === "" ? "" : `${pad(truncate(safe(row.name), nameWidth), nameWidth)}  `;
  const note = row.name === "" || noteWidth === 0 ? "" : `${pad(truncate(row.note, noteWidth), noteWidth)}  `;
  const took = row.since === null ? "" : duration((row.since.to ?? now) - row.since.from);
  const rest =
    row.name === ""
      ? safe(row.text)
      : [pad(took, row.text === "" ? 0 : 6), safe(row.text)].filter((part) => part.trim() !== "").join("  ");
  const line = truncate(`${name}${note}${rest}`.trimEnd(), Math.max(0, width - indent.length - 2));
  const dim = row.status === "skipped" || row.status === "queued" || row.name === "";
  return `${indent}${glyph(style, row.status)} ${dim ? paint(style, "gray", line) : line}`;
}

/** The same lines without colour, for measuring. */
export function plainTree(view: RunView, options: TreeOptions): readonly string[] {
  return treeLines(view, { ...options, style: { ...PLAIN, unicode: options.style.unicode } });
}
