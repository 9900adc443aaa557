import { mkdir, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize } from "node:path";
import { MaestroError } from "../core/problem.ts";
import type { TaskContext } from "../task/task.ts";

/** Writes the files that a fake leaves into the attempt's folder and has them kept. */
export async function leaveArtifacts(context: TaskContext, artifacts: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(artifacts)) {
    const path = await writeInside(context.dir(), name, text);
    context.emit({ kind: "artifact", name, path });
  }
}

/** A file below `dir`. Errors: `invalid_test` for a path that leads out of it. */
export async function writeInside(dir: string, name: string, text: string): Promise<string> {
  const inside = normalize(name);
  if (isAbsolute(inside) || inside === "." || inside.startsWith(".."))
    throw new MaestroError("invalid_test", `${JSON.stringify(name)} is no path below the folder of the test`);
  const path = join(dir, inside);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}
