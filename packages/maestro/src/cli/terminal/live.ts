import type { Region, Terminal } from "./terminal.ts";
import { displayWidth } from "./text.ts";

/**
 * A few lines at the end of stderr that are drawn again in place. The main screen buffer, so that scrolling back and
 * copying keep working; nothing above the region is touched.
 */
export class LiveRegion implements Region {
  readonly #terminal: Terminal;
  #lines: readonly string[] = [];
  /** The same lines without colour, for measuring. */
  #plain: readonly string[] = [];
  #visible = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.setRegion(this);
  }

  /** Lines must not be wider than the terminal. */
  draw(lines: readonly string[], plain: readonly string[]): void {
    this.#terminal.writeErr(`${this.#home()}${text(lines)}\x1b[J`);
    this.#lines = lines;
    this.#plain = plain;
    this.#visible = true;
  }

  lift(): void {
    if (this.#visible) this.#terminal.writeErr(`${this.#home()}\x1b[J`);
    this.#visible = false;
  }

  drop(): void {
    if (this.#lines.length > 0) this.draw(this.#lines, this.#plain);
  }

  /** Takes the region away, so that what is written next stands where it was. */
  close(): void {
    this.lift();
    this.#lines = [];
    this.#terminal.setRegion(undefined);
  }

  #home(): string {
    if (!this.#visible) return "";
    // A terminal that became narrower has wrapped what was drawn before.
    const width = this.#terminal.width();
    const rows = this.#plain.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / width)), 0);
    return rows === 0 ? "" : `\r\x1b[${rows}A`;
  }
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\x1b[K\n`).join("");
}
