import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

// The runbook for real: this repository, its lock file, npm, a data directory and the command.

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BIN = join(ROOT, "packages/maestro/bin/maestro.cjs");
const RUNBOOK = join(ROOT, "catalog/release-evidence/release-evidence.maestro.yaml");
const PURPOSE = ["--purpose", "release", "--authority", "TEST-1"];

interface Run {
  readonly run: { readonly id: string; readonly status: string };
  readonly outputs: Readonly<Record<string, string | number>>;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly tasks: readonly { readonly id: string; readonly status: string }[];
}

interface LockEntry {
  readonly version?: string;
  readonly link?: boolean;
  readonly integrity?: string;
}

describe("release-evidence", () => {
  const place = mkdtempSync(join(tmpdir(), "maestro-release-"));
  after(() => rmSync(place, { recursive: true, force: true }));

  it("proves the release of this repository, and its receipt verifies against the packs", () => {
    const run = runOf(maestro(ROOT, ["run", RUNBOOK, ...PURPOSE, "--wait", "-o", "json"], 0));
    const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
      readonly packages: Readonly<Record<string, LockEntry>>;
    };
    // One version of a package may be installed in several places; it is one package.
    const installed = new Map(
      Object.entries(packages).flatMap(([path, entry]) =>
        path.includes("node_modules/") && entry.link !== true
          ? [[`${path.split("node_modules/").at(-1)}@${entry.version}`, entry]]
          : [],
      ),
    );
    const pinned = [...installed.values()].filter(({ integrity }) => integrity !== undefined);
    assert.deepEqual([run.outputs["packages"], run.outputs["checked"]], [installed.size, pinned.length]);
    assert.match(String(run.outputs["summary"]), /^succeeded: \d+ licences allowed, 0 refused, packs equal$/);

    maestro(ROOT, ["show", run.run.id, "--artifacts", "--save", join(place, "out")], 0);
    const packs = [0, 1].map((item) => join(place, `out/pack[${item}]/summit-maestro-0.1.0.tgz`));
    const [first = "", second = ""] = packs.map((path) => sha256(readFileSync(path)));
    assert.deepEqual([first, second], [run.outputs["digest"], run.outputs["digest"]]);

    maestro(ROOT, ["receipt", "export", run.run.id, "--to", join(place, "evidence")], 0);
    const evidence = ["plan.json", "events.jsonl", "trust-root.json"].flatMap((file) => [
      `--${file.replace(/\..*$/, "")}`,
      join(place, "evidence", file),
    ]);
    const verify = ["verify", join(place, "evidence/receipt.json"), ...evidence, "--status", "succeeded", "--subject"];
    maestro(place, [...verify, packs[0] ?? ""], 0);
    const other = join(place, "other.tgz");
    writeFileSync(other, "another file");
    maestro(place, [...verify, other], 7);
  });

  it("fails, compares nothing and says which package, where a licence is not allowed", () => {
    const args = ["run", RUNBOOK, ...PURPOSE, "--wait", "-o", "json", "-i", 'licences=["MIT"]', "-i", "exceptions={}"];
    const run = runOf(maestro(ROOT, args, 1));
    assert.equal(run.error?.code, "LICENSE");
    assert.match(
      run.error.message,
      /@bufbuild\/cel@[\d.]+ is under Apache-2\.0, which is not allowed \(allowed: MIT\)/,
    );
    assert.deepEqual(statusOf(run, "compare", "summary"), ["skipped", "succeeded"]);
  });

  it("fails where the lock file has no digest for something that ships", () => {
    const lock = {
      name: "shop",
      version: "1.0.0",
      lockfileVersion: 3,
      packages: { "": { name: "shop" }, "node_modules/left-pad": { version: "1.3.0", license: "MIT" } },
    };
    // Beside the data directory: npm would pack that too, while the engine writes it.
    const shop = join(place, "shop");
    mkdirSync(shop);
    writeFileSync(join(shop, "package-lock.json"), JSON.stringify(lock));
    writeFileSync(join(shop, "package.json"), JSON.stringify({ name: "shop", version: "1.0.0" }));
    // In the sandbox of a root engine npm is nobody, and reads what everybody may read.
    chmodSync(place, 0o755);
    const run = runOf(maestro(shop, ["run", RUNBOOK, ...PURPOSE, "--wait", "-o", "json", "-i", "package=."], 1));
    assert.equal(run.error?.code, "SCHEMA");
    assert.deepEqual(statusOf(run, "pinned", "pack", "compare", "summary"), [
      "failed",
      "succeeded",
      "skipped",
      "succeeded",
    ]);
  });

  function maestro(cwd: string, args: readonly string[], code: number): string {
    const env = { ...process.env, MAESTRO_DATA: join(place, "data") };
    const ended = spawnSync(process.execPath, [BIN, ...args], { cwd, env, encoding: "utf8" });
    assert.equal(ended.status, code, `maestro ${args.join(" ")}\n${ended.stdout}\n${ended.stderr}`);
    return ended.stdout;
  }
});

function runOf(text: string): Run {
  return JSON.parse(text) as Run;
}

function statusOf(run: Run, ...ids: readonly string[]): readonly (string | undefined)[] {
  return ids.map((id) => run.tasks.find((task) => task.id === id)?.status);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
