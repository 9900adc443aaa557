import assert from "node:assert/strict";
import { readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { need } from "./support/need.ts";
import { Place } from "./support/maestro.ts";

describe("maestro init", async () => {
  const place = await Place.make();
  after(() => place.remove());
  const read = (path: string): string => readFileSync(join(place.dir, path), "utf8");
  // The data directory that the folder has, not that of the tests.
  const env = { MAESTRO_DATA: "", XDG_DATA_HOME: join(place.dir, "xdg"), XDG_CONFIG_HOME: join(place.dir, "xdg") };

  it("makes a project whose runbook is without warnings and runs", async () => {
    const made = await place.run(["init", "My Shop"], { env });
    assert.equal(made.code, 0, made.err);
    assert.match(made.err, /wrote My Shop\/hello\.maestro\.yaml\n/);
    assert.match(made.err, /Next:\n {2}cd My Shop\n {2}maestro run hello\.maestro\.yaml -f inputs\.yaml {2}# run it/);
    assert.match(read("My Shop/hello.maestro.yaml"), /namespace: my-shop\n/);
    assert.equal(read("My Shop/.gitignore"), ".maestro/\n");
    assert.equal(statSync(join(place.dir, "My Shop/.maestro")).mode & 0o777, 0o700);
    const lint = await place.run(["lint", "--strict", "My Shop"], { env });
    assert.equal(lint.code, 0, lint.out + lint.err);
    const test = await place.run(["test", "My Shop", "--min", "60"], { env });
    assert.match(test.out, /2 cases: 2 passed, 0 failed\n$/, test.err);
    const run = await place.run(
      ["run", "My Shop/hello.maestro.yaml", "-f", "My Shop/inputs.yaml", "--data", "My Shop/.maestro"],
      { env },
    );
    assert.equal(run.code, 0, run.err);
    assert.match(run.err + run.out, /Hello, world!/);
  });

  it("overwrites nothing without being told, and says what it overwrites", async () => {
    writeFileSync(join(place.dir, "My Shop/README.md"), "mine\n");
    symlinkSync("nowhere", join(place.dir, "My Shop/other.maestro.yaml"));
    const again = await place.run(["init", "My Shop", "--name", "other"], { env });
    assert.equal(again.code, 6);
    assert.match(
      again.err,
      /other\.maestro\.yaml, inputs\.yaml, README\.md in My Shop would be overwritten; nothing was written\./,
    );
    assert.equal(read("My Shop/README.md"), "mine\n");
    const forced = await place.run(["init", "My Shop", "--name", "third", "--force", "-o", "json"], { env });
    assert.equal(forced.code, 0, forced.err);
    assert.match(forced.err, /wrote My Shop\/third\.maestro\.yaml\n.*overwrote My Shop\/inputs\.yaml\noverwrote /s);
    assert.equal((JSON.parse(forced.out) as { manifest: string }).manifest, "third.maestro.yaml");
  });

  it("adds to a .gitignore what it lacks, and only that", async () => {
    const made = await place.run(["init", "other", "--name", "a", "--namespace", "b"], { env });
    assert.equal(made.code, 0, made.err);
    writeFileSync(join(place.dir, "other/.gitignore"), "node_modules");
    await place.run(["init", "other", "--name", "c", "--force"], { env });
    assert.equal(read("other/.gitignore"), "node_modules\n.maestro/\n");
    await place.run(["init", "other", "--name", "d", "--force"], { env });
    assert.equal(read("other/.gitignore"), "node_modules\n.maestro/\n");
  });

  it("lists what comes with Maestro, and copies one without its test", async () => {
    const list = await place.run(["init", "--list", "-o", "name"]);
    assert.match(list.out, /^release-evidence$/m);
    const data = await place.run(["init", "--list", "--json"]);
    for (const { name, description } of (JSON.parse(data.out) as { runbooks: { name: string; description: string }[] })
      .runbooks)
      assert.ok(description.length > 20, name);
    const copied = await place.run(["init", "--from", "release-evidence"], { env });
    assert.equal(copied.code, 0, copied.err);
    assert.match(copied.err, /maestro plan release-evidence\.maestro\.yaml/);
    const manifest = "release-evidence/release-evidence.maestro.yaml";
    assert.equal(read(manifest), readFileSync(new URL(`../../../catalog/${manifest}`, import.meta.url), "utf8"));
    assert.throws(() => statSync(join(place.dir, "release-evidence/release-evidence.test.ts")), { code: "ENOENT" });
    const plan = await place.run(["plan", manifest], { env });
    assert.equal(plan.code, 0, plan.err);
  });

  it("refuses what it cannot make sense of", async () => {
    const cases: readonly (readonly [args: readonly string[], code: number, words: RegExp])[] = [
      [["init", "--from", "release-evidense"], 5, /comes with Maestro\. Did you mean release-evidence\?/],
      [["init", "--from", "release-evidence", "--name", "x"], 2, /leave out --name and --namespace/],
      [["init", "x", "--name", "Not A Name"], 2, /--name takes small letters, digits and "-"/],
      [["init", "--from", "../docs"], 5, /No runbook called "\.\.\/docs"/],
    ];
    for (const [args, code, words] of cases) {
      const ended = await place.run(args, { env });
      assert.equal(ended.code, code, args.join(" "));
      assert.match(ended.err, words);
    }
  });

  it("asks in a terminal for what was not given", need("script"), async () => {
    const started = place.startInTerminal(["init", "asked"], env);
    await started.shows(/name of the runbook \[hello\]: /);
    started.child.stdin.write("deploy\n");
    await started.shows(/namespace, such as a team \[asked\]: /);
    started.child.stdin.write("\n");
    const { code, out } = await started.ended;
    assert.equal(code, 0, out);
    assert.match(read("asked/deploy.maestro.yaml"), /namespace: asked\n {2}name: deploy\n/);
  });
});
