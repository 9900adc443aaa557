import { statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { readConfig, readProject } from "./config-file.ts";
import type { Config } from "./config-file.ts";
import { credentialFor, credentialsPath } from "./credentials.ts";
import type { Credential } from "./credentials.ts";

/** A value, and where it came from: a flag, a variable, a file, or `default`. */
export interface Setting {
  readonly value: string;
  readonly origin: string;
}

/** What a command works on: a data directory of this machine, or a control plane by its URL. */
export type Target =
  | { readonly kind: "data"; readonly context: Setting | undefined; readonly data: Setting }
  | {
      readonly kind: "server";
      readonly context: Setting | undefined;
      readonly server: Setting;
      /** Undefined: none was named. */
      readonly token: TokenSource | undefined;
    };

export type TokenSource =
  | { readonly kind: "file"; readonly file: Setting }
  /** The value itself; it is never printed. */
  | { readonly kind: "value"; readonly variable: string; readonly token: string }
  /** Of the session that `maestro login` began. */
  | { readonly kind: "login"; readonly file: Setting; readonly credential: Credential };

/** What was typed. */
export interface TargetFlags {
  readonly data: string | undefined;
  readonly server: string | undefined;
  readonly tokenFile: string | undefined;
  readonly context: string | undefined;
}

interface Place {
  readonly flags: TargetFlags;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/**
 * The first rule that applies: a flag (`--server`, `--data`, `--context`); a variable (MAESTRO_SERVER, MAESTRO_CONTEXT,
 * MAESTRO_DATA); the project, which is the nearest maestro.yaml of kind Project or .maestro folder here or above that
 * belongs to this user; the current context of the configuration; `$XDG_DATA_HOME/maestro`. Errors: `invalid_request`.
 */
export function findTarget(place: Place): Target {
  const target = byFlag(place) ?? byVariable(place) ?? byProject(place) ?? byCurrent(place);
  if (target === undefined) return onData(defaultDataDir(place.env), "default");
  if (target.kind === "data" && given(place.flags.tokenFile) !== undefined)
    throw unclear("--token-file is for a server, and this command works on a data directory.");
  return target;
}

function byFlag(place: Place): Target | undefined {
  const { flags, cwd } = place;
  const [data, server, context] = [given(flags.data), given(flags.server), given(flags.context)];
  const named = [data, server, context].filter((one) => one !== undefined);
  if (named.length > 1) throw unclear("--data, --server and --context each say where to work; give one of them.");
  if (server !== undefined) return onServer(place, { value: server, origin: "--server" });
  if (context !== undefined) return inContext(place, { value: context, origin: "--context" });
  return data === undefined ? undefined : onData(resolve(cwd, data), "--data");
}

function byVariable(place: Place): Target | undefined {
  const { env, cwd } = place;
  const [server, context, data] = ["MAESTRO_SERVER", "MAESTRO_CONTEXT", "MAESTRO_DATA"].map((name) => given(env[name]));
  if (server !== undefined) return onServer(place, { value: server, origin: "MAESTRO_SERVER" });
  if (context !== undefined) return inContext(place, { value: context, origin: "MAESTRO_CONTEXT" });
  return data === undefined ? undefined : onData(resolve(cwd, data), "MAESTRO_DATA");
}

function byProject(place: Place): Target | undefined {
  for (let folder = place.cwd; ; folder = dirname(folder)) {
    const file = join(folder, "maestro.yaml");
    // A foreign file or folder, say in /tmp, must not choose what we run.
    const project = isOwn(file, "file") ? readProject(file) : undefined;
    if (project?.context !== undefined && project.data !== undefined)
      throw unclear(`${file} names a context and a data directory; it is one of the two.`);
    if (project?.context !== undefined) return inContext(place, { value: project.context, origin: file });
    if (project?.data !== undefined) return onData(resolve(folder, project.data), file);
    const data = join(folder, ".maestro");
    if (isOwn(data, "folder")) return onData(data, "project");
    if (folder === dirname(folder)) return undefined;
  }
}

function byCurrent(place: Place): Target | undefined {
  const { current, path } = readConfig(place.env);
  return current === undefined ? undefined : inContext(place, { value: current, origin: path });
}

function inContext(place: Place, context: Setting): Target {
  const config = readConfig(place.env);
  const found = Object.hasOwn(config.contexts, context.value) ? config.contexts[context.value] : undefined;
  if (found === undefined) {
    const near = suggest(context.value, Object.keys(config.contexts));
    throw new MaestroError(
      "invalid_request",
      `There is no context ${context.value} in ${config.path}, and ${context.origin} names it.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      {
        fix: `Make it with \`maestro config set contexts.${context.value}.server URL\`, or see \`maestro config view\`.`,
      },
    );
  }
  const { server, data } = found;
  const origin = `${config.path}, context ${context.value}`;
  if (data !== undefined) return onData(inHome(place.env, dirname(config.path), data), origin, context);
  if (server === undefined)
    throw unclear(`Context ${context.value} in ${config.path} has neither a server nor a data directory.`);
  return onServer(place, { value: server, origin }, context);
}

function onData(path: string, origin: string, context?: Setting): Target {
  return { kind: "data", context, data: { value: path, origin } };
}

function onServer(place: Place, server: Setting, context?: Setting): Target {
  const url = URL.parse(server.value);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "" || url.hash !== "")
    throw unclear(
      `${server.origin} names the server ${JSON.stringify(server.value)}, which is not a URL such as http://127.0.0.1:7717.`,
    );
  const value = url.href.replace(/\/$/, "");
  return { kind: "server", context, server: { value, origin: server.origin }, token: tokenFor(place, value) };
}

