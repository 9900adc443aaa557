import type { RunView, TaskView } from "../engine/engine.ts";
import { EXIT_CODES } from "../core/problem.ts";
import type { JsonValue } from "../core/json.ts";
import { API_VERSION } from "../api/respond.ts";
import type { Cli } from "./cli.ts";
import type { Client } from "./client.ts";
import { count, duration, grouped, shortDigest, shortId, stepName, usd } from "./format.ts";
import { isData, printLines, printObject } from "./output.ts";
import { proofOf } from "./proof.ts";
import { glyph, isRefusal, paint, shownRun, shownStep } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import { oneLine, safe, truncate, wrapped } from "./terminal/text.ts";
import type { Ending } from "./watch-run.ts";

/** Prints what watching came to and gives the exit code: the run's, or why it was left. */
export async function finish(cli: Cli, client: Client, run: string, ending: Ending): Promise<number> {
  switch (ending.kind) {
    case "ended":
      await printOutcome(cli, client, ending.view);
      return ending.interrupted ?? exitCodeOf(ending.view);
    case "approval":
      await printRef(cli, ending.view.run.id, ending.view);
      sayNext(cli, [`maestro approvals ${shortId(run)}`, `maestro watch ${shortId(run)}`], "waits for an approval");
      return EXIT_CODES.pending;
    case "timeout":
      sayLeft(cli, client, run, "the time to watch it is over");
      return EXIT_CODES.timeout;
    case "detached":
      sayLeft(cli, client, run, "left");
      return ending.code;
  }
}

/** The run's exit code: 0 succeeded, 3 denied by policy or people, 8 budget or time, 1 any other failure and cancelled. */
export function exitCodeOf({ run, error }: RunView): number {
  if (run.status === "succeeded") return 0;
  if (run.status === "denied" || isRefusal(error)) return EXIT_CODES.denied;
  if (error !== null && (error.code === "BUDGET" || error.code === "TIMEOUT" || error.code === "QUEUE_TIMEOUT"))
    return EXIT_CODES.timeout;
  return EXIT_CODES.failed;
}

/** stdout: the outcome as data, or one row for a program. stderr: the summary for a person. */
export async function printOutcome(cli: Cli, client: Client, view: RunView): Promise<void> {
  const { terminal } = cli;
  const proof = await proofOf(client, view);
  if (!isData(cli) || terminal.errIsTty)
    for (const line of summaryLines(view, {
      style: terminal.err,
      proof,
      width: terminal.errIsTty ? terminal.width() : Infinity,
    }))
      terminal.say(line);
  await printRef(cli, view.run.id, view);
}

/** What a script needs of a run: its data, or `id status receipt`. */
export async function printRef(cli: Cli, id: string, view: RunView | undefined): Promise<void> {
  if (isData(cli))
    return printObject(cli, view === undefined ? { apiVersion: API_VERSION, kind: "Run", id } : { ...view });
  if (cli.output === "name" || view === undefined) return printLines(cli, [id]);
  if (!cli.terminal.outIsTty)
    await printLines(cli, [[id, view.run.status, view.receipts.at(-1)?.digest ?? ""].join("\t")]);
}

export interface SummaryOptions {
  readonly style: Style;
  /** What verifying the receipt came to, in a sentence; null without a receipt. */
  readonly proof: string | null;
  readonly width: number;
  /** The command that prints this, which is no next step. */
  readonly besides?: string;
  /** Epoch milliseconds, for how long a run has been at work that has not ended. */
  readonly now?: number;
}

/** How a run went, for a person: outcome, why it failed, outputs, receipt and what to do next. */
export function summaryLines(view: RunView, { style, proof, width, besides, now }: SummaryOptions): readonly string[] {
  const { run, used } = view;
  const shown = shownRun(run);
  const took = run.startedAt === null ? [] : [duration((run.endedAt ?? now ?? run.startedAt) - run.startedAt)];
  const spent = used.usdMicros > 0 ? [usd(used.usdMicros)] : [];
  const head = [
    `${safe(run.name)} ${shortId(run.id)}`,
    ...took,
    `${grouped(run.tasksDone)} of ${count(run.tasksTotal, "task")}`,
    count(used.tasks, "attempt"),
    ...spent,
  ];
  const lines = [`${glyph(style, shown)} ${paint(style, "bold", shown)}  ${head.join("  ")}`];
  const fact = (name: string, text: string): void =>
    void lines.push(`  ${name.padEnd(8)} ${truncate(text, Math.max(20, width - 12))}`);
  for (const [i, line] of whyLines(view, Math.max(20, width - 12)).entries()) fact(i === 0 ? "why" : "", line);
  for (const line of failureLines(view.tasks, style, width)) lines.push(line);
  for (const [name, value] of Object.entries(view.outputs ?? {}).slice(0, 10))
    fact("output", `${safe(name)} = ${valueText(value)}`);
  const receipt = view.receipts.at(-1);
  if (receipt !== undefined) fact("receipt", `${shortDigest(receipt.digest)}  ${proof ?? ""}`.trimEnd());
  for (const [i, line] of nextSteps(view)
    .filter((line) => besides === undefined || line.includes(" --") || !line.startsWith(besides))
    .entries())
    fact(i === 0 ? "next" : "", line);
  return lines;
}

