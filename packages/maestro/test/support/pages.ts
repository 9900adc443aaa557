/** A fenced block of Markdown. Its info string is a language and words such as `run`, `stays`, `exit=1`, `file=orders.csv`. */
export interface Block {
  readonly language: string;
  readonly words: readonly string[];
  readonly text: string;
  /** Line of its first line of text, from 1. */
  readonly line: number;
}

export function blocksOf(markdown: string): readonly Block[] {
  return Array.from(markdown.matchAll(/^```(\S*)([^\n]*)\n([\s\S]*?)^```$/gm), (match) => ({
    language: match[1] ?? "",
    words: (match[2] ?? "").split(" ").filter((word) => word !== ""),
    text: match[3] ?? "",
    line: markdown.slice(0, match.index).split("\n").length + 1,
  }));
}

/** What a page wants done, in order: files to write, and scripts with their exit code and what they show. */
export type Step =
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | {
      readonly kind: "script";
      readonly script: string;
      readonly exit: number;
      /** Lines that its output has, in this order; `…` stands for anything. */
      readonly shows: readonly string[];
      /** Programs of the system, without which the page cannot be executed. */
      readonly needs: readonly string[];
      /** It has a terminal of its own, has begun when it shows its lines, and gets Ctrl-C when the page ends. */
      readonly stays: boolean;
      readonly line: number;
    };

/** `sh run` is executed; a `text` block after it is what it shows, in part. */
export function stepsOf(blocks: readonly Block[]): readonly Step[] {
  return blocks.flatMap((block, i): readonly Step[] => {
    const value = (name: string): string | undefined =>
      block.words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
    const file = value("file");
    if (file !== undefined) return [{ kind: "file", name: file, text: block.text }];
    if (block.language !== "sh" || !block.words.includes("run")) return [];
    const next = blocks[i + 1];
    const shows = next?.language === "text" ? next.text.trimEnd().split("\n") : [];
    return [
      {
        kind: "script",
        script: block.text,
        exit: Number(value("exit") ?? 0),
        shows,
        needs: value("needs")?.split(",") ?? [],
        stays: block.words.includes("stays"),
        line: block.line,
      },
    ];
  });
}

/** The first line that the output does not have, or has only before an earlier one; undefined where all are there. */
export function missing(output: string, lines: readonly string[]): string | undefined {
  const seen = output.replaceAll(/\s+/g, " ");
  let from = 0;
  for (const line of lines) {
    const pattern = line
      .trim()
      .split(/\s+/)
      .map((word) =>
        word
          .split("…")
          .map((part) => RegExp.escape(part))
          .join("\\S*"),
      )
      .join(" ");
    const match = new RegExp(pattern).exec(seen.slice(from));
    if (match === null) return line;
    from += match.index + match[0].length;
  }
  return undefined;
}
