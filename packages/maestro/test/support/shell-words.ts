/** The commands of a shell script, each as its words: enough for documentation, where nothing is nested. */
export function commandsOf(script: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]];
  const lines = script.replaceAll(/\\\n/g, " ");
  // A comment, a word with its quoted parts, an operator, or the end of a line.
  for (const [part] of lines.matchAll(/#[^\n]*|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"|&;<>\\])+|[|&;]+|[<>]+|\n/g)) {
    if (/^[|&;\n]/.test(part)) commands.push([]);
    else if (!part.startsWith("#")) commands.at(-1)?.push(unquoted(part));
  }
  return commands.filter((words) => words.length > 0).map(withoutRedirections);
}

function unquoted(word: string): string {
  return word.replaceAll(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
    (_, single: string | undefined, double: string | undefined, one: string | undefined) =>
      single ?? double ?? one ?? "",
  );
}

function withoutRedirections(words: readonly string[]): readonly string[] {
  return words.filter((word, i) => !/^[<>]+$/.test(word) && !/^[<>]+$/.test(words[i - 1] ?? ""));
}
