import type { Diagnostic } from "../core/diagnostic.ts";
import { applyIgnores } from "./ignore.ts";
import type { LocatedDiagnostic } from "./report.ts";
import type { Place, Source } from "./source.ts";

/** Gives diagnostics their lines and columns. */
export class Locator {
  readonly #source: Source;
  readonly #file: string;
  readonly #starts: readonly number[];

  constructor(source: Source, file: string) {
    this.#source = source;
    this.#file = file;
    this.#starts = [0, ...Array.from(source.text.matchAll(/\r\n|\r|\n/g), (match) => match.index + match[0].length)];
  }

  /** Located, with what comments ignore left out, in the order of the file. */
  finish(diagnostics: readonly Diagnostic[]): readonly LocatedDiagnostic[] {
    const located = diagnostics.map((one) =>
      this.at(
        this.#source.locate(one.path, {
          ...(one.key === true ? { key: true } : {}),
          ...(one.span === undefined ? {} : { span: one.span }),
        }),
        one,
      ),
    );
    const { kept, problems } = applyIgnores(located, this.#source.comments, {
      lineOf: (offset) => this.#line(offset),
      isBlank: (line) => this.#isBlank(line),
    });
    const ignores = problems.map((one) =>
      this.at(one, { rule: "WF055", severity: "warning", path: [], message: one.message }),
    );
    return this.sort([...kept, ...ignores]);
  }

  sort(diagnostics: readonly LocatedDiagnostic[]): readonly LocatedDiagnostic[] {
    return diagnostics.toSorted(
      (a, b) => a.line - b.line || a.column - b.column || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0),
    );
  }

  at(place: Place, diagnostic: Diagnostic): LocatedDiagnostic {
    const line = this.#line(place.offset);
    const end = this.#line(place.offset + place.length);
    const start = this.#starts[line - 1] ?? 0;
    return {
      ...diagnostic,
      file: this.#file,
      line,
      column: place.offset - start + 1,
      endLine: end,
      endColumn: place.offset + place.length - (this.#starts[end - 1] ?? 0) + 1,
      snippet: this.#text(line),
    };
  }

  #line(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  #text(line: number): string {
    return this.#source.text
      .slice(this.#starts[line - 1] ?? 0, this.#starts[line] ?? this.#source.text.length)
      .replace(/[\r\n]+$/, "");
  }

  /** Holds nothing but white space and a comment. Lines after the last do not. */
  #isBlank(line: number): boolean {
    return line <= this.#starts.length && /^\s*(#.*)?$/.test(this.#text(line));
  }
}
