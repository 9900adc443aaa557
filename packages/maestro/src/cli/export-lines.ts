import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { once } from "node:events";
import { relative, resolve } from "node:path";
import { finished } from "node:stream/promises";
import { MaestroError, messageOf } from "../core/problem.ts";
import type { Cli } from "./cli.ts";
import type { Client } from "./client.ts";
import { isData, printObject } from "./output.ts";

export const EXPORT_FORMATS = ["tiles", "worm", "jsonl", "cloudevents", "ocsf", "opa"] as const;
export type LineFormat = Exclude<(typeof EXPORT_FORMATS)[number], "tiles" | "worm">;

/** The audit as a file of lines, oldest first. A file that is there is replaced when the new one is whole. */
export async function exportLines(
  cli: Cli,
  client: Client,
  wanted: {
    readonly to: string;
    readonly format: LineFormat;
    readonly since: number | undefined;
    readonly until: number | undefined;
  },
): Promise<number> {
  const { to, format } = wanted;
  let lines = 0;
  const pages = async function* (): AsyncGenerator<Uint8Array> {
    for await (const bytes of linesOf(client, wanted)) {
      lines += bytes.filter((byte) => byte === LINE_BREAK).length;
      yield bytes;
    }
  };
  if (to === "-") {
    for await (const bytes of pages()) await cli.terminal.write(bytes);
    return 0;
  }
  const path = resolve(cli.cwd, to);
  await writeAll(path, pages());
  const shown = relative(cli.cwd, path);
  if (isData(cli))
    await printObject(cli, { apiVersion: "maestro/v1", kind: "AuditExport", file: shown, format, entries: lines });
  else cli.terminal.say(`wrote ${lines} ${format === "opa" ? "decisions" : "entries"} to ${shown}`);
  return 0;
}

const LINE_BREAK = 0x0a;

async function* linesOf(
  client: Client,
  {
    format,
    since,
    until,
  }: { readonly format: LineFormat; readonly since: number | undefined; readonly until: number | undefined },
): AsyncGenerator<Uint8Array> {
  const sources = format === "opa" ? ["audit", "ledger"] : [undefined];
  for (const source of sources) {
    for (let after: string | null = "0"; after !== null;) {
      const query = new URLSearchParams({ format, after });
      if (source !== undefined) query.set("source", source);
      if (since !== undefined) query.set("from", String(since));
      if (until !== undefined) query.set("to", String(until));
      const { bytes, headers } = await client.read(`/v1/audit/export?${query.toString()}`, {
        accept: "application/jsonl",
      });
      yield bytes;
      after = headers.get("maestro-next");
    }
  }
}

async function writeAll(path: string, pages: AsyncIterable<Uint8Array>): Promise<void> {
  const draft = `${path}.new`;
  const file = createWriteStream(draft, { mode: 0o600, flush: true });
  try {
    for await (const bytes of pages) if (!file.write(bytes)) await once(file, "drain");
    file.end();
    await finished(file);
    await rename(draft, path);
  } catch (error) {
    file.destroy();
    if (error instanceof MaestroError) throw error;
    throw new MaestroError("storage_failed", `${path} could not be written: ${messageOf(error)}`, { cause: error });
  }
}
