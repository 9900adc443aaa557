import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { TaskFailure } from "../task/task.ts";

/**
 * What a sandboxed command sees. The rule is the opposite of a list of secrets: the root is empty, and only the
 * system's own folders, the run's base, the programs' folders and the run's own attempts are put into it, so home
 * folders, sockets of /run, other data directories and whatever else a machine has are not there at all.
 */
export interface View {
  /** Folders to read, absolute: the run's base, the working folder. */
  readonly readable: readonly string[];
  /** Files that must be there for the program to start. */
  readonly programs: readonly string[];
  readonly path: string;
  readonly writable: readonly string[];
  /** Folders of ours that nobody in a sandbox may see, whatever the lines above say. */
  readonly hidden: readonly string[];
  /** `<workDir>/<run>`: earlier attempts of the same run, to read. */
  readonly runDir: string;
  /** Folders of other runs, to read. */
  readonly lent: readonly string[];
  /** The attempt's folder, to write. */
  readonly dir: string;
  /** The folder with the socket of its tokens; no other sandbox sees it. */
  readonly tokens?: string | undefined;
  readonly network: boolean;
  readonly home: string;
}

/** Where a sandboxed command finds the folder of its tokens: a short name, wherever the data directory lies. */
export const TOKEN_FOLDER = "/run/maestro";

/** The uid and gid of sandboxed commands: nobody's. */
export const NOBODY = 65534;

/** Own temporary files live in memory, so they have a limit. */
const TMP_BYTES = 1 << 30;
const SHM_BYTES = 64 << 20;

const SYSTEM = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/etc",
  "/opt",
  "/nix",
  "/gnu",
  "/snap",
];

/** Arguments of bwrap(1) that build the view. In order: what comes later covers what came before. */
export function viewArguments(view: View): readonly string[] {
  const homes = homeFolders(view.home);
  const shown = [...view.readable, ...programFolders(view)].flatMap((path) => withoutHomeSecrets(path, homes));
  const hidden = outermost(view.hidden.filter((path) => existsSync(path)));
  const readable = outermost(
    shown.filter((path) => existsSync(path) && !isSystem(path) && !hidden.some((folder) => isInside(path, folder))),
  );
  const writable = view.writable.map((path) => checkedWritable(path, hidden));
  const args: string[] = [];
  for (const path of SYSTEM) args.push(...systemFolder(path));
  args.push("--proc", "/proc", "--dev", "/dev");
  args.push("--perms", "1777", "--size", String(SHM_BYTES), "--tmpfs", "/dev/shm");
  args.push("--perms", "1777", "--size", String(TMP_BYTES), "--tmpfs", "/tmp");
  args.push("--dir", "/run", "--dir", "/var", "--symlink", "/run", "/var/run", "--symlink", "/tmp", "/var/tmp");
  for (const path of readable) args.push(...ancestors(path), "--ro-bind", path, path);
  for (const path of writable) args.push(...ancestors(path), "--bind", path, path);
  for (const path of hidden) args.push(...ancestors(path), "--perms", "0755", "--tmpfs", path);
  for (const path of [view.runDir, ...view.lent]) args.push(...ancestors(path), "--ro-bind", path, path);
  args.push(...ancestors(view.dir), "--bind", view.dir, view.dir);
  if (view.network) args.push(...resolverFile());
  // To connect is not to write: the socket works, and nothing can be put in its place.
  if (view.tokens !== undefined) args.push("--ro-bind", view.tokens, TOKEN_FOLDER);
  for (const path of hidden) args.push("--remount-ro", path);
  args.push("--remount-ro", "/dev", "--remount-ro", "/");
  return args;
}

/** Arguments of bwrap(1) for the walls: namespaces, capabilities, life time. */
export function wallArguments(options: { readonly network: boolean; readonly root: boolean }): readonly string[] {
  const args = [
    "--die-with-parent",
    "--new-session",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--hostname",
    "sandbox",
  ];
  if (!options.network) args.push("--unshare-net");
  args.push("--cap-drop", "ALL");
  // Without root a user namespace maps this user to nobody. Root must not use one: its nobody would still be root on
  // the host and own root's files. It gives its uid up for good inside (setpriv), for which it keeps three capabilities until then.
  if (options.root) args.push("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP");
  else args.push("--unshare-user", "--uid", String(NOBODY), "--gid", String(NOBODY));
  return args;
}