/** By flag, by variable, of the context whose server this is, or of a login there: a token never goes to a server that it was not given for. */
function tokenFor({ flags, env, cwd }: Place, url: string): TokenSource | undefined {
  const fromFile = (value: string, origin: string): TokenSource => ({ kind: "file", file: { value, origin } });
  const flag = given(flags.tokenFile);
  if (flag !== undefined) return fromFile(inHome(env, cwd, flag), "--token-file");
  const token = given(env["MAESTRO_TOKEN"]);
  if (token !== undefined) return { kind: "value", variable: "MAESTRO_TOKEN", token };
  const file = given(env["MAESTRO_TOKEN_FILE"]);
  if (file !== undefined) return fromFile(inHome(env, cwd, file), "MAESTRO_TOKEN_FILE");
  const config: Config = readConfig(env);
  for (const [name, context] of Object.entries(config.contexts)) {
    if (context.tokenFile === undefined || URL.parse(context.server ?? "")?.href.replace(/\/$/, "") !== url) continue;
    return fromFile(inHome(env, dirname(config.path), context.tokenFile), `${config.path}, context ${name}`);
  }
  const credential = credentialFor(env, url);
  if (credential === undefined) return undefined;
  return { kind: "login", file: { value: credentialsPath(env), origin: "maestro login" }, credential };
}

function defaultDataDir(env: NodeJS.ProcessEnv): string {
  const xdg = env["XDG_DATA_HOME"];
  // XDG Base Directory Specification: a relative path is invalid and ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] ?? homedir(), ".local", "share");
  return join(base, "maestro");
}

function inHome(env: NodeJS.ProcessEnv, base: string, path: string): string {
  return path.startsWith("~/") ? join(env["HOME"] ?? homedir(), path.slice(2)) : resolve(base, path);
}

function isOwn(path: string, kind: "file" | "folder"): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  const fits = kind === "file" ? stat?.isFile() === true : stat?.isDirectory() === true;
  return fits && (process.getuid === undefined || stat?.uid === process.getuid());
}

/** Empty is as good as absent: a variable is often unset that way. */
function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function unclear(detail: string): MaestroError {
  return new MaestroError("invalid_request", detail, {
    fix: "See `maestro config view --origin` and docs/reference/configuration.md.",
  });
}
