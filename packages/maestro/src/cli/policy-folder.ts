import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { CANDIDATE_FILE } from "../policy/candidate.ts";
import type { CandidateFile } from "../policy/candidate.ts";
import { MaestroError } from "../core/problem.ts";
import type { Cli } from "./cli.ts";

/** The files of a policy that is not in force. Errors: `invalid_request` where there is none in the folder. */
export async function readPolicyFiles(cli: Cli, folder: string): Promise<readonly CandidateFile[]> {
  const path = resolve(cli.cwd, folder);
  const names = (await listed(path)).filter((name) => CANDIDATE_FILE.test(name)).toSorted();
  if (!names.some((name) => name.endsWith(".cedar") || name === "policy.wasm"))
    throw new MaestroError("invalid_request", `There is no policy in ${relative(cli.cwd, path) || "."}.`, {
      fix: "It holds *.cedar files with schema.cedarschema, or policy.wasm with data.json (`opa build -t wasm -e maestro/authz/decision`). `maestro policy init` writes the default one.",
    });
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(path, name)) })));
}

/** Nothing where there is no folder: then there is no policy in it either. */
async function listed(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** As the API takes them. */
export function asBody(files: readonly CandidateFile[]): readonly object[] {
  return files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString("base64") }));
}
