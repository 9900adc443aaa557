import { resolve } from "node:path";
import type { Terminal } from "./terminal/terminal.ts";

/**
 * A terminal on which hints name the command as it was called (`./maestro` in a clone), so that they can be typed as they
 * stand. Data on stdout is the same everywhere.
 */
export function calledAs(terminal: Terminal, called: string | undefined, cwd: string): Terminal {
  if (called === undefined) return terminal;
  return { ...terminal, say: (line) => terminal.say(withCommand(line, called, cwd)) };
}

/** Commands stand in backquotes, at the beginning of a line or after a column; prose about Maestro does not. */
export function withCommand(text: string, called: string, cwd: string): string {
  // Whoever goes elsewhere first needs the whole path.
  const command = /^\s*cd /m.test(text) ? resolve(cwd, called) : called;
  return text.replaceAll(/(^|`|[ ]{2}|see: )maestro (?=[a-z])/gm, (_, before: string) => `${before}${command} `);
}
