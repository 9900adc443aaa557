import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { isJsonObject } from "../core/json.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { breathe, inputPath, task } from "./define.ts";
import { fileExists, parseJson, readJsonFile, unreadable } from "./json-file.ts";
import { TaskFailure } from "./task.ts";
import type { TaskContext, TaskType } from "./task.ts";

interface Input {
  readonly path?: string;
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license: string | null;
  readonly integrity: string | null;
  readonly purl: string;
  readonly dev: boolean;
  readonly optional: boolean;
  readonly path: string;
}

const MAX_LOCK_BYTES = 128 * 1024 * 1024;

export const npmInventory: TaskType = {
  description: {
    name: "npm/inventory",
    version: 1,
    title: "Lists every package of an npm lock file",
    docs: `Reads \`npm-shrinkwrap.json\` or \`package-lock.json\` (lockfileVersion 2 or 3) in the folder \`path\` and lists the packages that it pins. It uses no network and starts no npm.

One entry per name, version and integrity; \`path\` is the first place where it is installed. The project itself and its workspaces are not packages: they are
\`root\` and \`workspaces\`. Where the lock file does not state a licence, the installed \`node_modules/…/package.json\` is asked, if it is there; the old forms (\`licenses: [..]\`, \`{ type }\`) become SPDX expressions.`,
    input: {
      type: "object",
      properties: {
        path: {
          type: "string",
          minLength: 1,
          default: ".",
          description: "Folder with the lock file.",
          examples: ["."],
        },
      },
      additionalProperties: false,
    },
    output: {
      type: "object",
      required: ["root", "workspaces", "packages", "count"],
      properties: {
        root: {
          type: "object",
          description: "The project.",
          properties: {
            name: { type: "string", description: "Its name; the folder's name where it has none." },
            version: { type: ["string", "null"], description: "Its version, if it has one." },
          },
        },
        workspaces: {
          type: "array",
          description: "Folders of the project that the lock file links instead of installing them.",
          items: {
            type: "object",
            properties: {
              name: { type: "string", description: "Name of the workspace." },
              version: { type: ["string", "null"], description: "Its version, if it has one." },
              path: { type: "string", description: "Its folder, relative to the project." },
            },
          },
        },
        packages: {
          type: "array",
          description: "Sorted by name, version and path.",
          items: {
            type: "object",
            required: ["name", "version", "license", "integrity", "purl", "dev", "optional", "path"],
            properties: {
              name: { type: "string", description: "Name of the package, without an alias." },
              version: { type: "string", description: "Version that is pinned." },
              license: { type: ["string", "null"], description: "SPDX expression as the package states it, or null." },
              integrity: {
                type: ["string", "null"],
                description: "Subresource Integrity of its archive; null for git and bundled packages.",
              },
              purl: { type: "string", description: "Package URL." },
              dev: { type: "boolean", description: "Only needed for development." },
              optional: { type: "boolean", description: "The installation goes on without it." },
              path: { type: "string", description: "Where it is installed, relative to the project." },
            },
          },
        },
        count: { type: "integer", description: "How many packages." },
      },
    },
    effects: [],
    runs: "inline",
    example: { path: "." },
  },
  init: (context) => task<Input>({ work: (input) => inventory(inputPath(context, input.path ?? "."), context) }),
};

async function inventory(folder: string, context: TaskContext): Promise<JsonObject> {
  const lock = await readLock(folder);
  const entries = lock["packages"] as JsonObject;
  const root = isJsonObject(entries[""]) ? entries[""] : {};
  const workspaces: JsonObject[] = [];
  const packages = new Map<string, Package>();
  let looked = 0;
  for (const key of Object.keys(entries).sort()) {
    const entry = entries[key];
    // Links point at entries of their own: workspaces and local folders.
    if (key === "" || !isJsonObject(entry) || entry["link"] === true) continue;
    if (!isInstalled(key)) {
      workspaces.push({
        name: text(entry["name"]) ?? basename(key),
        version: text(entry["version"]) ?? null,
        path: key,
      });
      continue;
    }
    const found = await describe(folder, key, entry);
    const identity = `${found.name}\n${found.version}\n${found.integrity}`;
    const same = packages.get(identity);
    // Needed once means needed: it is dev or optional only if it is so everywhere.
    packages.set(
      identity,
      same === undefined
        ? found
        : {
            ...same,
            license: same.license ?? found.license,
            dev: same.dev && found.dev,
            optional: same.optional && found.optional,
          },
    );
    if (++looked % 200 === 0) await breathe(context.signal);
  }
  const sorted = [...packages.values()].sort(
    (a, b) => compare(a.name, b.name) || compare(a.version, b.version) || compare(a.path, b.path),
  );
  return {
    root: {
      name: text(root["name"]) ?? text(lock["name"]) ?? basename(folder),
      version: text(root["version"]) ?? null,
    },
    workspaces,
    packages: sorted as unknown as JsonValue,
    count: sorted.length,
  };
}

