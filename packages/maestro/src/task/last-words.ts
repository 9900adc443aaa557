import { stripVTControlCharacters } from "node:util";

const LINES = 10;
const CHARACTERS = 2000;

/** A place of a Node stack: `    at name (file:1:2)`. The error stands above them, so they would push it out. */
const STACK_PLACE = /^\s+at .*(?:\(.*\)|:\d+)$/;

/**
 * The last lines of what a program wrote to stderr, without escape sequences and control characters, since this text is
 * shown in terminals; of stacks only the first place that is not Node's own. All of it is in the log.
 */
export function lastWords(stderr: string): string {
  const plain = stripVTControlCharacters(stderr).replace(/[^\P{C}\n\t]/gu, "");
  const lines: string[] = [];
  let placed = false;
  for (const line of plain.split("\n")) {
    const isPlace = STACK_PLACE.test(line);
    if (isPlace ? !placed && !line.includes("node:") : line.trim() !== "") lines.push(line.trimEnd());
    placed = isPlace && (placed || !line.includes("node:"));
  }
  return lines.slice(-LINES).join("\n").slice(-CHARACTERS).toWellFormed();
}
