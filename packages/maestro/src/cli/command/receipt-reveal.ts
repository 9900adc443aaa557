import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { MaestroError, messageOf } from "../../core/problem.ts";
import type { RevealedField } from "../../core/redaction.ts";
import { suggest } from "../../core/suggest.ts";
import { readSalts, writeSalts } from "../../provenance/disclosure/salts.ts";
import type { Cli, Input } from "../cli.ts";
import { readNamed } from "../named-file.ts";
import { printList } from "../output.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const file = input.arg("salts");
  const salts = readSalts(await readNamed(cli, file), file);
  const wanted = input.texts("field");
  if (wanted.length === 0) {
    await list(cli, salts.fields);
    return 0;
  }
  const chosen = new Set(wanted.flatMap((text) => find(salts.fields, text)));
  const text = writeSalts({ ...salts, fields: salts.fields.filter((field) => chosen.has(field)) });
  const out = input.text("out");
  if (out === undefined) {
    await cli.terminal.write(text);
    return 0;
  }
  try {
    await writeFile(resolve(cli.cwd, out), text, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw new MaestroError("invalid_request", `${out} cannot be written: ${messageOf(error)}.`, {
      cause: error,
      fix: "Name a file that is not there yet.",
    });
  }
  cli.terminal.say(`wrote ${chosen.size} of ${salts.fields.length} values to ${out}`);
  return 0;
}

/** The values stay where they are: a list is looked at over shoulders. */
async function list(cli: Cli, fields: readonly RevealedField[]): Promise<void> {
  const rows = fields.map(({ path, pointer }) => ({ path, pointer }));
  await printList(cli, {
    columns: [
      { head: "FILE", value: ({ path }) => path },
      { head: "FIELD", value: ({ pointer }) => pointer },
    ],
    rows,
    name: ({ path, pointer }) => `${path}#${pointer}`,
    answer: { apiVersion: "maestro/v1", kind: "RedactedFieldList" },
    member: "fields",
    empty: "Nothing was redacted in this package.",
  });
}

/** A pointer in every file that has it, or `FILE#POINTER` in one. Errors: `not_found`. */
function find(fields: readonly RevealedField[], text: string): readonly RevealedField[] {
  const found = fields.filter(({ path, pointer }) => pointer === text || `${path}#${pointer}` === text);
  if (found.length > 0) return found;
  const near = suggest(
    text,
    fields.map(({ pointer }) => pointer),
  );
  throw new MaestroError(
    "not_found",
    `Nothing was redacted at ${text}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { fix: "List the fields: `maestro receipt reveal SALTS` without --field." },
  );
}
