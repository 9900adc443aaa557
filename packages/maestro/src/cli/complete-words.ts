import { OUTPUT_FORMATS } from "./cli.ts";
import { GLOBAL_OPTIONS } from "./spec.ts";
import type { ArgSpec, CommandSpec, OptionSpec } from "./spec.ts";

/** A word that could stand here, and what it means. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** Names that only an installation knows, and paths, which only the shell knows well. */
export type Kind = "run" | "workflow" | "approval" | "task" | "context" | "shipped" | "file" | "folder";

/** What can stand in the place of the last word. */
export interface Wanted {
  /** Known from the table of commands; those that begin with what was typed. */
  readonly candidates: readonly Candidate[];
  readonly kinds: readonly Kind[];
  /** What was typed of the value, without `--option=` in front of it. */
  readonly typed: string;
  /** `--option=`, or "". */
  readonly head: string;
  /** Options with values on the line, which say what the names are looked up in. */
  readonly options: Readonly<Record<string, string>>;
}

/** The last word is the one to complete; it may be empty. The first is the one after `maestro`. */
export function wantedAt(words: readonly string[], commands: readonly CommandSpec[]): Wanted {
  const current = words.at(-1) ?? "";
  const line = readLine(words.slice(0, -1), commands);
  const wanted = (candidates: readonly Candidate[], kinds: readonly Kind[] = [], head = ""): Wanted => {
    const typed = current.slice(head.length);
    return {
      candidates: candidates
        .filter(({ word }) => word.startsWith(typed))
        .map((one) => ({ ...one, word: head + one.word })),
      kinds,
      typed,
      head,
      options: line.options,
    };
  };
  const value = (option: OptionSpec, head: string): Wanted => {
    const choices = choicesOf(option, line.spec);
    return wanted(choices.map(plain), choices.length > 0 ? [] : kindsOfValue(option), head);
  };
  if (line.waiting !== undefined) return value(line.waiting, "");
  const [flag = ""] = current.split("=", 1);
  if (!line.ended && current.startsWith("--") && current.includes("=")) {
    const option = optionsOf(line.spec).find((one) => flagsOf(one).includes(flag));
    return option === undefined || !takesValue(option) ? wanted([]) : value(option, `${flag}=`);
  }
  if (!line.ended && current.startsWith("-")) return wanted(unusedFlags(line));
  if (line.spec === undefined) return wanted(nextWords(line.noun, commands));
  const arg = line.spec.args[line.position] ?? line.spec.args.findLast(({ many }) => many === true);
  if (arg === undefined) return wanted([]);
  return wanted(wordsOfArg(line.spec, arg, commands), kindsOfArg(line.spec, arg));
}

interface Line {
  readonly spec: CommandSpec | undefined;
  /** The first word of a command of two words. */
  readonly noun: string;
  /** Arguments that stand before. */
  readonly position: number;
  readonly used: ReadonlySet<string>;
  /** An option whose value comes next. */
  readonly waiting: OptionSpec | undefined;
  /** `--` was there. */
  readonly ended: boolean;
  readonly options: Readonly<Record<string, string>>;
}

function readLine(words: readonly string[], commands: readonly CommandSpec[]): Line {
  let spec: CommandSpec | undefined;
  let noun = "";
  let position = 0;
  let waiting: OptionSpec | undefined;
  let ended = false;
  const used = new Set<string>();
  const options: Record<string, string> = {};
  const keep = (option: OptionSpec, text: string): void => {
    options[flagsOf(option).at(-1)?.replace(/^--/, "") ?? ""] = text;
  };
  for (const word of words) {
    if (waiting !== undefined) {
      keep(waiting, word);
      waiting = undefined;
    } else if (!ended && word === "--") ended = true;
    else if (!ended && word.startsWith("-")) {
      const [flag = "", ...rest] = word.split("=");
      const option = optionsOf(spec).find((one) => flagsOf(one).includes(flag));
      if (option === undefined) continue;
      for (const one of flagsOf(option)) used.add(one);
      if (!takesValue(option)) continue;
      if (word.includes("=")) keep(option, rest.join("="));
      else waiting = option;
    } else if (spec !== undefined) position += 1;
    else {
      spec = commands.find(({ name }) => name === (noun === "" ? word : `${noun} ${word}`));
      if (spec === undefined) noun = word;
    }
  }
  return { spec, noun, position, used, waiting, ended, options };
}

