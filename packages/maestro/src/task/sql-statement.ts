import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

export type Dialect = "sqlite" | "postgres";

/** Values for one statement: in order, or by name. */
export type Parameters = readonly JsonValue[] | JsonObject;

/** A statement in the words of its database, with its values in the order in which it counts them. */
export interface BoundStatement {
  readonly text: string;
  readonly values: readonly JsonValue[];
}

/** What a statement asks for, found without understanding SQL: only where texts, names and comments end. */
interface Reading {
  /** The first words, in lower case. */
  readonly words: readonly string[];
  readonly places: readonly Place[];
}

interface Place {
  readonly start: number;
  readonly end: number;
  /** A position from 1, or a name. */
  readonly key: number | string;
}

/** Words that end or change the transaction which the task itself holds. */
const TRANSACTION =
  /^(?:begin|commit|end|rollback|abort|savepoint|release|start transaction|prepare transaction|commit prepared|set transaction|set session characteristics)\b/;

/** What is wrong with a statement and its values, before any database sees it. */
export function statementProblems(dialect: Dialect, text: string, parameters: Parameters): readonly string[] {
  const { words, places } = read(dialect, text, isJsonObject(parameters));
  const problems: string[] = [];
  const opening = words.join(" ");
  if (words.length === 0) problems.push("it is empty");
  if (text.includes("\0")) problems.push("it holds a NUL character");
  const control = TRANSACTION.exec(opening)?.[0];
  if (control !== undefined)
    problems.push(
      `\`${control}\` is not for statements: all of a task is one transaction, which is committed when everything in it has worked`,
    );
  if (dialect === "postgres" && words[0] === "copy")
    problems.push("`copy` is not for statements: use `load` to bring rows in and `to` to write them to a file");
  return [...problems, ...parameterProblems(places, parameters)];
}

function parameterProblems(places: readonly Place[], parameters: Parameters): readonly string[] {
  const problems: string[] = [];
  const names = new Set(places.flatMap(({ key }) => (typeof key === "string" ? [key] : [])));
  const positions = new Set(places.flatMap(({ key }) => (typeof key === "number" ? [key] : [])));
  if (isJsonObject(parameters)) {
    if (positions.size > 0)
      problems.push("it counts its parameters ($1), and they are given by name; write :name in the statement");
    for (const name of names)
      if (!Object.hasOwn(parameters, name)) problems.push(`it asks for :${name}, which \`parameters\` does not have`);
    for (const name of Object.keys(parameters))
      if (!names.has(name)) problems.push(`\`parameters\` has ${JSON.stringify(name)}, which it does not ask for`);
    return problems;
  }
  for (const name of names)
    problems.push(`it asks for :${name}; give \`parameters\` as an object of names, such as { ${name}: 1 }`);
  const count = Math.max(0, ...positions);
  if (count !== parameters.length)
    problems.push(`it asks for ${count} parameters, and \`parameters\` has ${parameters.length}`);
  else for (let i = 1; i < count; i += 1) if (!positions.has(i)) problems.push(`it leaves out parameter ${i}`);
  return problems;
}

/** The statement with its places as the database writes them. Values stay values: nothing of them enters the text. */
export function bindStatement(dialect: Dialect, text: string, parameters: Parameters): BoundStatement {
  const { places } = read(dialect, text, isJsonObject(parameters));
  const mark = dialect === "sqlite" ? "?" : "$";
  const names = [...new Set(places.flatMap(({ key }) => (typeof key === "string" ? [key] : [])))];
  let bound = "";
  let from = 0;
  for (const { start, end, key } of places) {
    const number = typeof key === "number" ? key : names.indexOf(key) + 1;
    bound += `${text.slice(from, start)}${mark}${number}`;
    from = end;
  }
  const values = isJsonObject(parameters) ? names.map((name) => parameters[name] ?? null) : parameters;
  return { text: bound + text.slice(from), values };
}

/** Text after the end of the one statement that a database has read, if it is more than blanks and comments. */
export function hasMore(rest: string): boolean {
  return rest.replace(/--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[\s;]+/g, "") !== "";
}

/** Matches what may hold a mark that is none, or a mark. A doubled quote reads as two texts side by side, which ends at the same place. */
const TOKENS: Readonly<Record<Dialect, RegExp>> = {
  sqlite:
    /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\?(?<bare>\d*)|\$(?<number>\d+)|::|:(?<name>[A-Za-z_]\w*)/g,
  postgres:
    /--[^\n]*|\/\*|[eE]'[^'\\]*(?:\\[\s\S][^'\\]*)*(?:'|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|\$(?<tag>[A-Za-z_]\w*|)\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|\$(?<number>\d+)|::|:(?<name>[A-Za-z_]\w*)/g,
};

function read(dialect: Dialect, text: string, byName: boolean): Reading {
  const words: string[] = [];
  const places: Place[] = [];
  const tokens = new RegExp(TOKENS[dialect]);
  let bare = 0;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const [token] = match;
    const start = match.index;
    const end = start + token.length;
    const { bare: counted, number, name, tag } = match.groups ?? {};
    if (token === "/*" && dialect === "postgres") tokens.lastIndex = endOfComment(text, end);
    else if (tag !== undefined) tokens.lastIndex = endOfQuote(text, end, token);
    else if (counted !== undefined) {
      bare = counted === "" ? bare + 1 : Number(counted);
      places.push({ start, end, key: bare });
    } else if (number !== undefined) places.push({ start, end, key: Number(number) });
    else if (name !== undefined) {
      // In PostgreSQL a colon is also part of a slice, such as list[1:n].
      if (dialect === "sqlite" || (byName && !/[\w\])]/.test(text[start - 1] ?? "")))
        places.push({ start, end, key: name });
    } else if (/^[A-Za-z_]/.test(token) && words.length < 4) words.push(token.toLowerCase());
  }
  return { words, places };
}

/** PostgreSQL nests comments. */
function endOfComment(text: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  for (let depth = 1, match = marks.exec(text); match !== null; match = marks.exec(text)) {
    depth += match[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}

function endOfQuote(text: string, from: number, quote: string): number {
  const end = text.indexOf(quote, from);
  return end === -1 ? text.length : end + quote.length;
}
