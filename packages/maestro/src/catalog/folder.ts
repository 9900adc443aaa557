import { open } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { sha256 } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { messageOf } from "../core/problem.ts";
import { SOURCE_LIMITS } from "../manifest/scan.ts";
import type { StoredPlan } from "../store/store.ts";
import type { CompileFile } from "./compile-folder.ts";
import { compileFiles } from "./compile-folder.ts";
import type { FileProblem, FolderFile, FolderWorkflows } from "./folder-workflows.ts";
import type { ResolveEnv } from "./resolve.ts";
import { FOLDER_LIMITS, isGone, mark, scanFolder } from "./scan-folder.ts";
import type { Mark } from "./scan-folder.ts";

export interface FolderOptions {
  /** Absolute. */
  readonly path: string;
  /** The folder as people know it, in front of the names of its files. */
  readonly shown: string;
  readonly env: ResolveEnv;
  /** Told after every look what is other than before. */
  readonly changed: (change: FolderChange) => void;
}

export type FolderChange =
  /** New runs follow this from now on. */
  | { readonly kind: "loaded"; readonly file: string; readonly workflow: StoredPlan }
  /** New runs follow the last good version, if there is one. */
  | {
      readonly kind: "broken";
      readonly file: string;
      readonly problem: FileProblem;
      readonly kept: StoredPlan | undefined;
    }
  | { readonly kind: "removed"; readonly file: string; readonly workflow: StoredPlan | undefined }
  /** What is wrong with the folder as a whole; null: nothing any more. */
  | { readonly kind: "folder"; readonly problem: string | null };

/** The manifests of a folder as workflows, brought up to date by `tick`. */
export interface Folder {
  readonly view: FolderWorkflows;
  /** Paths of folders to listen to, absolute. */
  readonly folders: readonly string[];
  /** Looks at the folder and takes in what has settled. One at a time. */
  tick(now: number): Promise<void>;
  /** When the next look is due at the latest. */
  nextAt(): number;
}

/** A file is taken in when it has stayed as it is for this long: editors write in several steps. */
export const SETTLE_MS = 100;
/** Looks without any sign of a change, because signs get lost. */
export const RESCAN_MS = 2000;
/** File systems keep times coarsely: what was changed so short ago is read once more, in case it changed again. */
const YOUNG_MS = 2000;
/** Broken files that are tried again at a look, for what they name may have come. */
const RETRIED = 50;

interface Entry extends CompileFile {
  /** The state that was read. */
  loaded: { readonly print: string; readonly digest: Digest; readonly young: boolean } | undefined;
  /** Another state, and since when. */
  seen: { readonly print: string; readonly at: number } | undefined;
  goneAt: number | undefined;
  size: number;
  /** The look at which it took the name that it has; the older holder of a name keeps it. */
  since: number;
  key: string | undefined;
  /** Not about a runbook at all: `maestro.yaml` may be the settings of a project. */
  ignored: boolean;
}

