import { setTimeout as sleep } from "node:timers/promises";
import type { RunPage, RunRow } from "../../store/store.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { ago, duration, shortDigest, shortId, time } from "../format.ts";
import { printList } from "../output.ts";
import { timeOption } from "../time-option.ts";
import { glyph, paint, shownRun } from "../terminal/style.ts";
import type { Style } from "../terminal/style.ts";
import type { Column } from "../terminal/table.ts";
import { oneLine } from "../terminal/text.ts";

const WATCH_MS = 2000;

export async function run(cli: Cli, input: Input): Promise<number> {
  const query = toQuery(cli, input);
  // Who looks for long is an engine meanwhile; else it would keep others from being one.
  const client = await cli.connect(input.flag("watch") === true ? "work" : "look");
  try {
    await printRuns(cli, client, query, input.flag("all") === true);
    while (input.flag("watch") === true) {
      await sleep(WATCH_MS);
      if (cli.terminal.outIsTty) await cli.terminal.write("\x1b[H\x1b[J");
      await printRuns(cli, client, query, input.flag("all") === true);
    }
    return 0;
  } finally {
    await client.close();
  }
}

type Query = Readonly<Record<string, string | number | undefined>>;

function toQuery(cli: Cli, input: Input): Query {
  const words = input.args("text").join(" ");
  return {
    text: words === "" ? undefined : words,
    status: input.text("status"),
    workflow: input.text("workflow"),
    namespace: input.text("namespace"),
    label: input.text("label"),
    initiator: input.text("by"),
    parent: input.text("parent"),
    from: timeOption(input, "since"),
    to: timeOption(input, "until"),
    limit: input.integer("limit", { min: 1, max: 500 }) ?? (cli.terminal.outIsTty ? 20 : 50),
  };
}

async function printRuns(cli: Cli, client: Client, query: Query, all: boolean): Promise<void> {
  let cursor: string | null = null;
  do {
    const page: RunPage = await client.get<RunPage>("/v1/runs", { ...query, cursor: cursor ?? undefined });
    await printList<RunRow>(cli, {
      columns: columns(cli.terminal.out, Date.now()),
      rows: page.runs,
      name: (row) => row.id,
      answer: { ...page },
      member: "runs",
      empty: isFiltered(query) ? "No run matches these filters." : "No run yet. Start one: maestro run FILE",
    });
    cursor = page.cursor;
    if (cursor !== null && !all && cli.terminal.errIsTty && cli.output === "table")
      cli.terminal.say(`There are more: --limit, --all, or a narrower filter.`);
  } while (all && cursor !== null);
}

function isFiltered(query: Query): boolean {
  return Object.entries(query).some(([name, value]) => name !== "limit" && value !== undefined);
}

export function columns(style: Style, now: number): readonly Column<RunRow>[] {
  return [
    {
      head: "ID",
      value: (row) => row.id,
      short: (row) => shortId(row.id),
      decorate: (cell) => paint(style, "bold", cell),
    },
    {
      head: "STATUS",
      value: (row) => (row.status === "cancelling" ? row.status : shownRun(row)),
      mark: { width: 1, of: (row) => glyph(style, shownRun(row)) },
    },
    { head: "NAME", value: (row) => row.name, flexible: true },
    { head: "WORKFLOW", value: (row) => `${row.namespace}/${row.workflow}@${row.version}`, flexible: true },
    { head: "TASKS", value: (row) => `${row.tasksDone}/${row.tasksTotal}`, align: "right" },
    {
      head: "STARTED",
      value: (row) => time(row.startedAt ?? row.createdAt),
      short: (row) => ago(now - (row.startedAt ?? row.createdAt)),
    },
    {
      head: "TOOK",
      value: (row) => String(row.startedAt === null ? "" : (row.endedAt ?? now) - row.startedAt),
      short: (row) => (row.startedAt === null ? "" : duration((row.endedAt ?? now) - row.startedAt)),
      align: "right",
    },
    { head: "BY", value: (row) => row.initiator },
    {
      head: "WHY",
      value: (row) => row.error ?? row.waiting ?? "",
      short: (row) => oneLine(row.error ?? (row.waiting === null ? "" : `waits: ${row.waiting}`)),
      flexible: true,
    },
    { head: "PURPOSE", value: (row) => row.purpose, wide: true },
    {
      head: "LABELS",
      value: (row) =>
        Object.entries(row.labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(","),
      wide: true,
    },
    { head: "PLAN", value: (row) => row.planDigest, short: (row) => shortDigest(row.planDigest), wide: true },
    { head: "PARENT", value: (row) => row.parentRun ?? "", wide: true },
  ];
}
