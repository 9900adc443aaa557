import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { REFUND } from "./support/disclosing.ts";
import { Place } from "./support/maestro.ts";
import type { Ended } from "./support/maestro.ts";
import { Server } from "./support/server.ts";

// Who compares two packages compares bytes: nothing of the machine, the hour or the folder may be in them.

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const TO = ["--recipient", "Auditor Ltd", "--purpose", "yearly audit", "--authority", "contract 17"];
const HIDE = ["--redact", "/inputs/email"];

describe("a disclosure package", () => {
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

  const sha256 = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(place.dir, name)))
      .digest("hex");
  const verify = async (...args: readonly string[]): Promise<Ended> =>
    place.run(["verify", ...args, "--trust-root", "trust-root.json"], {
      env: { MAESTRO_DATA: join(place.dir, "nowhere") },
    });
  /** Through a shell, for what only a shell can set. */
  const inShell = (script: string, env: NodeJS.ProcessEnv = {}, cwd = place.dir): string => {
    mkdirSync(cwd, { recursive: true });
    const { status, stdout, stderr } = spawnSync("sh", ["-ec", script], {
      cwd,
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"],
        MAESTRO_DATA: join(place.dir, "data"),
        XDG_CONFIG_HOME: join(place.dir, "config"),
        MAESTRO: join(ROOT, "packages/maestro/bin/maestro.cjs"),
        NODE: process.execPath,
        ...env,
      },
    });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const DISCLOSE = `"$NODE" "$MAESTRO" receipt disclose RUN ${[...TO, ...HIDE].map((word) => `'${word}'`).join(" ")} --artifacts`;

  it("gives the same bytes in another folder, time zone, locale, umask and process, later, and by the clock it is given", async () => {
    const disclose = DISCLOSE.replace("RUN", run);
    const digests = new Set<string>();
    const made = (name: string): void => void digests.add(sha256(name));
    await place.run(["receipt", "disclose", run, ...TO, ...HIDE, "--artifacts", "--out", "first.tar"]);
    made("first.tar");
    inShell(
      `${disclose} --out second.tar`,
      { TZ: "Pacific/Kiritimati", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" },
      join(place.dir, "else", "where"),
    );
    made("else/where/second.tar");
    inShell(`umask 077; ${disclose} --out third.tar`, { TZ: "America/St_Johns", LANG: "C", HOME: "/" });
    made("third.tar");
    inShell(`umask 0; ${disclose} > fourth.tar`, { LC_ALL: "de_DE.UTF-8", TZ: "UTC" });
    made("fourth.tar");
    // The ledger grows, and is signed anew.
    await place.run(["run", "refund.maestro.yaml", "-i", "email=bob@example.org"]);
    await place.run(["audit", "--verify"]);
    const later = await place.run(["receipt", "disclose", run, ...TO, ...HIDE, "--artifacts", "--out", "fifth.tar"]);
    assert.equal(later.code, 0, later.err);
    made("fifth.tar");
    assert.equal(digests.size, 1);
    inShell(
      `SOURCE_DATE_EPOCH=1700000000 ${disclose} --out dated.tar; SOURCE_DATE_EPOCH=1700000000 ${disclose} --out dated`,
    );
    assert.notEqual(sha256("dated.tar"), sha256("first.tar"));
    assert.equal(statSync(join(place.dir, "dated/manifest.json")).mtimeMs, 1_700_000_000_000);
    const report = JSON.parse((await verify("dated.tar", "-o", "json")).out) as { readonly digest: string };
    assert.equal(report.digest, `sha256:${sha256("dated/manifest.json")}`);
  });

  it("is made the same by the engine that is up, for a command that reaches it by its URL", async () => {
    const server = await Server.start(place);
    try {
      const named = ["--server", server.url, "--token-file", server.tokenFile];
      const made = await place.run(
        [
          "receipt",
          "disclose",
          run,
          ...TO,
          ...HIDE,
          "--artifacts",
          "--out",
          "remote.tar",
          "--salts",
          "remote-salts.json",
          ...named,
        ],
        { env: { MAESTRO_DATA: join(place.dir, "nowhere") } },
      );
      assert.equal(made.code, 0, made.err);
      assert.equal(sha256("remote.tar"), sha256("first.tar"));
      assert.equal((await verify("remote.tar", "--salts", "remote-salts.json")).code, 0);
      const refused = await server.ask({ method: "POST", path: "/v1/disclosures", token: null, body: "{}" });
      assert.deepEqual([refused.status, refused.json["code"]], [401, "unauthorized"]);
    } finally {
      await server.stop();
    }
  });
});
