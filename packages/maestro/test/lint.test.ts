import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Place } from "./support/maestro.ts";

const RIGHT = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: build, version: 1.0.0, description: Builds. } # stays\r
spec:
  type: demo
  purposes: [test]
  inputs: { env: { type: string, description: Where } }
  budget: { wall: 1h }
  tasks:
    build: { uses: exec@1, with: { argv: [make, "\${{ inputs.env }}"] } }
    test: { uses: "noop@1", needs: [build], when: 'inputs.env == "prod"', with: { value: 1 } }
`;
const WRONG = RIGHT.replace("purposes:", "purpses:")
  .replace("description: B", "descripton: B")
  .replace("exec@1", "exce@1")
  .replace("argv:", "agrv:")
  .replaceAll("inputs.env", "inputs.evn")
  .replace("needs: [build]", "need: [biuld]")
  .replace('"noop@1"', '"noopp@1"');

describe("maestro lint", () => {
  let place: Place;
  const text = (name: string): Promise<string> => readFile(join(place.dir, name), "utf8");
  before(async () => {
    place = await Place.make({ "wrong.maestro.yaml": WRONG });
  });
  after(() => place.remove());

  it("writes with --fix the names that were meant, in quotes, lists and expressions, and nothing else", async () => {
    const { code, err, out } = await place.run(["lint", "--fix", "--strict", "wrong.maestro.yaml"]);
    assert.deepEqual([code, out], [0, ""], err);
    assert.equal(await text("wrong.maestro.yaml"), RIGHT);
    assert.match(err, /^wrong\.maestro\.yaml:3:59: descripton is description now$/m);
    assert.match(err, /^wrong\.maestro\.yaml:11:20: noopp@1 is noop@1 now$/m);
    assert.match(err, /1 manifest: 0 errors, 0 warnings\n$/);
    const again = await place.run(["lint", "--fix", "."]);
    assert.deepEqual([again.code, again.err], [0, "1 manifest: 0 errors, 0 warnings\n"]);
  });

  it("leaves what it cannot mend, and mends the rest", async () => {
    // `versoin` would be a second version; no name is near `nothing-alike`.
    const twice = RIGHT.replace("version: 1.0.0", "version: 1.0.0, versoin: 2.0.0")
      .replace("budget:", "nothing-alike: 1\n  budget:")
      .replace("purposes:", "purpses:");
    await writeFile(join(place.dir, "rest.maestro.yaml"), twice);
    const { code, out, err } = await place.run(["lint", "--fix", "rest.maestro.yaml"]);
    assert.equal(code, 1);
    assert.equal(await text("rest.maestro.yaml"), twice.replace("purpses:", "purposes:"), err);
    assert.match(out, /`versoin` is no field here/);
    assert.match(out, /nothing-alike/);
  });

  it("does not fix what has no file, nor what is no text", async () => {
    const stdin = await place.run(["lint", "--fix", "-"], { stdin: WRONG });
    assert.equal(stdin.code, 2);
    assert.match(stdin.err, /--fix writes files; give their names instead of `-`/);
    const bytes = Buffer.concat([Buffer.from(WRONG), Buffer.from([0xff, 0xfe])]);
    await writeFile(join(place.dir, "latin.maestro.yaml"), bytes);
    assert.equal((await place.run(["lint", "--fix", "latin.maestro.yaml"])).code, 1);
    assert.deepEqual(await readFile(join(place.dir, "latin.maestro.yaml")), bytes);
  });

  it("reports to GitLab, with fingerprints that stay where lines move", async () => {
    interface Issue {
      readonly check_name: string;
      readonly severity: string;
      readonly fingerprint: string;
      readonly location: { readonly path: string; readonly lines: { readonly begin: number } };
    }
    const report = async (content: string): Promise<readonly Issue[]> => {
      await writeFile(join(place.dir, "gitlab.maestro.yaml"), content);
      const { code, out } = await place.run(["lint", "--format", "gitlab", "./gitlab.maestro.yaml"]);
      assert.equal(code, 1);
      return JSON.parse(out) as readonly Issue[];
    };
    const first = await report(WRONG);
    const moved = await report(`# moved\n${WRONG}`);
    assert.deepEqual(
      moved.map(({ fingerprint }) => fingerprint),
      first.map(({ fingerprint }) => fingerprint),
    );
    assert.equal(new Set(first.map(({ fingerprint }) => fingerprint)).size, first.length);
    const [unknown] = first;
    assert.match(unknown?.fingerprint ?? "", /^[0-9a-f]{64}$/);
    assert.deepEqual(
      [unknown?.check_name, unknown?.severity, unknown?.location.path, unknown?.location.lines.begin],
      ["WF010", "major", "gitlab.maestro.yaml", 3],
    );
    const fine = await place.run(["lint", "--format", "gitlab", "wrong.maestro.yaml"]);
    assert.deepEqual([fine.code, fine.out], [0, "[]\n"]);
  });
});
