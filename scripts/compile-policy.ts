// Compiles the Rego of the default policy to WebAssembly and writes SHA256SUMS beside it: after every change to authz.rego. A
// test compares both with what is committed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256 } from "../packages/maestro/src/core/digest.ts";

const folder = fileURLToPath(new URL("../packages/maestro/policies/default/", import.meta.url));
const rego = join(folder, "rego");
const dir = mkdtempSync(join(tmpdir(), "maestro-compile-"));
try {
  const opa = run(process.execPath, [fileURLToPath(new URL("opa.mjs", import.meta.url))], dir).trim();
  run(opa, ["fmt", "-w", "authz.rego"], rego);
  run(opa, ["check", "--strict", "authz.rego"], rego);
  const bundle = join(dir, "bundle.tar.gz");
  // From the folder, so that the file has the same name in it everywhere.
  run(opa, ["build", "-t", "wasm", "-e", "maestro/authz/decision", "-o", bundle, "authz.rego"], rego);
  run("tar", ["-xzf", bundle, "/policy.wasm"], dir);
  writeFileSync(join(rego, "policy.wasm"), readFileSync(join(dir, "policy.wasm")));
  const sums = ["rego/authz.rego", "rego/policy.wasm"].map(
    (path) => `${sha256(readFileSync(join(folder, path))).slice("sha256:".length)}  ${path}\n`,
  );
  writeFileSync(join(folder, "SHA256SUMS"), sums.join(""));
} finally {
  rmSync(dir, { recursive: true });
}

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout } = spawnSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`);
  return stdout;
}