function whyLines({ run, error }: RunView, width: number): readonly string[] {
  if (error === null) return [];
  const said = `${error.code}: ${error.message}`.split(/\r?\n/).filter((line) => line.trim() !== "");
  const shown = said.map((line) => safe(line.replaceAll("\t", "  ")));
  // All that a policy says has a reason or a way out; what a program printed is cut off where a screen ends.
  const lines = run.status === "denied" ? shown.flatMap((line) => wrapped(line, width)) : shown;
  return [...lines.slice(0, WHY_LINES), ...(lines.length > WHY_LINES ? ["…"] : [])];
}

/** Of an error that quotes what a program said last. */
const WHY_LINES = 12;

/** A line for each step that failed, as far as they fit a screen. */
export function failureLines(tasks: readonly TaskView[], style: Style, width: number): readonly string[] {
  const failed = tasks.filter(({ status }) => status === "failed");
  return failed.slice(0, 5).flatMap((task) => {
    const steps = task.fanOut ? task.steps.filter(({ status }) => status === "failed").slice(0, 3) : [];
    const own = steps.length === 0 ? [{ task: task.id, item: -1, error: task.error }] : steps;
    return own.map((step) => {
      const text = step.error === null ? "failed" : `${step.error.code}: ${oneLine(step.error.message)}`;
      return `  ${glyph(style, shownStep("failed", step.error))} ${truncate(`${stepName(step)}  ${text}`, Math.max(20, width - 5))}`;
    });
  });
}

/** The next command, on failure above all. */
export function nextSteps({ run, tasks, receipts, error }: RunView): readonly string[] {
  const id = shortId(run.id);
  if (run.endedAt === null)
    return run.waiting === "approval"
      ? [`maestro approvals ${id}`, `maestro watch ${id}`]
      : [`maestro watch ${id}`, `maestro cancel ${id}`];
  switch (run.status) {
    case "succeeded":
      return [`maestro show ${id}`, ...(receipts.length === 0 ? [] : [`maestro receipt export ${id} --to evidence`])];
    case "denied":
      return [
        // By people or by the policy.
        error?.code === "DENIED" ? `maestro policy explain ${id}` : `maestro show ${id} --events`,
        ...(receipts.length === 0 ? [] : [`maestro receipt show ${id}`]),
      ];
    default:
      return [
        ...(tasks.some((task) => task.status === "failed" && (task.fanOut || task.attempts > 0) && !isReplaced(task))
          ? [`maestro logs ${id} --failed`]
          : []),
        // A run keeps its plan, and with it the program that is not there any more: only a new run gets the new one.
        tasks.some(isReplaced) ? "maestro task list -o wide" : `maestro retry ${id}`,
        `maestro show ${id}`,
      ];
  }
}

/** Its program was not started, so that there is no log of it either. */
function isReplaced({ error }: TaskView): boolean {
  return error?.code === "PROGRAM_CHANGED";
}

function valueText(value: JsonValue): string {
  return safe(typeof value === "string" ? value : JSON.stringify(value));
}

function sayLeft(cli: Cli, client: Client, run: string, why: string): void {
  const id = shortId(run);
  const state = client.isEngine
    ? "it was carried out by this process; it is handed back and goes on with the next `maestro watch`"
    : "it is still running";
  cli.terminal.say(`${id} ${why}: ${state}`);
  sayNext(cli, [`maestro watch ${id}`, `maestro cancel ${id}`], undefined);
}

function sayNext(cli: Cli, lines: readonly string[], state: string | undefined): void {
  if (state !== undefined) cli.terminal.say(state);
  for (const [i, line] of lines.entries()) cli.terminal.say(`  ${(i === 0 ? "next" : "").padEnd(8)} ${line}`);
}
