import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { npmInventory } from "./npm-inventory.ts";

function put(bench: Workbench, path: string, content: JsonValue): void {
  const file = join(bench.base, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
}

async function inventory(bench: Workbench, packages: JsonObject): Promise<JsonObject> {
  put(bench, "package-lock.json", { name: "shop", version: "1.0.0", lockfileVersion: 3, packages });
  return (await bench.run(npmInventory, {})) as JsonObject;
}

describe("npm/inventory@1", () => {
  it("lists packages, sorted, with purls, and keeps workspaces apart", async () => {
    using bench = workbench();
    const output = await inventory(bench, {
      "": { name: "shop", version: "1.2.0", workspaces: ["packages/*"] },
      "node_modules/@shop/api": { resolved: "packages/api", link: true },
      "packages/api": { name: "@shop/api", version: "0.1.0", license: "Apache-2.0" },
      "packages/web": {},
      "packages/web/node_modules/zeta": { version: "2.0.0", license: "ISC", integrity: "sha512-z", dev: true },
      "node_modules/@babel/core": { version: "7.0.0+x", license: "MIT", integrity: "sha512-b", dev: true },
      "node_modules/alias": {
        name: "real",
        version: "1.0.0",
        license: "MIT",
        integrity: "sha512-r",
        devOptional: true,
      },
    });
    assert.deepEqual(output, {
      root: { name: "shop", version: "1.2.0" },
      workspaces: [
        { name: "@shop/api", version: "0.1.0", path: "packages/api" },
        { name: "web", version: null, path: "packages/web" },
      ],
      packages: [
        {
          name: "@babel/core",
          version: "7.0.0+x",
          license: "MIT",
          integrity: "sha512-b",
          purl: "pkg:npm/%40babel/core@7.0.0%2Bx",
          dev: true,
          optional: false,
          path: "node_modules/@babel/core",
        },
        {
          name: "real",
          version: "1.0.0",
          license: "MIT",
          integrity: "sha512-r",
          purl: "pkg:npm/real@1.0.0",
          dev: false,
          optional: true,
          path: "node_modules/alias",
        },
        {
          name: "zeta",
          version: "2.0.0",
          license: "ISC",
          integrity: "sha512-z",
          purl: "pkg:npm/zeta@2.0.0",
          dev: true,
          optional: false,
          path: "packages/web/node_modules/zeta",
        },
      ],
      count: 3,
    });
  });

  it("lists what is installed twice once, and as needed where one place needs it", async () => {
    using bench = workbench();
    const output = await inventory(bench, {
      "node_modules/a/node_modules/c": { version: "1.0.0", integrity: "sha512-c", dev: true, optional: true },
      "node_modules/b/node_modules/c": { version: "1.0.0", integrity: "sha512-c", license: "MIT", optional: true },
      "node_modules/c": { version: "2.0.0", integrity: "sha512-d" },
    });
    assert.deepEqual(
      (output["packages"] as readonly JsonObject[]).map(({ version, license, dev, optional, path }) => [
        version,
        license,
        dev,
        optional,
        path,
      ]),
      [
        ["1.0.0", "MIT", false, true, "node_modules/a/node_modules/c"],
        ["2.0.0", null, false, false, "node_modules/c"],
      ],
    );
  });

  const licences: readonly (readonly [JsonObject, string | null])[] = [
    [{ license: "MIT" }, "MIT"],
    [{ license: { type: "ISC", url: "x" } }, "ISC"],
    [{ licenses: [{ type: "MIT" }, { type: "GPL-2.0" }] }, "(MIT OR GPL-2.0)"],
    [{ licenses: ["MIT"] }, "MIT"],
    [{ licenses: { type: "BSD" } }, "BSD"],
    [{ license: ["MIT", "ISC"] }, "(MIT OR ISC)"],
    [{ license: "" }, null],
    [{ license: 7 }, null],
    [{}, null],
  ];
  for (const [manifest, license] of licences) {
    it(`reads ${JSON.stringify(manifest)} of an installed package as ${license}`, async () => {
      using bench = workbench();
      put(bench, "node_modules/@s/a/package.json", manifest);
      const output = await inventory(bench, { "node_modules/@s/a": { version: "1.0.0" } });
      assert.equal((output["packages"] as readonly JsonObject[])[0]?.["license"], license);
    });
  }

  it("prefers the lock file's licence, and minds neither a broken package.json nor a path that leads out", async () => {
    using bench = workbench();
    put(bench, "node_modules/a/package.json", { license: "GPL-3.0-only" });
    put(bench, "node_modules/b/package.json", "{");
    writeFileSync(join(bench.base, "..", "package.json"), '{"license":"stolen"}');
    const output = await inventory(bench, {
      "node_modules/a": { version: "1.0.0", license: "MIT" },
      "node_modules/b": { version: "1.0.0" },
      "node_modules/../..": { version: "1.0.0" },
    });
    assert.deepEqual(
      (output["packages"] as readonly JsonObject[]).map(({ license }) => license),
      [null, "MIT", null],
    );
  });

  it("prefers the shrinkwrap", async () => {
    using bench = workbench();
    put(bench, "npm-shrinkwrap.json", { name: "wrapped", lockfileVersion: 2, packages: {} });
    assert.deepEqual((await inventory(bench, {}))["root"], { name: "wrapped", version: null });
  });

  const bad: readonly (readonly [name: string, files: JsonObject, code: string, message: RegExp])[] = [
    ["no files", {}, "NOT_FOUND", /has no package-lock\.json\. There is no package\.json either: check `path`/],
    ["no lock file", { "package.json": {} }, "NOT_FOUND", /Make one with `npm install --package-lock-only`/],
    [
      "another lock file",
      { "package.json": {}, "yarn.lock": "" },
      "NOT_FOUND",
      /has yarn\.lock but no package-lock\.json/,
    ],
    [
      "an old lock file",
      { "package-lock.json": { lockfileVersion: 1, dependencies: {} } },
      "LOCK_UNSUPPORTED",
      /lockfileVersion 1.*npm 7 or newer/,
    ],
    ["no version", { "package-lock.json": {} }, "LOCK_INVALID", /no lockfileVersion/],
    ["no packages", { "package-lock.json": { lockfileVersion: 3 } }, "LOCK_INVALID", /has no `packages`/],
    [
      "a package without a version",
      { "package-lock.json": { lockfileVersion: 3, packages: { "node_modules/a": {} } } },
      "LOCK_INVALID",
      /no version for node_modules\/a/,
    ],
    [
      "half a file",
      { "package-lock.json": '{"lockfileVersion": 3,\n "packages": {' },
      "INPUT_INVALID",
      /package-lock\.json is not JSON: .*line 2 column/,
    ],
  ];
  for (const [name, files, code, message] of bad) {
    it(`refuses ${name}`, async () => {
      using bench = workbench();
      for (const [path, content] of Object.entries(files)) put(bench, path, content);
      const { error } = await bench.fail(npmInventory, {});
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.final], [code, true]);
    });
  }

  it("reads the lock file of this project", async () => {
    using bench = workbench();
    const output = (await bench.run(npmInventory, { path: join(import.meta.dirname, "../../../..") })) as {
      count: number;
      packages: readonly { name: string; license: string | null }[];
    };
    assert.ok(output.count > 50);
    assert.equal(output.packages.find(({ name }) => name === "ajv")?.license, "MIT");
  });

  it("stops when it is called off", async () => {
    using bench = workbench();
    put(bench, "package-lock.json", {
      lockfileVersion: 3,
      packages: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`node_modules/p${i}`, { version: "1.0.0" }])),
    });
    bench.abort.abort(new Error("cancelled"));
    await assert.rejects(bench.run(npmInventory, {}), /cancelled/);
  });
});