/** setpriv(1) that makes root nobody, for good. */
export function dropArguments(setpriv: string): readonly string[] {
  return [
    setpriv,
    "--reuid",
    String(NOBODY),
    "--regid",
    String(NOBODY),
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--",
  ];
}

/** Names that glibc's loader ignores in privileged programs (sysdeps/generic/unsecvars.h), and musl's. */
const LOADER =
  /^(LD_.*|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES|LOCALDOMAIN|LOCPATH|MALLOC_.*|MUSL_LOCPATH|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TZDIR)$/;

/**
 * Parts an environment in two: what may be set from the start, and what would steer a helper that still is root.
 * The latter is set, by env(1), only after root was given up.
 */
export function partEnvironment(environment: Readonly<Record<string, string>>): {
  readonly early: readonly (readonly [string, string])[];
  readonly late: readonly string[];
} {
  const entries = Object.entries(environment);
  return {
    early: entries.filter(([name]) => !LOADER.test(name)),
    late: entries.filter(([name]) => LOADER.test(name)).map(([name, value]) => `${name}=${value}`),
  };
}

function systemFolder(path: string): readonly string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
}

/** Folders above a mount point, readable by everybody: bubblewrap alone would make some of them private to root. */
function ancestors(path: string): readonly string[] {
  const above: string[] = [];
  for (let folder = dirname(path); folder !== "/" && folder !== "."; folder = dirname(folder)) above.unshift(folder);
  return above.flatMap((folder) => (isSystem(folder) || folder === "/tmp" ? [] : ["--perms", "0755", "--dir", folder]));
}

/** With a network comes a name service; its settings often are a link into /run, which is not shown. */
function resolverFile(): readonly string[] {
  if (!existsSync("/etc/resolv.conf")) return [];
  const real = realpathSync("/etc/resolv.conf");
  return isSystem(real) ? [] : [...ancestors(real), "--ro-bind", real, real];
}

function checkedWritable(path: string, hidden: readonly string[]): string {
  const problem =
    path === "/" || isSystem(path)
      ? "belongs to the system"
      : hidden.some((folder) => isInside(path, folder))
        ? "is in Maestro's own data directory"
        : existsSync(path)
          ? undefined
          : "does not exist";
  if (problem === undefined) return path;
  throw new TaskFailure({
    code: "INPUT_INVALID",
    final: true,
    message: `The sandbox cannot make ${path} writable: it ${problem}. Write to the attempt's folder, or name a folder that exists and is yours.`,
  });
}

/** Folders of programs: those of PATH and of the command itself, with the libraries that lie beside a `bin`. */
function programFolders(view: View): readonly string[] {
  const folders = [
    ...view.path.split(":").filter((folder) => folder.startsWith("/")),
    ...view.programs.map((file) => dirname(file)),
  ];
  return folders.filter((folder) => !isSystem(folder)).flatMap(installation);
}

function installation(folder: string): readonly string[] {
  // node_modules/.bin is links into the packages beside it.
  if (folder.endsWith("/node_modules/.bin")) return [dirname(folder)];
  if (!folder.endsWith("/bin")) return [folder];
  return [folder, ...["lib", "lib64", "libexec", "include"].map((name) => join(dirname(folder), name))];
}

function homeFolders(home: string): readonly string[] {
  return [
    ...new Set([
      home,
      "/root",
      ...(existsSync("/home") ? readdirSync("/home").map((name) => join("/home", name)) : []),
    ]),
  ].filter((path) => path !== "/" && path !== "");
}

/**
 * A folder as it is, or, where it is or holds a home folder, its parts without what is hidden there: people keep keys,
 * tokens and browser profiles in dotfiles of their home, and all of a neighbour's home is the neighbour's.
 */
function withoutHomeSecrets(path: string, homes: readonly string[]): readonly string[] {
  if (path === "/") return [];
  const isHome = homes.includes(path);
  if (!isHome && !homes.some((home) => isInside(home, path))) return [path];
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => !(isHome && name.startsWith(".")))
    .map((name) => join(path, name))
    .flatMap((child) => (homes.includes(child) ? [] : withoutHomeSecrets(child, homes)));
}

function isSystem(path: string): boolean {
  return SYSTEM.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

/** `path` is `folder` or lies in it. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

/** Without what lies in another of them, the shortest first. */
function outermost(paths: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const path of [...new Set(paths)].sort((a, b) => a.length - b.length)) {
    if (!kept.some((folder) => isInside(path, folder))) kept.push(path);
  }
  return kept;
}
