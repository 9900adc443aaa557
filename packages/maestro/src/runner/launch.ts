import { chmodSync, existsSync, lchownSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { environmentOf, findProgram, programFiles, type Tools } from "./environment.ts";
import { prlimitArguments, withDefaults } from "./limits.ts";
import type { Command, CommandContext } from "./runner.ts";
import { TOKEN_SOCKET } from "../identity/token-socket.ts";
import { dropArguments, NOBODY, partEnvironment, TOKEN_FOLDER, viewArguments, wallArguments } from "./sandbox.ts";
import { MARKER } from "./tree.ts";

/** A child process as it is to be spawned. */
export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What bubblewrap reads from descriptors 3 and 4: its secret arguments and the filter. It reports on 5. */
  readonly sandbox?: { readonly args: Buffer; readonly filter: Buffer | undefined };
  /** Removed when the command has ended. */
  readonly temporary?: string;
}

export interface LaunchRequest {
  readonly command: Command;
  readonly context: Pick<CommandContext, "dir" | "limits" | "readable" | "lent" | "tokens">;
  readonly tools: Tools;
  readonly backend: "bubblewrap" | "none";
  /** The command runs as the engine's own user sees the world: its HOME stays. */
  readonly ownHome: boolean;
  readonly filter: Buffer | undefined;
  readonly workDir: string;
  readonly hidden: readonly string[];
  readonly home: string;
  readonly marker: string;
  readonly othersThreads: number;
}

/** Descriptors of the child that bubblewrap reads and writes. */
export const ARGS_FD = 3;
export const FILTER_FD = 4;
export const STATUS_FD = 5;

/** Makes the attempt's folder and says how the command is started. Errors: TaskFailure COMMAND_NOT_FOUND, INPUT_INVALID, ISOLATION. */
export function launchOf(request: LaunchRequest): Launch {
  mkdirSync(request.context.dir, { recursive: true, mode: 0o700 });
  return request.backend === "bubblewrap" ? sandboxed(request) : plain(request);
}

function plain(request: LaunchRequest): Launch {
  const { command, context, tools, marker } = request;
  const temporary = `${context.dir}.tmp`;
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  const cwd = command.cwd ?? context.dir;
  const home = request.ownHome ? request.home : context.dir;
  const tokenSocket = context.tokens === undefined ? undefined : join(context.tokens, TOKEN_SOCKET);
  const env = environmentOf({ command, home, temporary, marker, tokenSocket });
  findProgram(command, cwd, env);
  const argv = [
    // The child dies with the engine; what it started itself is found by its marker when the next engine starts.
    ...(tools.setpriv === undefined ? [] : [tools.setpriv, "--pdeathsig", "KILL", "--"]),
    ...limiter(request),
    ...command.argv,
  ];
  return { file: argv[0] ?? "", args: argv.slice(1), cwd, env, temporary };
}

function sandboxed(request: LaunchRequest): Launch {
  const { command, context, tools } = request;
  const root = process.getuid?.() === 0;
  const runDir = runFolder(request.workDir, context.dir);
  if (root) giveToNobody(context.dir, runDir);
  const lent = (context.lent ?? []).filter((path) => dirname(path) === request.workDir && existsSync(path));
  // Nobody needs a way through them, too.
  if (root) for (const path of lent) chmodSync(path, 0o755);
  const cwd = command.cwd ?? context.dir;
  const network = command.network === true;
  if (root && context.tokens !== undefined) giveAway(context.tokens);
  const environment = environmentOf({
    command,
    home: context.dir,
    temporary: "/tmp",
    marker: request.marker,
    tokenSocket: context.tokens === undefined ? undefined : join(TOKEN_FOLDER, TOKEN_SOCKET),
  });
  const program = findProgram(command, cwd, environment);
  const { early, late } = root ? partEnvironment(environment) : { early: Object.entries(environment), late: [] };
  const view = viewArguments({
    readable: [...(context.readable ?? []), cwd],
    programs: programFiles(program),
    path: environment["PATH"] ?? "",
    writable: command.writable ?? [],
    hidden: [...request.hidden, request.workDir],
    runDir,
    lent,
    dir: context.dir,
    tokens: context.tokens,
    network,
    home: request.home,
  });
  // By descriptor, since every user of the machine can read arguments, and since bubblewrap itself, which may run as root, must not start in an environment that a task chose.
  const args = Buffer.from(
    ["--clearenv", ...early.flatMap(([name, value]) => ["--setenv", name, value])].map((part) => `${part}\0`).join(""),
  );
  return {
    file: tools.bwrap ?? "bwrap",
    args: [
      ...wallArguments({ network, root }),
      ...view,
      "--args",
      String(ARGS_FD),
      ...(request.filter === undefined ? [] : ["--seccomp", String(FILTER_FD)]),
      "--json-status-fd",
      String(STATUS_FD),
      "--chdir",
      cwd,
      "--",
      ...(root && tools.setpriv !== undefined ? dropArguments(tools.setpriv) : []),
      ...limiter(request),
      ...(late.length > 0 ? [tools.env ?? "env", ...late] : []),
      ...command.argv,
    ],
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", [MARKER]: request.marker },
    sandbox: { args, filter: request.filter },
  };
}

function limiter({ tools, context, othersThreads }: LaunchRequest): readonly string[] {
  return tools.prlimit === undefined
    ? []
    : [tools.prlimit, ...prlimitArguments(withDefaults(context.limits), othersThreads), "--"];
}

/** The folder of the run an attempt belongs to: the first one below the work folder. */
function runFolder(workDir: string, dir: string): string {
  const [first = ""] = relative(workDir, dir).split(sep);
  return first === "" || first === ".." ? dir : join(workDir, first);
}

/**
 * Root's commands run as nobody, who needs the attempt's folder for its own and a way through the run's. Both lie in
 * the work folder, which only root may enter.
 */
function giveToNobody(dir: string, runDir: string): void {
  chmodSync(runDir, 0o755);
  chmodSync(dir, 0o755);
  giveAway(dir);
}

function giveAway(path: string): void {
  const found = lstatSync(path);
  // Only what the engine itself put there, and never a file that has another name elsewhere.
  if (found.uid === NOBODY && !found.isDirectory()) return;
  if (found.isFile() && found.nlink > 1) return;
  if (found.uid !== NOBODY) lchownSync(path, NOBODY, NOBODY);
  if (found.isDirectory()) for (const name of readdirSync(path)) giveAway(join(path, name));
}
