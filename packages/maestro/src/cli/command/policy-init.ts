import { cp, lstat, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { API_VERSION } from "../../api/respond.ts";
import { MaestroError } from "../../core/problem.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";

/** The default policy as it comes with Maestro. */
const SHIPPED = fileURLToPath(new URL("../../../policies/default/", import.meta.url));

const LANGUAGES = {
  cedar: {
    files: ["cedar/default.cedar", "cedar/schema.cedarschema"],
    settings: "evaluator:\n  cedar: { folder: policy }\n",
  },
  rego: {
    files: ["rego/authz.rego", "rego/data.json", "rego/policy.wasm"],
    settings:
      "evaluator:\n  wasm: { file: policy/policy.wasm, entrypoint: maestro/authz/decision, data: policy/data.json }\n",
  },
} as const;

/** Nothing that is there is touched. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const language = input.choice("in", Object.keys(LANGUAGES)) === "rego" ? "rego" : "cedar";
  const { files, settings } = LANGUAGES[language];
  const [folder, settingsFile] = [join(cli.dataDir, "policy"), join(cli.dataDir, "policy.yaml")];
  for (const path of [folder, settingsFile])
    if (await isThere(path))
      throw new MaestroError("conflict", `${path} is there already; nothing was written.`, {
        facts: { path },
        fix: "Edit it, or move it away first.",
      });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const written: string[] = [];
  for (const name of [...files, "cases.yaml"]) {
    const path = join(folder, name.slice(name.indexOf("/") + 1));
    await cp(join(SHIPPED, name), path, { errorOnExist: true, force: false });
    written.push(path);
  }
  // Last: from here on it is the policy of the next engine.
  await writeFile(settingsFile, settings, { flag: "wx", mode: 0o600 });
  written.push(settingsFile);
  if (isData(cli)) await printObject(cli, { apiVersion: API_VERSION, kind: "PolicyFiles", files: written });
  else await printLines(cli, written);
  cli.terminal.say("It decides as before until you edit it. An engine that is up goes on with the policy that it has.");
  return 0;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
