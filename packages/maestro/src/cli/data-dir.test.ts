import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findDataDir } from "./data-dir.ts";

describe("findDataDir()", () => {
  let root = "";
  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "maestro-data-dir-")));
    await mkdir(join(root, "project/.maestro"), { recursive: true });
    await mkdir(join(root, "project/a/b"), { recursive: true });
    await mkdir(join(root, "file/a"), { recursive: true });
    await writeFile(join(root, "file/.maestro"), "");
  });
  after(() => rm(root, { recursive: true }));

  it("takes the flag before everything, relative to where we stand", () => {
    const found = findDataDir({ flag: "x", env: { MAESTRO_DATA: "/y" }, cwd: join(root, "project") });
    assert.deepEqual(found, { path: join(root, "project/x"), from: "--data" });
  });

  it("takes MAESTRO_DATA before the project", () => {
    assert.deepEqual(findDataDir({ flag: undefined, env: { MAESTRO_DATA: "/y" }, cwd: join(root, "project") }), {
      path: "/y",
      from: "MAESTRO_DATA",
    });
  });

  it("finds the project's folder above", () => {
    assert.deepEqual(findDataDir({ flag: undefined, env: {}, cwd: join(root, "project/a/b") }), {
      path: join(root, "project/.maestro"),
      from: "project",
    });
  });

  it("falls back to XDG, and passes by a file named .maestro and a relative XDG_DATA_HOME", () => {
    const cwd = join(root, "file/a");
    assert.deepEqual(findDataDir({ flag: "", env: { XDG_DATA_HOME: "/xdg", MAESTRO_DATA: "" }, cwd }), {
      path: "/xdg/maestro",
      from: "default",
    });
    assert.deepEqual(findDataDir({ flag: undefined, env: { XDG_DATA_HOME: "rel", HOME: "/home/x" }, cwd }), {
      path: "/home/x/.local/share/maestro",
      from: "default",
    });
  });
});
