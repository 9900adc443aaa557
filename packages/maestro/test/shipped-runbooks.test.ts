import assert from "node:assert/strict";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { execute } from "../src/cli/main.ts";
import { pipe } from "./support/pipe.ts";

// What `maestro init --from` copies: each runbook of the catalog, as whoever copies it has it.

const CATALOG = fileURLToPath(new URL("../../../catalog", import.meta.url));
const NAMES = [...new Set(globSync("*/*.maestro.yaml", { cwd: CATALOG }).map((path) => path.replace(/\/.*$/, "")))];

describe("the runbooks that ship", () => {
  const place = mkdtempSync(join(tmpdir(), "maestro-shipped-"));
  after(() => rmSync(place, { recursive: true, force: true }));

  it("are at least nine, listed by the command and in the catalog's page", async () => {
    assert.ok(NAMES.length >= 9, NAMES.join(", "));
    const listed = await maestro("init", "--list", "-o", "name");
    assert.deepEqual(listed.trim().split("\n").toSorted(), NAMES.toSorted());
    const page = readFileSync(join(CATALOG, "README.md"), "utf8");
    assert.deepEqual(
      NAMES.filter((name) => !page.includes(`| [${name}](${name}/README.md) |`)),
      [],
    );
  });

  for (const name of NAMES)
    it(`${name} has a diagram and a test, and its copy is without warnings and passes its cases`, async () => {
      assert.match(readFileSync(join(CATALOG, name, "README.md"), "utf8"), /^```mermaid$/m);
      assert.ok(existsSync(join(CATALOG, name, `${name}.test.ts`)));
      await maestro("init", "--from", name);
      await maestro("lint", "--strict", name);
      await maestro("test", name);
      for (const path of globSync(`${name}/*.{md,yaml}`, { cwd: place }))
        assert.doesNotMatch(readFileSync(join(place, path), "utf8"), /catalog\/|\]\(\.\./, `${path} leads back`);
      const manifests = globSync(`${name}/*.maestro.yaml`, { cwd: place });
      const tables = globSync(`${name}/*.maestro.test.yaml`, { cwd: place });
      assert.deepEqual(tables.map((path) => path.replace(".test.", ".")).toSorted(), manifests.toSorted());
    });

  it("run as a copy with the inputs that they have by themselves, as the copy's page says", async () => {
    const copy = join(place, "copy");
    await maestro("init", copy, "--from", "chaos-drill");
    const page = readFileSync(join(copy, "README.md"), "utf8");
    const [command = ""] = /^maestro run .*--authority \S+/m.exec(page) ?? [];
    const args = command.split(" ").slice(1);
    assert.ok(args.includes("chaos-drill.maestro.yaml"), command);
    const { terminal, out, err } = pipe({ MAESTRO_DATA: join(place, "copied"), XDG_CONFIG_HOME: place });
    assert.equal(await execute(args, terminal, copy), 0, `${command}\n${out()}${err()}`);
  });

  async function maestro(...args: readonly string[]): Promise<string> {
    const { terminal, out, err } = pipe({ MAESTRO_DATA: join(place, "data"), XDG_CONFIG_HOME: place });
    const code = await execute(args, terminal, place);
    assert.equal(code, 0, `maestro ${args.join(" ")}\n${out()}${err()}`);
    return out();
  }
});
