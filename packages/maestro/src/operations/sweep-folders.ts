import { existsSync } from "node:fs";
import { lstat, realpath, rm, rmdir, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { isTerminal } from "../core/run.ts";
import type { RunRow, Store } from "../store/store.ts";
import type { Breath } from "./breath.ts";
import { entriesOf, folderSize, removeFolder } from "./folder-size.ts";
import { clocksOf } from "./retention-policy.ts";
import type { RetentionPolicy } from "./retention-policy.ts";
import { digestsIn } from "./references.ts";

export interface FolderSweep {
  readonly store: Store;
  readonly dataDir: string;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly dryRun: boolean;
  readonly policy: RetentionPolicy;
  readonly breath: Breath;
}

export function logFolder(dataDir: string, run: string): string {
  return join(dataDir, "logs", run);
}

export function workFolder(dataDir: string, run: string): string {
  return join(dataDir, "work", run);
}

/** Marks a work folder in which only artifacts are left, so that it is not gone through again. */
const SWEPT = ".swept";
const BREATH_EVERY = 50;
const EVENT_PAGE = 1_000;
/** Runs above one another (engine limit `depth` is 8). */
const MAX_DEPTH = 64;

/** Log folders that a crash left behind: their removal is recorded, or their run is gone. */
export async function sweepLogs(sweep: FolderSweep): Promise<{ readonly fileBytes: number }> {
  let fileBytes = 0;
  await eachRun(sweep, join(sweep.dataDir, "logs"), async (run, row) => {
    if (!(await isRemoved(sweep.store, run, row, "logs"))) return;
    fileBytes += await clear(logFolder(sweep.dataDir, run), sweep.dryRun);
  });
  return { fileBytes };
}

/**
 * Folders of attempts of runs that have ended, and whose ancestors have: everything but artifacts goes when the clock
 * `work` has run out, for later tasks, retries and reruns find artifacts by their paths; those go with the artifacts.
 */
export async function sweepWork(sweep: FolderSweep): Promise<{ readonly work: number; readonly fileBytes: number }> {
  let work = 0;
  let fileBytes = 0;
  await eachRun(sweep, join(sweep.dataDir, "work"), async (run, row) => {
    const folder = workFolder(sweep.dataDir, run);
    if (await isRemoved(sweep.store, run, row, "artifacts")) {
      fileBytes += await clear(folder, sweep.dryRun);
      work += 1;
    } else if (row !== undefined && (await isOver(sweep, row)) && !existsSync(join(folder, SWEPT))) {
      fileBytes += await clearScratch(sweep, row, folder);
      work += 1;
    }
  });
  return { work, fileBytes };
}

async function eachRun(
  { store, breath }: FolderSweep,
  folder: string,
  look: (run: string, row: RunRow | undefined) => Promise<void>,
): Promise<void> {
  let seen = 0;
  for (const entry of await entriesOf(folder)) {
    // Only what has the form of a run's id is ours to remove.
    if (!entry.isDirectory() || !/^r_[a-z0-9]{1,64}$/.test(entry.name)) continue;
    await look(entry.name, await store.runGet(entry.name));
    seen += 1;
    if (seen % BREATH_EVERY === 0) await breath.take();
  }
}

async function isRemoved(
  store: Store,
  run: string,
  row: RunRow | undefined,
  part: "logs" | "artifacts",
): Promise<boolean> {
  const removal = await store.retention.removalOf(run, part);
  // A run that is gone leaves the record of it. Without one its folder is somebody else's, or a run that is just beginning.
  if (row === undefined) return removal !== undefined;
  return removal !== undefined && removal.seq === row.seq && isTerminal(row.status);
}

async function isOver({ store, policy, now }: FolderSweep, row: RunRow): Promise<boolean> {
  const { work } = clocksOf(policy, row.namespace);
  if (work === null || row.endedAt === null || now - row.endedAt < work) return false;
  const [held] = await store.retention.endedRuns({
    after: { createdAt: row.createdAt, id: before(row.id) },
    until: row.createdAt,
    limit: 1,
  });
  if (held?.id !== row.id || held.held) return false;
  let one: RunRow | undefined = row;
  for (let depth = 0; one !== undefined && depth < MAX_DEPTH; depth++) {
    if (!isTerminal(one.status)) return false;
    one = one.parentRun === null ? undefined : await store.runGet(one.parentRun);
  }
  return true;
}

/** Sorts just before the id: ids are ASCII and never end in a character below `0`. */
function before(id: string): string {
  return `${id.slice(0, -1)}${String.fromCharCode(id.charCodeAt(id.length - 1) - 1)}~`;
}

async function clear(folder: string, dryRun: boolean): Promise<number> {
  return dryRun ? folderSize(folder) : removeFolder(folder);
}

async function clearScratch(sweep: FolderSweep, row: RunRow, path: string): Promise<number> {
  // Artifacts are recorded by their real paths.
  const folder = await realpath(path);
  const artifacts = await artifactPaths(sweep.store, row.id, folder);
  const { bytes, empty } = await prune(folder, artifacts, sweep.dryRun);
  if (sweep.dryRun) return bytes;
  if (empty) await rm(folder, { recursive: true, force: true });
  else await writeFile(join(folder, SWEPT), "", { mode: 0o600 });
  return bytes;
}

/** Paths inside the folder that the history names as artifacts. */
async function artifactPaths(store: Store, run: string, folder: string): Promise<ReadonlySet<string>> {
  const paths = new Set<string>();
  for (let afterSeq = 0; ;) {
    const page = await store.runEvents(run, { afterSeq, limit: EVENT_PAGE });
    for (const { text } of page) {
      if (digestsIn(text).length === 0 && !text.includes('"blobs"')) continue;
      // A path is written as JSON writes texts; whatever begins with the folder is kept, named as artifact or not.
      for (const [, path] of text.matchAll(/"((?:[^"\\]|\\.)*)"/g))
        if (path?.startsWith(folder + sep) === true) paths.add(JSON.parse(`"${path}"`) as string);
      // A list of artifacts that was moved out of its event: then the folder stays whole.
      if (/"path":\["(?:result",")?(?:artifacts|results?)"\]/.test(text)) paths.add(folder);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < EVENT_PAGE) return paths;
    afterSeq = last.seq;
  }
}

async function prune(
  folder: string,
  keep: ReadonlySet<string>,
  dryRun: boolean,
): Promise<{ readonly bytes: number; readonly empty: boolean }> {
  if (keep.has(folder)) return { bytes: 0, empty: false };
  let bytes = 0;
  let empty = true;
  for (const entry of await entriesOf(folder)) {
    const at = join(folder, entry.name);
    if (entry.isDirectory()) {
      const inner = await prune(at, keep, dryRun);
      bytes += inner.bytes;
      if (!inner.empty) empty = false;
      else if (!dryRun) await rmdir(at);
    } else if (keep.has(at)) {
      empty = false;
    } else {
      bytes += (await lstat(at)).size;
      if (!dryRun) await rm(at, { force: true });
    }
  }
  return { bytes, empty };
}
