import { createHash } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import type { Digest } from "../core/digest.ts";
import { isJsonObject } from "../core/json.ts";
import type { JsonValue } from "../core/json.ts";
import { rowFailure } from "./rows.ts";
import type { RowFormat } from "./rows.ts";

const CHUNK_CHARACTERS = 64 * 1024;

/** Writes rows into a file of the attempt's folder as they come, a chunk at a time. */
export class RowWriter {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #format: RowFormat;
  readonly #delimiter: string;
  readonly #hash = createHash("sha256");
  #pending = "";
  #rows = 0;
  #bytes = 0;
  #columns: readonly string[] | undefined;

  private constructor(path: string, file: FileHandle, format: RowFormat, delimiter: string) {
    this.path = path;
    this.#file = file;
    this.#format = format;
    this.#delimiter = delimiter;
  }

  static async open(path: string, format: RowFormat, delimiter = ","): Promise<RowWriter> {
    await mkdir(dirname(path), { recursive: true });
    return new RowWriter(path, await open(path, "w"), format, delimiter);
  }

  /** CSV: the names of the columns, so that a file without rows has them too. */
  columns(names: readonly string[]): void {
    if (this.#format !== "csv" || this.#columns !== undefined) return;
    this.#columns = names;
    this.#pending += this.#csvLine(names);
  }

  async write(row: JsonValue): Promise<void> {
    this.#rows += 1;
    this.#pending += this.#line(row);
    if (this.#pending.length >= CHUNK_CHARACTERS) await this.#flush();
  }

  async close(): Promise<{ readonly path: string; readonly bytes: number; readonly digest: Digest }> {
    if (this.#format === "json") this.#pending += this.#rows === 0 ? "[]\n" : "\n]\n";
    await this.#flush();
    await this.#file.close();
    return { path: this.path, bytes: this.#bytes, digest: `sha256:${this.#hash.digest("hex")}` };
  }

  /** Lets go of the file without completing it. Closing again does nothing. */
  async abandon(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#pending);
    this.#pending = "";
    this.#bytes += bytes.length;
    this.#hash.update(bytes);
    await this.#file.appendFile(bytes);
  }

  #line(row: JsonValue): string {
    if (this.#format === "jsonl") return `${JSON.stringify(row)}\n`;
    if (this.#format === "json") return `${this.#rows === 1 ? "[\n" : ",\n"}${JSON.stringify(row)}`;
    return this.#csv(row);
  }

  /** RFC 4180, with the first row's names as header. */
  #csv(row: JsonValue): string {
    if (!isJsonObject(row))
      throw rowFailure(this.#rows, "only objects can be written as CSV; `select` names to expressions.");
    const names = Object.keys(row);
    let head = "";
    if (this.#columns === undefined) {
      this.#columns = names;
      head = this.#csvLine(names);
    }
    const columns = this.#columns;
    const extra = names.find((name) => !columns.includes(name));
    if (extra !== undefined)
      throw rowFailure(
        this.#rows,
        `has ${JSON.stringify(extra)}, which the first row has not, so there is no column for it. Name the columns with \`select\`.`,
      );
    return head + this.#csvLine(columns.map((name) => cell(Object.hasOwn(row, name) ? row[name] : null)));
  }

  #csvLine(cells: readonly string[]): string {
    // A line of nothing would not count as a row when it is read.
    if (cells.length === 1 && cells[0] === "") return '""\r\n';
    return `${cells.map((text) => this.#quoted(text)).join(this.#delimiter)}\r\n`;
  }

  #quoted(text: string): string {
    return text.includes(this.#delimiter) || /["\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
}

function cell(value: JsonValue | undefined): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The absolute path of a file inside `dir`, or undefined if `path` leads out of it. */
export function pathWithin(dir: string, path: string): string | undefined {
  const file = join(dir, path);
  const inside = relative(dir, file);
  return isAbsolute(path) || inside === "" || inside === ".." || inside.startsWith(`..${sep}`) ? undefined : file;
}
