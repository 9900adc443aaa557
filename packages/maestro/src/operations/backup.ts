import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { constants, createZstdCompress } from "node:zlib";
import type { Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import { shareFiles } from "../store/files-lock.ts";
import { SqliteRetention } from "../store/sqlite-retention.ts";
import { storeProblem } from "../store/sql.ts";
import { storageError } from "../store/storage-error.ts";
import { ArchiveWriter, listText } from "./archive.ts";
import type { BackupManifest } from "./backup-form.ts";
import { BACKUP_FORMAT, isMember, LIST_MEMBER, MANIFEST_MEMBER } from "./backup-form.ts";
import type { BackupRecord } from "./backup-record.ts";
import { recordBackup } from "./backup-record.ts";
import { entriesOf } from "./folder-size.ts";
import { digestsIn, referencesIn } from "./references.ts";
import { IDENTITY_FILE } from "../identity/settings-file.ts";
import { WITNESS_FILE } from "../provenance/witness/settings.ts";
import { POLICY_YAML } from "../policy/policy-file.ts";
import { NETWORK_FILE } from "./network-file.ts";
import { POLICY_FILE } from "./retention-policy.ts";

export interface BackupRequest {
  readonly dataDir: string;
  /** The folder it is written to. Made where it is not there. */
  readonly to: string;
  /** With the private signing key. */
  readonly keys: boolean;
  readonly logs: boolean;
  readonly version: string;
  /** The schema that this version of Maestro works with. */
  readonly schema: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** The engine may write meanwhile; a second look at every page would never end, so the snapshot is taken in one step. */
const ALL_PAGES = 2 ** 31 - 1;
const BLOB_PREFIX = "sha256:".length;

/**
 * One file with everything an installation knows as it was at one instant, beside a working engine or without one: a
 * snapshot of the database, and of the files those that it refers to. Errors: `not_found`, `conflict`, `storage_full`,
 * `storage_failed`, `store_corrupt`.
 */
export async function createBackup(request: BackupRequest): Promise<BackupRecord> {
  const { dataDir, to } = request;
  if (!existsSync(join(dataDir, "maestro.db")))
    throw new MaestroError("not_found", `${dataDir} is not a data directory: it holds no maestro.db.`, {
      fix: "Choose the data directory with --data.",
    });
  await mkdir(to, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw storageError(error, to);
  });
  const scratch = await mkdtemp(join(to, ".snapshot-"));
  const lock = shareFiles(dataDir);
  try {
    const snapshot = join(scratch, "maestro.db");
    await takeSnapshot(join(dataDir, "maestro.db"), snapshot, request.schema);
    endSessions(snapshot);
    const record = await writeArchive(request, snapshot);
    await recordBackup(dataDir, record);
    return record;
  } finally {
    lock.release();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function takeSnapshot(from: string, to: string, schema: number): Promise<void> {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
    const found = Number(db.prepare("pragma user_version").get()?.["user_version"]);
    if (found > schema)
      throw new MaestroError(
        "schema_newer",
        `${from} has schema ${found}; this version knows schemas up to ${schema}.`,
      );
    if (found < schema)
      throw new MaestroError("conflict", `${from} has schema ${found}, and this version works with ${schema}.`, {
        fix: "Back up with the version that wrote it, or start this one once: it keeps a copy of the database as it was.",
      });
    await backup(db, to, { rate: ALL_PAGES });
  } catch (error) {
    throw storeProblem(error, from);
  } finally {
    db?.close();
  }
}

/** Sessions that were revoked since would be good again where it is restored. */
function endSessions(snapshot: string): void {
  const db = new DatabaseSync(snapshot);
  try {
    db.exec("delete from session");
  } catch (error) {
    throw storeProblem(error, snapshot);
  } finally {
    db.close();
  }
}

async function writeArchive(request: BackupRequest, snapshot: string): Promise<BackupRecord> {
  const { dataDir, to, now } = request;
  const path = join(to, `maestro-${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "")}.tar.zst`);
  if (existsSync(path))
    throw new MaestroError("conflict", `${path} is there already.`, { fix: "Try again in a second." });
  // The least effort: most of the time goes into reading, and an engine wants the processor too.
  const packer = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const archive = await ArchiveWriter.create(path, packer, now);
  try {
    const manifest = await fill(archive, request, snapshot);
    const list = listText(archive.listed);
    await archive.addBytes(LIST_MEMBER, Buffer.from(list));
    const whole: BackupManifest = { ...manifest, list: archive.listed.at(-1)?.sha256 ?? "" };
    await archive.addBytes(MANIFEST_MEMBER, Buffer.from(`${JSON.stringify(whole, null, 2)}\n`));
    const written = await archive.commit();
    const { createdAt, runs, keys, logs, missing } = whole;
    return {
      path,
      createdAt,
      ...written,
      runs,
      keys,
      logs,
      missing,
      members: whole.members,
      unpacked: whole.bytes,
      dataDir,
    };
  } catch (error) {
    await archive.abandon();
    throw error;
  }
}

async function fill(
  archive: ArchiveWriter,
  request: BackupRequest,
  snapshot: string,
): Promise<Omit<BackupManifest, "list">> {
  const { dataDir, keys, logs, version, schema, now } = request;
  // Nobody else knows it, so it needs neither locks nor a log beside it.
  const db = new DatabaseSync(new URL(`${pathToFileURL(snapshot).href}?immutable=1`), { readOnly: true });
  try {
    await archive.addFile("maestro.db", snapshot);
    await archive.addFile("installation", join(dataDir, "installation"));
    for (const name of [POLICY_FILE, IDENTITY_FILE, POLICY_YAML, WITNESS_FILE, NETWORK_FILE])
      await archive.addFile(name, join(dataDir, name));
    await archive.addFile("keys/trust-root.json", join(dataDir, "keys", "trust-root.json"));
    if (keys) {
      for (const { name } of await entriesOf(join(dataDir, "keys")))
        if (/^ed25519-[0-9a-f]{16}\.pem$/.test(name))
          await archive.addFile(`keys/${name}`, join(dataDir, "keys", name));
    }
    for (const { name } of await entriesOf(join(dataDir, "tasks")))
      if (isMember(`tasks/${name}`)) await archive.addFile(`tasks/${name}`, join(dataDir, "tasks", name));
    for (const entry of await entriesOf(join(dataDir, "policy")))
      if (entry.isFile() && isMember(`policy/${entry.name}`))
        await archive.addFile(`policy/${entry.name}`, join(dataDir, "policy", entry.name));
    let missing = 0;
    for (const digest of await blobsOf(db, dataDir)) {
      const hex = digest.slice(BLOB_PREFIX);
      const name = `blobs/sha256/${hex.slice(0, 2)}/${hex}`;
      if (!(await archive.addFile(name, join(dataDir, name)))) missing += 1;
    }
    if (logs) await addLogs(archive, db, dataDir);
    const { listed } = archive;
    return {
      format: BACKUP_FORMAT,
      maestro: version,
      schema,
      createdAt: now,
      installation: (await readFile(join(dataDir, "installation"), "utf8").catch(absent)).trim(),
      runs: Number(db.prepare("select count(*) as count from run").get()?.["count"]),
      keys,
      logs,
      members: listed.length,
      bytes: listed.reduce((sum, { size }) => sum + size, 0),
      missing,
    };
  } finally {
    db.close();
  }
}

/** What the database refers to, each once. Also used to say of a restored one whether it has all that. */
export async function blobsOf(db: DatabaseSync, dataDir: string): Promise<ReadonlySet<Digest>> {
  const retention = new SqliteRetention(db, "the snapshot");
  const wanted = new Set<Digest>();
  for (let at: number | null = 0; at !== null;) {
    const slice: Awaited<ReturnType<SqliteRetention["eventTexts"]>> = await retention.eventTexts({
      after: at,
      removedBefore: Number.MAX_SAFE_INTEGER,
    });
    for (const { text, artifactsRemoved } of slice.texts) {
      const { values, artifacts, nested } = referencesIn(text);
      for (const digest of values) wanted.add(digest);
      if (artifactsRemoved) continue;
      for (const digest of artifacts) wanted.add(digest);
      for (const digest of nested) for (const inner of await namesIn(dataDir, digest)) wanted.add(inner);
    }
    at = slice.next;
  }
  for (let at: number | null = 0; at !== null;) {
    const slice: Awaited<ReturnType<SqliteRetention["cacheTexts"]>> = await retention.cacheTexts({ after: at });
    for (const { text } of slice.texts) for (const digest of digestsIn(text)) wanted.add(digest);
    at = slice.next;
  }
  return wanted;
}

async function namesIn(dataDir: string, digest: Digest): Promise<readonly Digest[]> {
  const hex = digest.slice(BLOB_PREFIX);
  return digestsIn(await readFile(join(dataDir, "blobs", "sha256", hex.slice(0, 2), hex), "utf8").catch(absent));
}

/** Logs of the runs in the snapshot. The index first: then every place it names lies in the part of the log that is taken. */
async function addLogs(archive: ArchiveWriter, db: DatabaseSync, dataDir: string): Promise<void> {
  const known = db.prepare("select 1 from run where id = ?");
  for (const { name } of await entriesOf(join(dataDir, "logs"))) {
    if (known.get(name) === undefined) continue;
    const folder = join(dataDir, "logs", name);
    for (const file of readdirSync(folder).toSorted())
      if (/\.(?:idx|log)$/.test(file)) await archive.addFile(`logs/${name}/${file}`, join(folder, file));
  }
}

function absent(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "";
  throw storageError(error, error.path ?? "a file");
}
