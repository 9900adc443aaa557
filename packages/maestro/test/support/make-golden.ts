// Makes the golden data directory of a version: test/golden/data-VERSION-schema-N.tar.gz. It is made once, when a version is
// released, kept for as long as that version's directories are to be opened, and never made anew by a later one.
//   node packages/maestro/test/support/make-golden.ts [PATH OF bin/maestro OF ANOTHER VERSION]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { TAR_END, tarHeader, tarPadding } from "../../src/operations/tar.ts";

const BIN = process.argv[2] ?? fileURLToPath(new URL("../../bin/maestro.cjs", import.meta.url));

const HEAD = "apiVersion: maestro/v1\nkind: Runbook\n";
const SPEC = "  type: demo\n  purposes: [test]\n  budget: { wall: 20000d }\n";

/** One run of each kind that a directory can hold: with a log and an artifact, with a value in a blob, failed, and waiting. */
const RUNBOOKS = {
  kept: `  tasks:
    make: { uses: exec@1, runner: { sandbox: none }, with: { argv: [sh, -c, "echo spoken; echo kept > file"] }, artifacts: [file] }
`,
  large: `  tasks:
    big: { uses: noop@1, with: { value: "\${{ inputs.text }}" } }
  inputs: { text: { type: string } }
`,
  failed: `  tasks:
    fail: { uses: exec@1, runner: { sandbox: none }, with: { argv: [sh, -c, "exit 3"] } }
    after: { uses: noop@1, needs: [fail] }
`,
  signal: `  tasks:
    hold: { uses: wait@1, with: { signal: go } }
    after: { uses: noop@1, needs: [hold], with: { value: "\${{ tasks.hold.output }}" } }
`,
  approval: `  tasks:
    ask: { uses: approval@1, with: { message: "Go on?", notRequester: false, expires: 20000d } }
    after: { uses: noop@1, needs: [ask] }
`,
};

const place = mkdtempSync(join(tmpdir(), "maestro-golden-"));
try {
  const data = join(place, "data");
  for (const [name, body] of Object.entries(RUNBOOKS)) {
    writeFileSync(
      join(place, `${name}.yaml`),
      `${HEAD}metadata: { namespace: golden, name: ${name}, version: 1.0.0 }\nspec:\n${SPEC}${body}`,
    );
    const waits = name === "signal" || name === "approval";
    const inputs = name === "large" ? ["--input", `text=${"large ".repeat(8_000)}`] : [];
    maestro(["run", `${name}.yaml`, waits ? "--detach" : "--wait", ...inputs], name === "failed" ? 1 : 0);
  }
  // A retried run has a history with two ends and two receipts.
  maestro(["retry", "@failed", "--wait"], 1);
  const db = new DatabaseSync(join(data, "maestro.db"), { readOnly: true });
  const schema = Number(db.prepare("pragma user_version").get()?.["user_version"]);
  db.close();
  const version = maestro(["--version"], 0).trim().split(" ").at(-1) ?? "";
  const target = fileURLToPath(new URL(`../golden/data-${version}-schema-${schema}.tar.gz`, import.meta.url));
  writeFileSync(target, gzipSync(pack(data), { level: 9 }), { flag: "wx" });
  console.log(`${target}: ${statSync(target).size} bytes`);
} finally {
  rmSync(place, { recursive: true, force: true });
}

function maestro(args: readonly string[], code: number): string {
  try {
    const out = execFileSync(process.execPath, [BIN, ...args], {
      cwd: place,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "", MAESTRO_DATA: join(place, "data"), HOME: place },
    });
    if (code !== 0) throw new Error(`maestro ${args.join(" ")} was to end with ${code}:\n${out}`);
    return out;
  } catch (error) {
    if (error instanceof Error && "status" in error && error.status === code && code !== 0) return "";
    throw error;
  }
}

function pack(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile() && !/^(?:lock|files)\.|-(?:wal|shm)$|^work\//.test(name))
    .toSorted();
  return Buffer.concat([
    ...files.flatMap((name) => {
      const bytes = readFileSync(join(folder, name));
      return [tarHeader(name, bytes.length, 0), bytes, tarPadding(bytes.length)];
    }),
    TAR_END,
  ]);
}
