import { stripVTControlCharacters } from "node:util";

const LINES = 10;
const CHARACTERS = 2000;

/** The last lines of what a program wrote to stderr, without escape sequences and control characters: this text is shown in terminals. */
export function lastWords(stderr: string): string {
  const plain = stripVTControlCharacters(stderr).replace(/[^\P{C}\n\t]/gu, "");
  return plain.trimEnd().split("\n").slice(-LINES).join("\n").slice(-CHARACTERS).toWellFormed();
}