async function readLock(folder: string): Promise<JsonObject> {
  // npm gives the shrinkwrap precedence (npm docs, package-lock.json).
  for (const name of ["npm-shrinkwrap.json", "package-lock.json"]) {
    const file = join(folder, name);
    if (!(await fileExists(file))) continue;
    const lock = await readJsonFile(file, MAX_LOCK_BYTES);
    const version = isJsonObject(lock) ? lock["lockfileVersion"] : undefined;
    if (!isJsonObject(lock) || typeof version !== "number")
      throw failure("LOCK_INVALID", `${file} is no lock file of npm: it has no lockfileVersion.`);
    if (version < 2)
      throw failure(
        "LOCK_UNSUPPORTED",
        `${file} has lockfileVersion ${version}, which does not list licences or links. Run \`npm install --package-lock-only\` with npm 7 or newer.`,
      );
    if (!isJsonObject(lock["packages"]))
      throw failure(
        "LOCK_INVALID",
        `${file} has no \`packages\`. Make it anew with \`npm install --package-lock-only\`.`,
      );
    return lock;
  }
  for (const other of ["yarn.lock", "pnpm-lock.yaml", "bun.lock"]) {
    if (await fileExists(join(folder, other)))
      throw failure(
        "NOT_FOUND",
        `${folder} has ${other} but no package-lock.json; this task reads the lock files of npm only.`,
      );
  }
  const advice = (await fileExists(join(folder, "package.json")))
    ? "Make one with `npm install --package-lock-only`."
    : "There is no package.json either: check `path`.";
  throw failure("NOT_FOUND", `${folder} has no package-lock.json. ${advice}`);
}

async function describe(folder: string, key: string, entry: JsonObject): Promise<Package> {
  const name = text(entry["name"]) ?? key.slice(key.lastIndexOf("node_modules/") + "node_modules/".length);
  const version = text(entry["version"]);
  if (version === undefined)
    throw failure(
      "LOCK_INVALID",
      `The lock file states no version for ${key}. Make it anew with \`npm install --package-lock-only\`.`,
    );
  return {
    name,
    version,
    license: licenceOf(entry) ?? (await installedLicence(folder, key)),
    integrity: text(entry["integrity"]) ?? null,
    purl: purlOf(name, version),
    dev: entry["dev"] === true,
    optional: entry["optional"] === true || entry["devOptional"] === true,
    path: key,
  };
}

function isInstalled(key: string): boolean {
  return key.startsWith("node_modules/") || key.includes("/node_modules/");
}

async function installedLicence(folder: string, key: string): Promise<string | null> {
  // The key comes out of a file that anyone may have written.
  if (key.split("/").includes("..")) return null;
  const file = join(folder, key, "package.json");
  if (!(await fileExists(file))) return null;
  const manifest = parseJson(
    await readFile(file).catch((cause: NodeJS.ErrnoException) => Promise.reject(unreadable(file, cause))),
  );
  // A broken manifest states no licence, and license/check says so with the package's name.
  return (manifest.ok && isJsonObject(manifest.value) ? licenceOf(manifest.value) : undefined) ?? null;
}

/** `license` as text, or in the forms that npm gave up in 2014: `{ type }` and a list to choose from. */
function licenceOf(manifest: JsonObject): string | undefined {
  const ids = [manifest["license"] ?? manifest["licenses"] ?? []]
    .flat()
    .flatMap((entry: JsonValue) => text(isJsonObject(entry) ? (entry["type"] ?? entry["name"]) : entry) ?? []);
  return ids.length < 2 ? ids[0] : `(${ids.join(" OR ")})`;
}

/** Package URL of type npm: each part percent-encoded, the `@` of a scope too (purl-spec, npm type). */
function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.split("/").map(encodeURIComponent).join("/")}@${encodeURIComponent(version)}`;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** By code unit, so that the order is the same in every locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function failure(code: string, message: string): TaskFailure {
  return new TaskFailure({ code, message, final: true });
}
