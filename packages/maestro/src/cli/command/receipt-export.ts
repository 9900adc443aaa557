import { mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { canonical } from "../../core/canonical.ts";
import type { JsonObject } from "../../core/json.ts";
import { MaestroError } from "../../core/problem.ts";
import { readCheckpoint } from "../../provenance/ledger/checkpoint.ts";
import { readNote } from "../../provenance/ledger/note.ts";
import { PROOF_SUFFIX, readProof } from "../../provenance/ledger/proof.ts";
import { TIMESTAMP_SUFFIX } from "../../provenance/timestamp/request.ts";
import type { Cli, Input } from "../cli.ts";
import { textOf } from "../client.ts";
import type { Client } from "../client.ts";
import { historyOf, verifyOf } from "../proof.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const client = await cli.connect("look");
  try {
    const reference = input.arg("run");
    const ordinal = input.integer("ordinal", { min: 1, max: 1_000_000 });
    const { bundle } = await verifyOf(client, reference, ordinal);
    const to = input.text("to");
    if (to === undefined) {
      await cli.terminal.write(bundle);
      return 0;
    }
    const folder = resolve(cli.cwd, to);
    const { plan } = await client.get<{ readonly plan: JsonObject }>(`/v1/runs/${encodeURIComponent(reference)}/plan`);
    const trustRoot = await client.read("/v1/trust-root");
    const { events, eventsMissing } = await historyOf(client, reference);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "receipt.json"), bundle);
    await writeFile(join(folder, "trust-root.json"), trustRoot.bytes);
    await writeFile(join(folder, "plan.json"), canonical(plan));
    if (events !== undefined) await writeFile(join(folder, "events.jsonl"), events.map((text) => `${text}\n`).join(""));
    const from = relative(cli.cwd, folder) || ".";
    const proof = await ledgerProof(client, reference, ordinal);
    if (typeof proof === "string") cli.terminal.say(proof);
    else await writeFile(join(folder, `receipt${PROOF_SUFFIX}`), proof);
    const timestamp = typeof proof === "string" ? undefined : await timestampOf(client, proof);
    if (timestamp !== undefined) await writeFile(join(folder, `receipt${TIMESTAMP_SUFFIX}`), timestamp);
    const files = [
      "receipt.json",
      ...(typeof proof === "string" ? [] : [`receipt${PROOF_SUFFIX}`]),
      ...(timestamp === undefined ? [] : [`receipt${TIMESTAMP_SUFFIX}`]),
      "trust-root.json",
      "plan.json",
      ...(events === undefined ? [] : ["events.jsonl"]),
    ];
    if (eventsMissing !== undefined) cli.terminal.say(eventsMissing);
    cli.terminal.say(`wrote ${files.slice(0, -1).join(", ")} and ${files.at(-1) ?? ""} to ${from}`);
    const withEvents = events === undefined ? "" : ` --events ${from}/events.jsonl`;
    cli.terminal.say(
      `  next     maestro verify ${from}/receipt.json --trust-root ${from}/trust-root.json --plan ${from}/plan.json${withEvents}`,
    );
    return 0;
  } finally {
    await client.close();
  }
}

/** What an authority said about the very checkpoint that the proof ends in; undefined where there is none, or it may not be seen. */
async function timestampOf(client: Client, proof: Uint8Array): Promise<Uint8Array | undefined> {
  const { size } = readCheckpoint(readNote(readProof(textOf(proof)).checkpoint).text);
  try {
    const { bytes, headers } = await client.read(`/ledger/checkpoint.tsr?size=${size}`);
    return headers.get("maestro-ledger-size") === String(size) ? bytes : undefined;
  } catch (error) {
    if (error instanceof MaestroError && (error.code === "not_found" || error.code === "denied")) return undefined;
    throw error;
  }
}

/** The proof that it is in the ledger, or why there is none. */
async function ledgerProof(client: Client, run: string, ordinal: number | undefined): Promise<Uint8Array | string> {
  const query = ordinal === undefined ? "" : `?ordinal=${ordinal}`;
  try {
    return (await client.read(`/v1/runs/${encodeURIComponent(run)}/receipt/proof${query}`)).bytes;
  } catch (error) {
    if (!(error instanceof MaestroError) || error.code !== "not_found") throw error;
    return `${error.message} ${error.fix}`;
  }
}
