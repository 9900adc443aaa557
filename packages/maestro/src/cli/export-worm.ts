import { relative, resolve } from "node:path";
import { parseDuration } from "../core/duration.ts";
import { MaestroError } from "../core/problem.ts";
import { exportWorm } from "../operations/worm/export.ts";
import type { WormSource } from "../operations/worm/export.ts";
import type { WormTarget } from "../operations/worm/target.ts";
import { readCheckpoint } from "../provenance/ledger/checkpoint.ts";
import { readNote } from "../provenance/ledger/note.ts";
import { readEntries, TILE_WIDTH, tilePath } from "../provenance/ledger/tile.ts";
import { readTrustRoot } from "../provenance/trust.ts";
import { usage } from "./cli.ts";
import type { Cli, Input } from "./cli.ts";
import type { Client } from "./client.ts";
import { textOf } from "./client.ts";
import { isData, printObject } from "./output.ts";

/** Ledger and audit to a place that keeps them: a folder, or `s3://bucket/prefix`. */
export async function exportToWorm(cli: Cli, client: Client, input: Input, to: string): Promise<number> {
  const target = await targetOf(cli, input, to);
  const report = await exportWorm(await sourceOf(client), target);
  const { size, found, audit, written, protection } = report;
  const place = to.startsWith("s3://") ? target.shown : relative(cli.cwd, target.shown) || ".";
  if (isData(cli)) {
    const facts = { place, size, found, audit, written, protection: { ...protection } };
    await printObject(cli, { apiVersion: "maestro/v1", kind: "WormExport", ...facts });
    return 0;
  }
  cli.terminal.say(
    `${place}: ${found} entries were there and are as they were signed; ${size} are there now, and ${audit} of the audit`,
  );
  cli.terminal.say(`  ${protection.enforced ? "kept by" : "NOT kept"}: ${protection.detail}`);
  return 0;
}

async function targetOf(cli: Cli, input: Input, to: string): Promise<WormTarget> {
  const retain = input.text("retain");
  const retainMs = retain === undefined ? undefined : parseDuration(retain);
  if (retain !== undefined && (retainMs === undefined || retainMs === 0))
    throw usage(`--retain takes a duration such as 2557d, not ${JSON.stringify(retain)}.`);
  const legalHold = input.flag("legal-hold") === true;
  if (!to.startsWith("s3://")) {
    if (retainMs !== undefined || legalHold)
      throw usage("--retain and --legal-hold are for s3://: a folder knows neither dates nor holds.");
    const { openFolder } = await import("../operations/worm/folder.ts");
    return openFolder(resolve(cli.cwd, to));
  }
  const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(to) ?? [];
  if (bucket === undefined) throw usage(`${to} is not of the form s3://BUCKET/PREFIX.`);
  const { openBucket } = await import("../operations/worm/bucket.ts");
  return openBucket({
    ...storeOf(cli),
    bucket,
    prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`,
    retainUntil: retainMs === undefined ? undefined : Date.now() + retainMs,
    legalHold,
    now: Date.now,
  });
}

/** From the variables that every tool for S3 reads. */
function storeOf({ terminal: { env } }: Cli): {
  readonly endpoint: URL;
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
} {
  const [accessKeyId, secretAccessKey] = [env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]];
  const sessionToken = env["AWS_SESSION_TOKEN"];
  if (!accessKeyId || !secretAccessKey)
    throw new MaestroError("unauthorized", "There are no credentials for S3.", {
      fix: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION; for a store of your own also AWS_ENDPOINT_URL.",
    });
  const region = env["AWS_REGION"] || "us-east-1";
  const address = env["AWS_ENDPOINT_URL"] || `https://s3.${region}.amazonaws.com`;
  const endpoint = URL.parse(address);
  if (endpoint === null || !/^https?:$/.test(endpoint.protocol))
    throw usage(`AWS_ENDPOINT_URL is ${JSON.stringify(address)}, which is no URL.`);
  return { endpoint, region, credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } };
}

async function sourceOf(client: Client): Promise<WormSource> {
  let size = 0;
  const checkpoint = async (): Promise<string> => {
    const note = textOf((await client.read("/ledger/checkpoint")).bytes);
    ({ size } = readCheckpoint(readNote(note).text));
    return note;
  };
  return {
    trustRoot: readTrustRoot(textOf((await client.read("/v1/trust-root")).bytes), "the control plane's trust root"),
    checkpoint,
    async consistency(from) {
      const answer = await client.get<{ readonly hashes: readonly string[]; readonly checkpoint: string }>(
        "/v1/ledger/consistency",
        { from },
      );
      ({ size } = readCheckpoint(readNote(answer.checkpoint).text));
      return { hashes: answer.hashes.map((hash) => Buffer.from(hash, "base64")), checkpoint: answer.checkpoint };
    },
    async entries(from, limit) {
      const index = Math.floor(from / TILE_WIDTH);
      const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
      const { bytes } = await client.read(`/ledger/${tilePath({ level: "entries", index, width })}`);
      const texts = readEntries(Buffer.from(bytes)).map((entry) => Buffer.from(entry).toString("utf8"));
      return texts.slice(from - index * TILE_WIDTH, from - index * TILE_WIDTH + limit);
    },
    async audit(from, limit) {
      const path = `/v1/audit/export?format=jsonl&after=${from}&limit=${Math.min(limit, 1_000)}`;
      const { bytes } = await client.read(path, { accept: "application/jsonl" });
      return textOf(bytes).split("\n").slice(0, -1);
    },
  };
}