export function openFolder(options: FolderOptions): Folder {
  const entries = new Map<string, Entry>();
  let view: FolderWorkflows = { path: options.shown, files: [], problem: null };
  let folders: readonly string[] = [];
  let looks = 0;
  let lookedAt = 0;
  let programs = programsOf(options.env);

  async function tick(now: number): Promise<void> {
    const scan = await scanFolder(options.path);
    looks += 1;
    lookedAt = now;
    folders = scan.folders.slice(0, FOLDER_LIMITS.watched).map((path) => join(options.path, path));
    const removed = missing(scan, now);
    const changed = new Set<Entry>();
    for (const [entry, found] of settled(scan.files, now)) if (await take(entry, found, now)) changed.add(entry);
    await compileNow(
      changed,
      removed.flatMap(({ names }) => [...names]),
      now,
    );
    show(scan.problem);
  }

  /** Files that are not there any more, and were not a moment ago. */
  function missing(scan: Awaited<ReturnType<typeof scanFolder>>, now: number): readonly Entry[] {
    const hidden = (path: string): boolean =>
      scan.unread.some((folder) => folder === "" || path.startsWith(`${folder}/`));
    const removed: Entry[] = [];
    for (const [path, entry] of entries) {
      if (scan.files.has(path) || hidden(path)) {
        entry.goneAt = undefined;
        continue;
      }
      entry.goneAt ??= now;
      if (now - entry.goneAt < SETTLE_MS) continue;
      entries.delete(path);
      removed.push(entry);
    }
    return removed;
  }

  /** Files to read: in a state that was not read, and long enough in it. */
  function settled(files: ReadonlyMap<string, Mark>, now: number): readonly (readonly [Entry, Mark])[] {
    return [...files].flatMap(([path, found]): readonly (readonly [Entry, Mark])[] => {
      const { print } = found;
      const entry = entries.get(path) ?? newEntry(path, options.shown);
      entries.set(path, entry);
      if (entry.loaded?.print === print) {
        entry.seen = undefined;
        return entry.loaded.young ? [[entry, found]] : [];
      }
      if (entry.seen?.print !== print) entry.seen = { print, at: now };
      // The first look takes everything: who starts wants what is there.
      return looks === 1 || now - entry.seen.at >= SETTLE_MS ? [[entry, found]] : [];
    });
  }

  /** Reads a file; true where it holds something else than before. */
  async function take(entry: Entry, found: Mark, now: number): Promise<boolean> {
    const others = [...entries.values()].reduce((sum, one) => (one === entry ? sum : sum + one.size), 0);
    const read = await readWhole(join(options.path, entry.path), found, FOLDER_LIMITS.bytes - others);
    if (read === undefined) {
      // Gone or written to in this very moment: it has to settle again.
      entry.seen = { print: found.print, at: now };
      return false;
    }
    const { bytes, problem } = read;
    const digest = sha256(bytes ?? problem ?? "");
    const same = entry.loaded?.digest === digest;
    entry.seen = undefined;
    entry.size = bytes?.length ?? 0;
    entry.loaded = { print: read.mark.print, digest, young: now - read.mark.changedAt < YOUNG_MS };
    if (same) return false;
    entry.ignored = bytes !== undefined && isProject(bytes);
    entry.bytes = entry.ignored ? undefined : bytes;
    if (entry.ignored) Object.assign(entry, { good: undefined, problem: null });
    if (problem !== undefined) entry.problem = { message: problem, diagnostics: [] };
    return true;
  }

  async function compileNow(changed: Set<Entry>, removed: readonly string[], now: number): Promise<void> {
    const broken = [...entries.values()].filter((entry) => entry.problem !== null && !changed.has(entry));
    // A different part of them at each look.
    const start = broken.length === 0 ? 0 : (looks * RETRIED) % broken.length;
    const again = new Set([...broken.slice(start), ...broken.slice(0, start)].slice(0, RETRIED));
    for (const entry of ofOtherPrograms()) again.add(entry);
    await compileFiles(
      [...entries.values()],
      { changed, again, removed },
      {
        env: options.env,
        now,
        pause: turnOfTheLoop,
      },
    );
  }

  /**
   * What was compiled before a program was added, added again or removed: a plan names the program that was there, and
   * a run of it fails when that is another one by now. All that is good, for a parent's plan names its child's.
   */
  function ofOtherPrograms(): readonly Entry[] {
    const before = programs;
    programs = programsOf(options.env);
    const isOther =
      programs.size !== before.size || [...programs].some(([name, program]) => before.get(name) !== program);
    return isOther ? [...entries.values()].filter(({ good }) => good !== undefined) : [];
  }

  /** Says who holds which name, and tells what is other than before. */
  function show(problem: string | null): void {
    for (const entry of entries.values()) {
      const key = entry.good === undefined ? undefined : refOf(entry.good);
      if (entry.key !== key) entry.since = looks;
      entry.key = key;
    }
    const holders = new Map<string, Entry>();
    for (const entry of [...entries.values()].toSorted((a, b) => a.since - b.since || (a.path < b.path ? -1 : 1)))
      if (entry.key !== undefined && !holders.has(entry.key)) holders.set(entry.key, entry);
    const files = [...entries.values()]
      .filter((entry) => entry.loaded !== undefined && !entry.ignored)
      .map((entry): FolderFile => {
        const holder = entry.key === undefined ? undefined : holders.get(entry.key);
        const taken = holder === undefined || holder === entry ? null : takenBy(entry.key ?? "", holder.file);
        const workflow = taken === null ? entry.good : undefined;
        return { file: entry.file, workflow, problem: entry.problem ?? taken };
      })
      .toSorted((a, b) => (a.file < b.file ? -1 : 1));
    const before = view;
    view = { path: options.shown, files, problem };
    for (const change of differences(before, view)) options.changed(change);
  }

  return {
    get view() {
      return view;
    },
    get folders() {
      return folders;
    },
    tick,
    nextAt() {
      const waits = [...entries.values()].flatMap(({ seen, goneAt }) => [
        ...(seen === undefined ? [] : [seen.at + SETTLE_MS]),
        ...(goneAt === undefined ? [] : [goneAt + SETTLE_MS]),
      ]);
      return waits.reduce((first, at) => Math.min(first, at), lookedAt + RESCAN_MS);
    },
  };
}

