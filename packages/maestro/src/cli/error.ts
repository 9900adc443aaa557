import { EXIT_CODES, MaestroError, messageOf } from "../core/problem.ts";
import { isJsonObject } from "../core/json.ts";
import type { JsonValue } from "../core/json.ts";
import { API_VERSION } from "../api/respond.ts";
import { storageError } from "../store/storage-error.ts";
import { paint } from "./terminal/style.ts";
import type { Style } from "./terminal/style.ts";
import type { Terminal } from "./terminal/terminal.ts";
import { displayWidth, pad, safe } from "./terminal/text.ts";

/** Prints what was thrown, in words or as data, and gives the exit code. */
export async function reportError(
  terminal: Terminal,
  thrown: unknown,
  options: { readonly debug: boolean; readonly data: boolean },
): Promise<number> {
  const error =
    thrown instanceof MaestroError
      ? thrown
      : (refusedFile(thrown) ?? new MaestroError("internal", messageOf(thrown), { cause: thrown }));
  if (options.data) await terminal.write(`${JSON.stringify(errorObject(error))}\n`);
  else for (const line of errorLines(error, terminal.err)) terminal.say(line);
  if (options.debug) terminal.say(stackOf(thrown));
  return EXIT_CODES[error.class];
}

/** A file of the user's that the file system refuses to us is no fault of ours: nothing of it is to be reported. */
function refusedFile(thrown: unknown): MaestroError | undefined {
  const { code, path }: Partial<NodeJS.ErrnoException> = thrown instanceof Error ? thrown : {};
  if (path === undefined || code === undefined || !REFUSALS.has(code)) return undefined;
  const { code: name, message, facts } = storageError(thrown, path);
  const fix = "Name another place, or mend what the message says of this one: its permissions, its disk.";
  return new MaestroError(name, message, { facts, cause: thrown, fix });
}

const REFUSALS = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOSPC",
  "EDQUOT",
  "ENOTDIR",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
]);

/** The form of `-o json`. */
export function errorObject(error: MaestroError): object {
  return {
    apiVersion: API_VERSION,
    kind: "Error",
    error: {
      code: error.code,
      class: error.class,
      message: error.message,
      facts: error.facts,
      fix: [error.fix],
      docs: `maestro help ${error.code}`,
    },
  };
}

/** Cause, particulars, what to do, where to read on. */
export function errorLines(error: MaestroError, style: Style): readonly string[] {
  const head = `${paint(style, ["red", "bold"], `error[${error.code}]:`)} ${sentence(error.message)}`;
  const facts = Object.entries(error.facts).filter(
    ([name, value]) => !SAID_IN_WORDS.has(name) && !(Array.isArray(value) && value.length === 0),
  );
  const width = Math.max(0, ...facts.map(([name]) => displayWidth(safe(name))));
  return [
    head,
    ...facts.map(([name, value]) => `  ${pad(safe(name), width)}  ${factText(value)}`),
    `${paint(style, "bold", "fix:")} ${sentence(error.fix)}`,
    `see: maestro help ${error.code}`,
  ];
}

/** These repeat the message as data, or are printed by whoever knows their form. */
const SAID_IN_WORDS: ReadonlySet<string> = new Set(["problems", "candidates", "diagnostics", "allow", "reasons"]);

const MAX_FACT = 400;

function factText(value: JsonValue): string {
  const text =
    typeof value === "string"
      ? value
      : Array.isArray(value) && value.every((one) => !isJsonObject(one))
        ? value.join(", ")
        : JSON.stringify(value);
  const whole = safe(text);
  return whole.length > MAX_FACT ? `${whole.slice(0, MAX_FACT)}…` : whole;
}

/** Messages may have lines of their own; nothing else of them reaches the terminal as a control. */
function sentence(text: string): string {
  return text.split("\n").map(safe).join("\n  ");
}

function stackOf(thrown: unknown): string {
  let text = "";
  for (let one: unknown = thrown, depth = 0; one !== undefined && depth < 10; depth++) {
    text += `${depth === 0 ? "" : "\ncaused by: "}${one instanceof Error ? (one.stack ?? one.message) : messageOf(one)}`;
    one = one instanceof Error ? one.cause : undefined;
  }
  return text;
}

/** What was thrown as an Error, to be kept and thrown later. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown });
}
