import { spawn } from "node:child_process";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunnerFixture } from "../../src/runner/contract.ts";
import { openProcessRunner } from "../../src/runner/process.ts";

/** A runner on a data directory of its own, as the engine opens it. */
export async function openRunner(): Promise<RunnerFixture & { readonly dataDir: string }> {
  const dataDir = await realpath(await mkdtemp(join(tmpdir(), "maestro-runner-")));
  const workDir = join(dataDir, "work");
  const runner = await openProcessRunner({ workDir, hostname: "test", hidden: [dataDir] });
  return { runner, dataDir, workDir, close: () => rm(dataDir, { recursive: true, force: true }) };
}

/** An engine that is killed while its command runs, which carries `TEST_ID=id`. */
export async function crash(workDir: string, sandbox: "none" | "strict", id: string): Promise<void> {
  const source = `
    import { openProcessRunner } from ${JSON.stringify(new URL("../../src/runner/process.ts", import.meta.url).href)};
    import { contextFor } from ${JSON.stringify(new URL("../../src/runner/contract.ts", import.meta.url).href)};
    const runner = await openProcessRunner({ workDir: ${JSON.stringify(workDir)}, hostname: "crash" });
    const log = (stream, bytes) => (process.stdout.write(bytes), true);
    await runner.run({ argv: ["sh", "-c", "(setsid sleep 600 &) ; echo ready; sleep 600"], env: { TEST_ID: ${JSON.stringify(id)} } },
      contextFor(${JSON.stringify(join(workDir, "r_crash", id))}, ${JSON.stringify(sandbox)}, { log }));
  `;
  const engine = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => engine.once("exit", resolve));
  for await (const chunk of engine.stdout) if (String(chunk).includes("ready")) break;
  engine.kill("SIGKILL");
  await ended;
}