/** The digests of the programs of added task types, by the type's name. */
function programsOf({ descriptions }: ResolveEnv): ReadonlyMap<string, Digest> {
  return new Map(
    [...descriptions].flatMap(([name, { program }]) => (program === undefined ? [] : [[name, program] as const])),
  );
}

function newEntry(path: string, shown: string): Entry {
  return {
    path,
    file: shown === "." ? path : join(shown, path),
    bytes: undefined,
    names: new Set(),
    uses: new Set(),
    good: undefined,
    problem: null,
    loaded: undefined,
    seen: undefined,
    goneAt: undefined,
    size: 0,
    since: 0,
    key: undefined,
    ignored: false,
  };
}

/** The whole of a file that stood still meanwhile, or why it is not read. Undefined where it is gone or did not stand still. */
async function readWhole(
  path: string,
  found: Mark,
  room: number,
): Promise<
  { readonly mark: Mark; readonly bytes: Uint8Array | undefined; readonly problem: string | undefined } | undefined
> {
  try {
    const file = await open(path, "r");
    try {
      const before = mark(await file.stat({ bigint: true }));
      const problem = refusal(before.size, room);
      if (problem !== undefined) return { mark: before, bytes: undefined, problem };
      const bytes = await file.readFile();
      const after = mark(await file.stat({ bigint: true }));
      return after.print === before.print ? { mark: before, bytes, problem: undefined } : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isGone(error)) return undefined;
    const problem = `It cannot be read: ${messageOf(error)}`;
    return { mark: found, bytes: undefined, problem };
  }
}

function isProject(bytes: Uint8Array): boolean {
  return /^kind:\s*["']?Project\b/m.test(Buffer.from(bytes).toString("utf8"));
}

function refusal(size: number, room: number): string | undefined {
  if (size > SOURCE_LIMITS.bytes)
    return `It has ${size} bytes, and a manifest may have ${SOURCE_LIMITS.bytes}; data belongs into files that tasks read.`;
  if (size > room)
    return `The manifests of the folder have more than ${FOLDER_LIMITS.bytes} bytes together; this one is not read.`;
  return undefined;
}

function takenBy(key: string, file: string): FileProblem {
  return {
    message: `${key} is in ${file} already, and that file keeps it; give this one another name or version.`,
    diagnostics: [],
  };
}

export function refOf(plan: Pick<StoredPlan, "namespace" | "name" | "version">): string {
  return `${plan.namespace}/${plan.name}@${plan.version}`;
}

function differences(before: FolderWorkflows, after: FolderWorkflows): readonly FolderChange[] {
  const changes: FolderChange[] = [];
  if (before.problem !== after.problem) changes.push({ kind: "folder", problem: after.problem });
  const old = new Map(before.files.map((one) => [one.file, one]));
  const now = new Set(after.files.map(({ file }) => file));
  for (const { file, workflow } of before.files) if (!now.has(file)) changes.push({ kind: "removed", file, workflow });
  for (const { file, workflow, problem } of after.files) {
    const then = old.get(file);
    if (problem !== null) {
      if (JSON.stringify(then?.problem) !== JSON.stringify(problem))
        changes.push({ kind: "broken", file, problem, kept: workflow });
    } else if (
      workflow !== undefined &&
      (then?.workflow?.digest !== workflow.digest || (then.problem ?? null) !== null)
    ) {
      changes.push({ kind: "loaded", file, workflow });
    }
  }
  return changes;
}
