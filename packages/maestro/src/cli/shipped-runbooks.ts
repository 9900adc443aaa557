import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isJsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { suggest } from "../core/suggest.ts";
import { MANIFEST_NAME } from "../manifest/file-name.ts";
import { readSource } from "../manifest/source.ts";

/** A runbook that comes with Maestro, in a folder of its own. */
export interface ShippedRunbook {
  readonly name: string;
  readonly description: string;
  /** The manifest that one starts with, in the folder. */
  readonly manifest: string;
  /** Its files, in the folder, with slashes. Tests stay where they are: they run in the repository only. */
  readonly files: readonly string[];
  /** Absolute. */
  readonly folder: string;
}

const CATALOG = fileURLToPath(new URL("../../../../catalog/", import.meta.url));
const MAX_FILES = 1000;

/** By name. Errors: `not_found` where this installation has none. */
export async function shippedRunbooks(): Promise<readonly ShippedRunbook[]> {
  const found: ShippedRunbook[] = [];
  for (const name of await folders()) {
    const folder = join(CATALOG, name);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !entry.name.endsWith(".test.ts"))
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(folder.length + 1)
          .replaceAll("\\", "/"),
      )
      .toSorted()
      .slice(0, MAX_FILES);
    const manifests = files.filter((file) => MANIFEST_NAME.test(file));
    const manifest = manifests.find((file) => file === `${name}.maestro.yaml`) ?? manifests[0];
    if (manifest === undefined) continue;
    found.push({ name, description: await descriptionOf(join(folder, manifest)), manifest, files, folder });
  }
  return found;
}

/** Errors: `not_found`. */
export async function shippedRunbook(name: string): Promise<ShippedRunbook> {
  const all = await shippedRunbooks();
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = all.map((one) => one.name);
  const near = suggest(name, names);
  throw new MaestroError(
    "not_found",
    `No runbook called ${JSON.stringify(name)} comes with Maestro.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    { fix: "List them: `maestro init --list`." },
  );
}

/**
 * A page or manifest as it is right in a copy: in the catalog paths start at the root of the repository, in a copy at its
 * own folder, and pages of the repository are not there.
 */
export function asCopied(text: string, { name }: Pick<ShippedRunbook, "name">): string {
  return text
    .replaceAll(`catalog/${name}/`, "")
    .replaceAll(`catalog/${name}`, ".")
    .replaceAll(/\[([^\]]*)\]\((?:\.\.\/)+([^)]*)\)/g, "$1: `$2` of Maestro's repository");
}

async function folders(): Promise<readonly string[]> {
  try {
    const entries = await readdir(CATALOG, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .toSorted();
  } catch (error) {
    throw new MaestroError("not_found", `The runbooks that come with Maestro are not at ${CATALOG}.`, {
      cause: error,
      fix: "Take them from the repository, or start with `maestro init`.",
    });
  }
}

async function descriptionOf(path: string): Promise<string> {
  const { value } = readSource(await readFile(path));
  const metadata = isJsonObject(value) ? value["metadata"] : undefined;
  const description = isJsonObject(metadata) ? metadata["description"] : undefined;
  return typeof description === "string" ? description : "";
}
