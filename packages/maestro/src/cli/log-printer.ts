import type { LogRef } from "../runner/logs.ts";
import type { Cli } from "./cli.ts";
import { stepName } from "./format.ts";
import { paint } from "./terminal/style.ts";
import { safeOutput } from "./terminal/text.ts";

/** Longer lines are shown in parts, so that a terminal gets something and memory stays small. */
const MAX_LINE = 64 * 1024;

/**
 * Prints logs: to a pipe the bytes as they are; to a terminal lines that it can only show, never obey. `head` puts a line
 * above each log, `prefix` the step's name before each line (then also to a pipe, where the lines would mix).
 */
export class LogPrinter {
  readonly #cli: Cli;
  readonly #mode: "none" | "head" | "prefix";
  #decoder = new TextDecoder();
  #rest = "";
  #name = "";

  constructor(cli: Cli, mode: "none" | "head" | "prefix") {
    this.#cli = cli;
    this.#mode = mode;
  }

  /** One line of a log as this terminal may see it. */
  static shown({ terminal }: Cli, text: string): string {
    return terminal.outIsTty ? safeOutput(text, terminal.out.colour).replaceAll("\n", "\\n") : text;
  }

  async begin(log: LogRef): Promise<void> {
    this.#decoder = new TextDecoder();
    this.#rest = "";
    this.#name = `${stepName(log)}${log.attempt > 1 ? ` attempt ${log.attempt}` : ""}`;
    if (this.#mode === "head")
      await this.#cli.terminal.write(`${paint(this.#cli.terminal.out, "bold", `==> ${this.#name} <==`)}\n`);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength === 0) return;
    if (this.#raw) return this.#cli.terminal.write(bytes);
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const lines = this.#rest.split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MAX_LINE) {
      lines.push(this.#rest);
      this.#rest = "";
    }
    if (lines.length > 0) await this.#cli.terminal.write(lines.map((line) => `${this.#line(line)}\n`).join(""));
  }

  async end(): Promise<void> {
    this.#rest += this.#decoder.decode();
    if (this.#rest !== "") await this.#cli.terminal.write(`${this.#line(this.#rest)}\n`);
    this.#rest = "";
  }

  get #raw(): boolean {
    return !this.#cli.terminal.outIsTty && this.#mode !== "prefix";
  }

  #line(text: string): string {
    const { terminal } = this.#cli;
    const shown = terminal.outIsTty ? safeOutput(text, terminal.out.colour) : text;
    return this.#mode === "prefix" ? `${paint(terminal.out, "cyan", this.#name)} | ${shown}` : shown;
  }
}