function optionsOf(spec: CommandSpec | undefined): readonly OptionSpec[] {
  return [...(spec?.options ?? []), ...GLOBAL_OPTIONS];
}

function flagsOf({ flags }: OptionSpec): readonly string[] {
  return flags.match(/(?<![\w-])--?[\w-]+/g) ?? [];
}

function takesValue({ flags }: OptionSpec): boolean {
  return flags.includes("<");
}

/** Long forms, once each unless it may be given several times. */
function unusedFlags({ spec, used }: Line): readonly Candidate[] {
  return [
    ...optionsOf(spec).flatMap((option) => {
      const flag = flagsOf(option).find((one) => one.startsWith("--"));
      return flag === undefined || (used.has(flag) && option.many !== true)
        ? []
        : [{ word: flag, about: option.about }];
    }),
    { word: "--help", about: "Print this help" },
  ];
}

function nextWords(noun: string, commands: readonly CommandSpec[]): readonly Candidate[] {
  if (noun !== "")
    return commands.flatMap(({ name, summary }) =>
      name.startsWith(`${noun} `) ? [{ word: name.slice(noun.length + 1), about: summary }] : [],
    );
  const found = new Map<string, string[]>();
  for (const { name, summary } of commands) {
    const [first = "", second] = name.split(" ");
    found.set(first, [...(found.get(first) ?? []), second ?? summary]);
  }
  return [...found].map(([word, parts]) => ({ word, about: parts.join(", ") }));
}

function choicesOf({ flags, about }: OptionSpec, spec: CommandSpec | undefined): readonly string[] {
  if (flags.includes("--output")) return spec?.formats ?? OUTPUT_FORMATS;
  // `human, json, sarif or github (default: …)`: an enumeration is in the words of its option already.
  const [list = ""] = about.split(" (", 1);
  return /^[a-z]+(?:, [a-z]+)*(?: or |, )[a-z]+$/.test(list) ? list.split(/, | or /) : [];
}

const VALUE_KINDS: Readonly<Record<string, readonly Kind[]>> = {
  run: ["run"],
  file: ["file"],
  path: ["file"],
  dir: ["folder"],
  folder: ["folder"],
};

function kindsOfValue({ flags }: OptionSpec): readonly Kind[] {
  if (flags.startsWith("--context")) return ["context"];
  if (flags.startsWith("--from <name>")) return ["shipped"];
  if (flags.startsWith("--workflow")) return ["workflow"];
  return VALUE_KINDS[/<(\w+)>/.exec(flags)?.[1] ?? ""] ?? [];
}

/** By the name of an argument; what is not here is a value that nobody can guess. */
const ARG_KINDS: Readonly<Record<string, readonly Kind[]>> = {
  run: ["run"],
  runbook: ["workflow", "file"],
  approval: ["approval"],
  file: ["file"],
  path: ["file"],
  dir: ["folder"],
  folder: ["folder"],
  context: ["context"],
};

function kindsOfArg({ name: command }: CommandSpec, { name }: ArgSpec): readonly Kind[] {
  if (command === "catalog diff") return ["workflow", "file"];
  if (command.startsWith("catalog ") && name === "name") return ["workflow"];
  if (command.startsWith("task ") && name === "name") return ["task"];
  return ARG_KINDS[name] ?? [];
}

function wordsOfArg(
  { name: command }: CommandSpec,
  { name }: ArgSpec,
  commands: readonly CommandSpec[],
): readonly Candidate[] {
  if (command === "completion" && name === "shell") return SHELLS.map(plain);
  if (command === "help" && name === "topic") return [...TOPIC_NAMES.map(plain), ...nextWords("", commands)];
  if (name === "run")
    return [
      { word: "@last", about: "the newest run" },
      { word: "@failed", about: "the newest that failed" },
    ];
  return [];
}

export const SHELLS = ["bash", "zsh", "fish", "pwsh"] as const;
/** Kept beside the topics' texts, which are not worth their loading time here; a test compares the two. */
export const TOPIC_NAMES = ["exit-codes", "environment", "formatting", "expressions"] as const;

function plain(word: string): Candidate {
  return { word, about: "" };
}
