import type { RunEvent } from "../../core/event.ts";
import { MaestroError } from "../../core/problem.ts";
import type { RunView } from "../../engine/engine.ts";
import type { LogLine, LogRef } from "../../runner/logs.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { followLogs, logKey, logPath } from "../follow-logs.ts";
import { isOfStep, parseStep } from "../step.ts";
import { shortId, size, stepName } from "../format.ts";
import { LogPrinter } from "../log-printer.ts";
import { failureLines } from "../outcome.ts";
import { printLines, printList } from "../output.ts";

interface LogEntry extends LogRef {
  readonly size: number;
  readonly lines: number;
}

interface LogList {
  readonly run: string;
  readonly logs: readonly LogEntry[];
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const grep = input.text("grep");
  const tail = input.integer("tail", { min: 0, max: 1_000_000 });
  const follow = input.flag("follow") === true;
  if (grep !== undefined && (follow || tail !== undefined))
    throw usage("--grep searches whole logs; leave out --follow and --tail.");
  const client = await cli.connect(follow ? "work" : "look");
  try {
    const list = await client.get<LogList>(`/v1/runs/${encodeURIComponent(input.arg("run"))}/logs`);
    const wanted = await chooseLogs(client, list, input);
    if (input.flag("list") === true) return await printLogList(cli, list, wanted);
    if (grep !== undefined) return await search(cli, client, wanted, grep);
    if (follow) return await followLogs(cli, client, list.run, wanted, { input, tail });
    const printer = new LogPrinter(cli, wanted.length > 1 ? "head" : "none");
    for (const log of wanted) await printLog(client, printer, log, tail);
    if (wanted.length === 0) await sayNone(cli, client, list, input);
    return 0;
  } finally {
    await client.close();
  }
}

async function chooseLogs(client: Client, { run: id, logs }: LogList, input: Input): Promise<readonly LogEntry[]> {
  const step = parseStep(input.optionalArg("task"));
  const attempt = input.integer("attempt", { min: 1, max: 1_000_000 });
  if (step !== undefined) await checkTask(client, id, step.task);
  const matching = logs
    .filter((log) => step === undefined || isOfStep(log, step))
    .filter((log) => attempt === undefined || log.attempt === attempt);
  const failed = input.flag("failed") === true ? await failedAttempts(client, id) : undefined;
  if (failed !== undefined) return matching.filter((log) => failed.has(logKey(log)));
  if (attempt !== undefined || input.flag("list") === true) return matching;
  const last = new Map(matching.map((log) => [stepName(log), log]));
  return matching.filter((log) => last.get(stepName(log)) === log);
}

/** What fails before it starts writes nothing; why it failed is in the history. */
async function sayNone(cli: Cli, client: Client, { run: id, logs }: LogList, input: Input): Promise<void> {
  const { terminal } = cli;
  if (input.flag("failed") !== true)
    return terminal.say(logs.length === 0 ? "This run has no logs." : "No log matches.");
  const { tasks } = await client.get<RunView>(`/v1/runs/${id}`);
  const failures = failureLines(tasks, terminal.err, terminal.errIsTty ? terminal.width() : Infinity);
  if (failures.length === 0) return terminal.say("No task of this run has failed.");
  terminal.say("What failed wrote nothing. It failed with:");
  for (const line of failures) terminal.say(line);
  terminal.say(`  next     maestro show ${shortId(id)} --events`);
}

async function checkTask(client: Client, run: string, task: string): Promise<void> {
  const { tasks } = await client.get<RunView>(`/v1/runs/${run}`);
  if (tasks.some(({ id }) => id === task)) return;
  throw new MaestroError(
    "not_found",
    `Run ${run} has no task ${task}; it has ${tasks
      .slice(0, 20)
      .map(({ id }) => id)
      .join(", ")}.`,
    { fix: `See which logs there are: \`maestro logs ${run} --list\`.` },
  );
}

async function failedAttempts(client: Client, run: string): Promise<ReadonlySet<string>> {
  const failed = new Set<string>();
  for (let after: number | null = 0; after !== null;) {
    const page: { readonly events: readonly RunEvent[]; readonly next: number | null } = await client.get(
      `/v1/runs/${run}/events`,
      { after, limit: 5000 },
    );
    for (const event of page.events)
      if (event.kind === "attempt_finished" && !event.result.ok) failed.add(logKey(event));
    after = page.next;
  }
  return failed;
}

const CHUNK = 1024 * 1024;

async function printLog(client: Client, printer: LogPrinter, log: LogRef, tail: number | undefined): Promise<void> {
  await printer.begin(log);
  if (tail !== undefined) {
    await printer.write((await client.read(logPath(log, { tail, limit: 4 * CHUNK }))).bytes);
  } else {
    for (let offset = 0; ;) {
      const { bytes } = await client.read(logPath(log, { offset, limit: CHUNK }));
      if (bytes.byteLength === 0) break;
      await printer.write(bytes);
      offset += bytes.byteLength;
    }
  }
  await printer.end();
}

async function search(cli: Cli, client: Client, logs: readonly LogRef[], text: string): Promise<number> {
  let found = 0;
  for (const log of logs) {
    const { lines } = await client.get<{ readonly lines: readonly LogLine[] }>(
      logPath(log, { search: text, limit: 10_000 }),
    );
    found += lines.length;
    if (cli.output === "jsonl" || cli.output === "json")
      await printLines(
        cli,
        lines.map((line) => JSON.stringify({ task: log.task, item: log.item, attempt: log.attempt, ...line })),
      );
    else
      await printLines(
        cli,
        lines.map((line) => `${stepName(log)}:${line.line}:${LogPrinter.shown(cli, line.text)}`),
      );
  }
  return found > 0 ? 0 : 1;
}

async function printLogList(cli: Cli, list: LogList, logs: readonly LogEntry[]): Promise<number> {
  await printList<LogEntry>(cli, {
    columns: [
      { head: "STEP", value: stepName },
      { head: "ATTEMPT", value: (log) => String(log.attempt), align: "right" },
      { head: "LINES", value: (log) => String(log.lines), align: "right" },
      { head: "SIZE", value: (log) => String(log.size), short: (log) => size(log.size), align: "right" },
    ],
    rows: logs,
    name: stepName,
    answer: { ...list },
    member: "logs",
    empty: "This run has no logs.",
  });
  return 0;
}
