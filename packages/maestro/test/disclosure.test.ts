import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { REFUND } from "./support/disclosing.ts";
import { Place } from "./support/maestro.ts";
import type { Ended } from "./support/maestro.ts";
import { need } from "./support/need.ts";

// Packages as people make and check them: by commands, on other machines, at other times.

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const TO = ["--recipient", "Auditor Ltd", "--purpose", "yearly audit", "--authority", "contract 17"];
const HIDE = ["--redact", "/inputs/email"];

interface Report {
  readonly verified: boolean;
  readonly verdict: string;
  readonly digest: string;
  readonly checks: readonly { readonly id: string; readonly status: string; readonly detail: string }[];
  readonly claims: Readonly<Record<string, unknown>> | null;
}

describe("maestro receipt disclose", () => {
  let place: Place;
  let run = "";
  before(async () => {
    place = await Place.make({ "refund.maestro.yaml": REFUND });
    const { out, err } = await place.run([
      "run",
      "refund.maestro.yaml",
      "-i",
      "email=ada@example.org",
      "-i",
      "note=ümläut",
    ]);
    run = out.split("\t")[0] ?? "";
    assert.match(run, /^r_/, err);
    const trust = join(place.dir, "data/keys/trust-root.json");
    writeFileSync(join(place.dir, "trust-root.json"), readFileSync(trust));
  });
  after(async () => place.remove());

  const verify = async (...args: readonly string[]): Promise<Ended> =>
    place.run(["verify", ...args, "--trust-root", "trust-root.json"], {
      env: { MAESTRO_DATA: join(place.dir, "nowhere") },
    });
  it("writes a package that verifies on another machine, with words and numbers for both", async () => {
    const made = await place.run(["receipt", "disclose", run, ...TO, ...HIDE, "--artifacts", "--out", "package"]);
    assert.equal(made.code, 0, made.err);
    assert.match(made.out, /^sha256:\w{64} {2}package\n$/);
    assert.match(
      made.err,
      /note: \d+ values were redacted\. The receipts carry digests of inputs and outputs without a salt/,
    );
    assert.match(made.err, /next +maestro verify package --trust-root trust-root\.json/);
    const checked = await verify("package");
    assert.equal(checked.code, 0, checked.out);
    assert.match(checked.out, /^recipient: Auditor Ltd$/m);
    assert.match(checked.out, /^run: r_\w+ succeeded, shop\/refund@1\.0\.0$/m);
    assert.match(checked.out, /^Verified: 16 checks passed; not checked: witnesses, revealed\.$/m);
    const report = JSON.parse((await verify("package", "-o", "json")).out) as Report;
    assert.deepEqual([report.verified, report.digest], [true, made.out.split(" ")[0]]);
    assert.deepEqual(report.claims?.["runs"], [{ run, workflow: "shop/refund@1.0.0", status: "succeeded" }]);
    for (const name of readdirSync(join(place.dir, "package"), { recursive: true, encoding: "utf8" })) {
      const at = join(place.dir, "package", name);
      if (statSync(at).isFile()) assert.ok(!readFileSync(at).includes("ada@example.org"), name);
    }
    assert.equal((await verify("package", "-o", "name")).out, `${report.digest}\n`);
  });

  it("verifies without a network and without a data directory", need("bwrap"), async () => {
    await place.run(["receipt", "disclose", run, ...TO, "--redact", "inputs", "--out", "hidden.tar"]);
    const read = [
      "/usr",
      "/bin",
      "/lib",
      "/lib64",
      "/etc",
      ROOT,
      realpathSync(join(ROOT, "node_modules")),
      dirname(process.execPath),
      place.dir,
    ].filter((path) => existsSync(path));
    const { status, stdout, stderr } = spawnSync(
      "bwrap",
      [
        "--unshare-net",
        "--die-with-parent",
        ...[...new Set(read)].flatMap((path) => ["--ro-bind", path, path]),
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--chdir",
        place.dir,
        "--clearenv",
        "--setenv",
        "PATH",
        "/usr/bin:/bin",

        process.execPath,
        join(ROOT, "packages/maestro/bin/maestro.cjs"),
        "verify",
        "package",
        "hidden.tar",
        "--trust-root",
        "trust-root.json",
        "-o",
        "json",
      ],
      { encoding: "utf8" },
    );
    assert.equal(status, 0, stderr);
    const { receipts } = JSON.parse(stdout) as { readonly receipts: readonly Report[] };
    assert.deepEqual(
      receipts.map(({ verified }) => verified),
      [true, true],
    );
  });

  it("reveals one value of several, and proves it", async () => {
    const made = await place.run([
      "receipt",
      "disclose",
      run,
      ...TO,
      "--redact",
      "inputs",
      "--out",
      "hidden",
      "--salts",
      "salts.json",
    ]);
    assert.equal(made.code, 0, made.err);
    assert.equal(statSync(join(place.dir, "salts.json")).mode & 0o777, 0o600);
    const again = await place.run([
      "receipt",
      "disclose",
      run,
      ...TO,
      "--redact",
      "inputs",
      "--out",
      "again",
      "--salts",
      "salts.json",
    ]);
    assert.deepEqual([again.code, /salts\.json is there already/.test(again.err)], [6, true], again.err);
    const listed = await place.run(["receipt", "reveal", "salts.json", "-o", "name"]);
    assert.match(listed.out, /run\.json#\/inputs\/email$/m);
    assert.ok(!listed.out.includes("ada@"));
    const one = await place.run([
      "receipt",
      "reveal",
      "salts.json",
      "--field",
      `evidence/${run}/run.json#/inputs/email`,
      "--out",
      "email.json",
    ]);
    assert.equal(one.code, 0, one.err);
    assert.match(one.err, /wrote 1 of \d+ values to email\.json/);
    assert.ok(!readFileSync(join(place.dir, "email.json"), "utf8").includes("ümläut"));
    const proved = await verify("hidden", "--salts", "email.json");
    assert.equal(proved.code, 0, proved.out);
    assert.match(proved.out, /^revealed: evidence\/r_\w+\/run\.json#\/inputs\/email = "ada@example\.org"$/m);
    const all = JSON.parse((await verify("hidden", "--salts", "salts.json", "-o", "json")).out) as Report;
    assert.match(all.checks.find(({ id }) => id === "evidence")?.detail ?? "", /^all \d+ events by their chain$/);
    const forged = readFileSync(join(place.dir, "email.json"), "utf8").replace("ada@", "eve@");
    writeFileSync(join(place.dir, "forged.json"), forged);
    const refused = await verify("hidden", "--salts", "forged.json");
    assert.equal(refused.code, 7);
    assert.match(
      refused.out,
      /^Failed: revealed: the value given for \/inputs\/email in \S+ is not the one that was redacted\.$/m,
    );
    const other = await verify("package", "--salts", "email.json");
    assert.equal(other.code, 2);
    assert.match(other.err, /The salts are those of package sha256:/);
    const typo = await place.run(["receipt", "reveal", "salts.json", "--field", "/inputs/emial"]);
    assert.equal(typo.code, 5);
    assert.match(typo.err, /Nothing was redacted at \/inputs\/emial\. Did you mean \/inputs\/email\?/);
  });

  it("has exit codes that tell one trouble from another, and writes nothing where there is some", async () => {
    const changed = readFileSync(join(place.dir, "package/checkpoint"), "utf8").replace("\n", "x\n");
    writeFileSync(join(place.dir, "package/checkpoint"), changed);
    const tampered = await verify("package");
    assert.equal(tampered.code, 7);
    assert.match(tampered.out, /^Failed: files: checkpoint has \d+ bytes, the manifest says \d+\.$/m);
    assert.equal((await verify("nowhere")).code, 2);
    assert.equal((await verify("hidden.tar", "--plan", "x.json")).code, 2);
    for (const [args, code, says] of [
      [
        ["receipt", "disclose", run, "--recipient", "x", "--purpose", "y"],
        2,
        /--authority is missing: under which mandate/,
      ],
      [["receipt", "disclose", run, ...TO, "--redact", "/inputs/emial"], 2, /The nearest place is \/inputs\/email\./],
      [
        ["receipt", "disclose", run, ...TO, "--redact", "/run/workflow"],
        6,
        /also stands in the name or the license of the workflow/,
      ],
      [["receipt", "disclose", "r_nobody", ...TO], 5, /No run's id is/],
    ] as const) {
      const { code: found, err } = await place.run([...args, "--out", "none"]);
      assert.equal(found, code, err);
      assert.match(err, says);
      assert.ok(!existsSync(join(place.dir, "none")));
    }
    const taken = await place.run(["receipt", "disclose", run, ...TO, "--out", "package"]);
    assert.equal(taken.code, 6);
    assert.match(taken.err, /package is there already; a package gets a folder of its own/);
    assert.ok(!readdirSync(place.dir).some((name) => name.endsWith(".part")));
  });

  it("says when retention had taken the history, and still has the receipts", async () => {
    const policy = "retention: { default: { work: 0s, logs: 0s, artifacts: 0s, events: 0s, receipts: 3d } }\n";
    writeFileSync(join(place.dir, "data/retention.yaml"), policy);
    assert.equal((await place.run(["gc"])).code, 0);
    const made = await place.run(["receipt", "disclose", run, ...TO, "--out", "old"]);
    assert.equal(made.code, 0, made.err);
    const report = JSON.parse((await verify("old", "-o", "json")).out) as Report;
    assert.equal(report.verified, true);
    assert.deepEqual(
      report.checks.filter(({ id }) => id === "evidence").map(({ status, detail }) => [status, detail]),
      [["skipped", "retention had removed it when the package was made"]],
    );
    const manifest = readFileSync(join(place.dir, "old/manifest.json"), "utf8");
    assert.match(manifest, /"removed":"The events of run r_\w+ were removed on \S+ \([^)]+\)\."/);
    assert.ok(!existsSync(join(place.dir, "old/evidence")));
  });
});
