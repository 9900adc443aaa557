import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import type Yaml from "yaml";
import { optional, readObject, text } from "../api/field.ts";
import type { Read, Shape } from "../api/field.ts";
import { isJsonObject } from "../core/json.ts";
import type { JsonValue } from "../core/json.ts";
import { MaestroError, messageOf } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { isProject } from "../manifest/project.ts";

const NAME = "^[a-z0-9][a-z0-9_-]{0,62}$";

export const CONFIG_LIMITS = { contexts: 100, bytes: 256 * 1024 } as const;

/** One context: a server, or a data directory. */
export const CONTEXT_SHAPE = {
  server: optional(
    text("URL of a control plane, such as http://127.0.0.1:7717.", { max: 2000, pattern: "^https?://[^\\s/]+" }),
  ),
  tokenFile: optional(
    text("File with that server's token. Relative to the configuration file; ~/ is the home folder.", { max: 4096 }),
  ),
  data: optional(
    text("A data directory in place of a server. Relative to the configuration file; ~/ is the home folder.", {
      max: 4096,
    }),
  ),
} as const satisfies Shape;

/** A project says where its runs live; never a server or a token, because whoever writes a repository must not choose where a token goes. */
export const PROJECT_SHAPE = {
  apiVersion: text("`maestro/v1`.", { max: 20, pattern: "^maestro/v1$" }),
  kind: text("`Project`; a maestro.yaml of another kind is a manifest.", { max: 20, pattern: "^Project$" }),
  data: optional(text("The data directory. Relative to the file.", { max: 4096 })),
  context: optional(text("Name of a context of the user's own configuration.", { max: 63, pattern: NAME })),
} as const satisfies Shape;

export type Context = Read<typeof CONTEXT_SHAPE>;
export type Project = Read<typeof PROJECT_SHAPE>;

export interface Config {
  readonly path: string;
  readonly current: string | undefined;
  readonly contexts: Readonly<Record<string, Context>>;
}

/** `$XDG_CONFIG_HOME/maestro/config.yaml`, by default in `~/.config`. */
export function configPath(env: NodeJS.ProcessEnv): string {
  const xdg = env["XDG_CONFIG_HOME"];
  // XDG Base Directory Specification: a relative path is invalid and ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] ?? homedir(), ".config");
  return join(base, "maestro", "config.yaml");
}

/** The user's configuration; an empty one where there is no file. Errors: `invalid_request` with everything that is wrong. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const path = configPath(env);
  const value = readYaml(path) ?? {};
  if (!isJsonObject(value)) throw wrong(path, "it must be an object with `current` and `contexts`");
  for (const name of Object.keys(value)) {
    if (name === "current" || name === "contexts") continue;
    const near = suggest(name, ["current", "contexts"]);
    throw wrong(path, `${name} is not known here${near === undefined ? "" : `; did you mean ${near}?`}`);
  }
  const { current, contexts = {} } = value;
  if (current !== undefined && typeof current !== "string") throw wrong(path, "current must be a context's name");
  if (!isJsonObject(contexts)) throw wrong(path, "contexts must be an object of contexts by name");
  if (Object.keys(contexts).length > CONFIG_LIMITS.contexts)
    throw wrong(path, `there are more than ${CONFIG_LIMITS.contexts} contexts`);
  return {
    path,
    current,
    contexts: Object.fromEntries(Object.entries(contexts).map(([name, one]) => [name, readContext(path, name, one)])),
  };
}

export function readContext(path: string, name: string, value: JsonValue): Context {
  if (!new RegExp(NAME).test(name))
    throw wrong(path, `${JSON.stringify(name)} is no name for a context: small letters, digits, - and _`);
  const context = readObject(CONTEXT_SHAPE, value, `${path}, context ${name}`);
  if (context.server !== undefined && context.data !== undefined)
    throw wrong(path, `context ${name} has a server and a data directory; it is one of the two`);
  if (context.tokenFile !== undefined && context.server === undefined)
    throw wrong(path, `context ${name} has a tokenFile and no server`);
  return context;
}

/** The project's settings where this file is one's; undefined where it is a manifest or there is none. */
export function readProject(path: string): Project | undefined {
  let head: string;
  try {
    head = readFileSync(path, "utf8");
  } catch (error) {
    // What cannot be read chooses nothing.
    if (error instanceof Error) return undefined;
    throw error;
  }
  if (!isProject(head)) return undefined;
  return readObject(PROJECT_SHAPE, readYaml(path) ?? {}, path);
}

/** Changes one key and keeps the rest as it stands, comments included; an empty value takes it out. */
export async function changeConfig(path: string, keys: readonly string[], value: string): Promise<void> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(readText(path) ?? "");
  if (value === "") document.deleteIn(keys);
  else document.setIn(keys, value);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const own = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(own, document.toString(), { mode: 0o600, flag: "wx" });
  await rename(own, path);
}

function readYaml(path: string): JsonValue | undefined {
  const text = readText(path);
  if (text === undefined || text.trim() === "") return undefined;
  // Loaded only where there is a file: most commands start without one.
  const { parse } = createRequire(import.meta.url)("yaml") as typeof Yaml;
  try {
    return parse(text, { maxAliasCount: 0, stringKeys: true }) as JsonValue;
  } catch (error) {
    throw wrong(path, `it is not YAML: ${messageOf(error)}`);
  }
}

function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    if (Buffer.byteLength(text) > CONFIG_LIMITS.bytes)
      throw wrong(path, `it is larger than ${CONFIG_LIMITS.bytes} bytes`);
    return text;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error instanceof MaestroError ? error : wrong(path, messageOf(error));
  }
}

function wrong(path: string, what: string): MaestroError {
  return new MaestroError("invalid_request", `The configuration ${path} cannot be used: ${what}.`, {
    fix: "Mend the file; docs/reference/configuration.md lists what it may hold.",
  });
}
