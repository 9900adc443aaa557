import { readTrustRoot } from "../../provenance/trust.ts";
import { logKeys } from "../../provenance/ledger/log-key.ts";
import { writeNoteKey } from "../../provenance/ledger/note.ts";
import { listAudit } from "../audit-list.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import type { Client } from "../client.ts";
import { textOf } from "../client.ts";
import { compareWith } from "../compare-checkpoint.ts";
import { EXPORT_FORMATS, exportLines } from "../export-lines.ts";
import { exportTiles } from "../export-tiles.ts";
import { time } from "../format.ts";
import { fullRunId } from "../full-run-id.ts";
import { isData, printLines, printList, printObject } from "../output.ts";
import { timeOption } from "../time-option.ts";

interface Entry {
  readonly place: number;
  readonly kind: string;
  readonly run: string | null;
  /** The CloudEvent. */
  readonly event: {
    readonly time: string;
    readonly data: {
      readonly action?: string;
      readonly allow?: boolean;
      readonly task?: string;
      readonly digest?: string;
    };
  };
}

export async function run(cli: Cli, input: Input): Promise<number> {
  const verify = input.flag("verify") === true;
  const to = input.text("export");
  const older = input.text("checkpoint");
  if (verify && to !== undefined) throw usage("--verify and --export are two commands: give one of them.");
  if (older !== undefined && !verify) throw usage("--checkpoint goes with --verify.");
  if (to === undefined && input.text("format") !== undefined) throw usage("--format goes with --export.");
  const client = await cli.connect("look");
  try {
    if (input.flag("key") === true) return await printKeys(cli, client);
    if (verify) return await (older === undefined ? check(cli, client) : compareWith(cli, client, older));
    if (to !== undefined) return await exportTo(cli, client, input, to);
    return await (asksForPeople(input) ? listAudit(cli, client, input) : list(cli, client, input));
  } finally {
    await client.close();
  }
}

/** The ledger says what was decided, and the audit who did what: whoever asks for people, or for what they did, means that. */
function asksForPeople(input: Input): boolean {
  const names = ["actor", "action", "resource", "namespace", "since", "until", "kind"];
  return (
    input.args("query").length > 0 ||
    input.flag("denied") === true ||
    names.some((name) => input.text(name) !== undefined)
  );
}

async function exportTo(cli: Cli, client: Client, input: Input, to: string): Promise<number> {
  const format = input.choice("format", EXPORT_FORMATS) ?? (to.startsWith("s3://") ? "worm" : "tiles");
  if (format !== "worm" && (to.startsWith("s3://") || input.text("retain") !== undefined || input.flag("legal-hold")))
    throw usage("s3://, --retain and --legal-hold go with --format worm.");
  if (format === "worm") {
    const { exportToWorm } = await import("../export-worm.ts");
    return exportToWorm(cli, client, input, to);
  }
  if (format === "tiles") return exportTiles(cli, client, to);
  return exportLines(cli, client, { to, format, since: timeOption(input, "since"), until: timeOption(input, "until") });
}

/** The current one last, as the trust root has them. */
async function printKeys(cli: Cli, client: Client): Promise<number> {
  const trustRoot = readTrustRoot(textOf((await client.read("/v1/trust-root")).bytes), "the trust root");
  const keys = logKeys(trustRoot).map((key) => writeNoteKey(key));
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "LedgerKeys", keys });
  else await printLines(cli, keys);
  return 0;
}

async function check(cli: Cli, client: Client): Promise<number> {
  const answer = await client.get<{ readonly size: number; readonly root: string; readonly signedAt: number }>(
    "/v1/ledger/check",
  );
  if (isData(cli)) await printObject(cli, answer);
  else {
    const { size, root, signedAt } = answer;
    await cli.terminal.write(
      `✓ the ledger is the one that was signed at ${time(signedAt)}: ${size} entries, root ${root}\n`,
    );
  }
  return 0;
}

async function list(cli: Cli, client: Client, input: Input): Promise<number> {
  const run = input.text("run");
  const limit = input.integer("limit", { min: 1, max: 1_000 }) ?? 100;
  const from = input.integer("from", { min: 0, max: 999_999_999_999_999 });
  const answer = await client.get<{ readonly entries: readonly Entry[] }>("/v1/ledger/entries", {
    limit,
    ...(from === undefined ? {} : { cursor: from }),
    ...(run === undefined ? {} : { run: await fullRunId(client, run) }),
  });
  await printList<Entry>(cli, {
    columns: [
      { head: "PLACE", value: ({ place }) => String(place) },
      { head: "TIME", value: ({ event }) => time(Date.parse(event.time)) },
      { head: "KIND", value: ({ kind }) => kind },
      { head: "RUN", value: ({ run: about }) => about ?? "" },
      { head: "WHAT", value: ({ event }) => whatOf(event), flexible: true },
    ],
    rows: answer.entries,
    name: ({ place }) => String(place),
    answer,
    member: "entries",
    empty: "The ledger is empty: run something.",
  });
  return 0;
}

function whatOf({ data }: Entry["event"]): string {
  const { action, allow, digest, task } = data;
  if (action === undefined) return digest ?? "";
  return `${allow === true ? "allowed" : "denied"} ${action}${task === undefined ? "" : ` of ${task}`}`;
}
