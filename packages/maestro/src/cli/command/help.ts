import { EXIT_CODES, HTTP_STATUS, PROBLEMS } from "../../core/problem.ts";
import type { ProblemCode } from "../../core/problem.ts";
import { MaestroError } from "../../core/problem.ts";
import { RULES } from "../../core/rules.ts";
import type { Rule } from "../../core/rules.ts";
import { suggest } from "../../core/suggest.ts";
import type { Cli, Input } from "../cli.ts";
import { COMMANDS } from "../commands.ts";
import { parse } from "../program.ts";
import { TOPICS } from "../topics.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const words = input.args("topic");
  await cli.terminal.write(`${(await helpText(words, cli.terminal.width())).trimEnd()}\n`);
  return 0;
}

async function helpText(words: readonly string[], width: number): Promise<string> {
  const name = words.join(" ");
  if (name === "") return commandHelp(["--help"], width);
  if (COMMANDS.some((spec) => spec.name === name || spec.name.startsWith(`${name} `)))
    return commandHelp([...words, "--help"], width);
  const topic = TOPICS[name];
  if (topic !== undefined) return `${name}: ${topic.title}\n\n${topic.text}`;
  if (isProblem(name)) return problemText(name);
  const rule = (RULES as Readonly<Record<string, Rule>>)[name.toUpperCase()];
  if (rule !== undefined) return ruleText(name.toUpperCase(), rule);
  const known = [
    ...COMMANDS.map((spec) => spec.name),
    ...Object.keys(TOPICS),
    ...Object.keys(PROBLEMS),
    ...Object.keys(RULES),
  ];
  if (/^[A-Z][A-Z0-9_]*$/.test(name)) throw ofTask(name);
  const near = suggest(name, known);
  throw new MaestroError(
    "not_found",
    `There is no help on ${JSON.stringify(name)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    {
      fix: `Commands: \`maestro --help\`. Topics: ${Object.keys(TOPICS).join(", ")}. Else a code from an error message.`,
    },
  );
}

/** Task types have codes of their own, programs of others among them: nobody here knows them all. */
function ofTask(code: string): MaestroError {
  return new MaestroError(
    "not_found",
    `${code} is a code that a task fails with, and these have no page of their own.`,
    {
      fix: "`maestro show RUN` says why it failed, `maestro logs RUN --failed` what it printed, and `maestro task show TYPE` has the codes of a task type.",
    },
  );
}

async function commandHelp(argv: readonly string[], width: number): Promise<string> {
  const parsed = await parse(argv, "", width);
  return parsed.kind === "text" ? parsed.text : "";
}

function isProblem(name: string): name is ProblemCode {
  return Object.hasOwn(PROBLEMS, name);
}

function problemText(code: ProblemCode): string {
  const { class: kind, title, fix } = PROBLEMS[code];
  return `error ${code}: ${title}\n\nclass ${kind}, exit code ${EXIT_CODES[kind]}, HTTP status ${HTTP_STATUS[kind]}\n\nfix: ${fix}`;
}

function ruleText(id: string, { title, severity, why, example, instead }: Rule): string {
  const indented = (text: string): string =>
    text
      .split("\n")
      .map((line) => `    ${line}`)
      .join("\n");
  return `${severity} ${id}: ${title}\n\n${why}\n\n  This shows it:\n\n${indented(example)}\n\n  Instead:\n\n${indented(instead)}`;
}
