import type { Terminal } from "./terminal.ts";
import { displayWidth } from "./text.ts";

/**
 * A few lines at the end of stderr that are drawn again in place. The main screen buffer, so that scrolling back and
 * copying keep working; nothing above the region is touched.
 */
export class LiveRegion {
  readonly #terminal: Terminal;
  #drawn: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Lines must not be wider than the terminal; `plain` are the same ones without colour, for measuring. */
  draw(lines: readonly string[], plain: readonly string[]): void {
    this.#terminal.writeErr(`${this.#home()}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    this.#drawn = plain;
  }

  /** Takes the region away, so that what is written next stands where it was. */
  clear(): void {
    if (this.#drawn.length > 0) this.#terminal.writeErr(`${this.#home()}\x1b[J`);
    this.#drawn = [];
  }

  #home(): string {
    // A terminal that became narrower has wrapped what was drawn before.
    const width = this.#terminal.width();
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / width)), 0);
    return rows === 0 ? "" : `\r\x1b[${rows}A`;
  }
}
