import type { Played } from "./demo.ts";
import { count, shortId } from "./format.ts";
import { glyph, paint, shownRun } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import { tableLines } from "./terminal/table.ts";
import type { Column } from "./terminal/table.ts";

/** The runs, and commands that go on with them; each ends with `suffix`, which names the data directory where that is needed. */
export function demoLines(played: readonly Played[], style: Style, width: number, suffix: string): readonly string[] {
  const commands = [
    ["maestro runs", "all of it"] as const,
    ...played.flatMap(({ scene: { next }, run }) =>
      next === undefined ? [] : [[next[0].replace("RUN", shortId(run.id)), next[1]] as const],
    ),
  ].map(([command, does]) => [command + suffix, does] as const);
  const broad = Math.max(...commands.map(([command]) => command.length));
  return [
    `Made ${count(played.length, "run")}:`,
    "",
    ...tableLines(columns(style), played, width - 2).map((line) => `  ${line}`),
    "",
    "What to try next, in another terminal:",
    "",
    ...commands.map(([command, does]) => `  ${command.padEnd(broad)}  ${does}`),
    "",
  ];
}

function columns(style: Style): readonly Column<Played>[] {
  return [
    { head: "ID", value: ({ run }) => shortId(run.id), decorate: (cell) => paint(style, "bold", cell) },
    {
      head: "STATUS",
      value: ({ run }) => (run.status === "cancelling" ? run.status : shownRun(run)),
      mark: { width: 1, of: ({ run }) => glyph(style, shownRun(run)) },
    },
    { head: "NAME", value: ({ run }) => run.name },
    { head: "SHOWS", value: ({ scene }) => scene.shows, flexible: true },
  ];
}
