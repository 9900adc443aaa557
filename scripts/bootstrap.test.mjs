import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { advice, essence, matches } from "./bootstrap.mjs";
import { completeLock, platformOf } from "./complete-lock.mjs";
import { isNewEnough, nodePackage, readJson } from "./runtime.mjs";

describe("isNewEnough()", () => {
  for (const [version, minimum, expected] of [
    ["24.15.0", "24.15", true],
    ["24.14.9", "24.15", false],
    ["26.0.0", "24.15", true],
    ["20.20.2", "24.15", false],
    ["9.99.0", "24.15", false],
  ]) {
    it(`${version} ${expected ? "satisfies" : "is older than"} ${minimum}`, () => {
      assert.equal(isNewEnough(version, minimum), expected);
    });
  }
});

describe("matches()", () => {
  const lock = {
    packages: {
      "": { name: "root" },
      "packages/a": { version: "1.0.0" },
      "node_modules/a": { resolved: "packages/a", link: true },
      "node_modules/b": { version: "2.0.0" },
      "node_modules/c-darwin": { version: "3.0.0", optional: true },
    },
  };
  const installed = (packages) => ({ packages: { "node_modules/a": { link: true }, ...packages } });

  it("accepts an install without the packages of other platforms", () => {
    assert.equal(matches(lock, installed({ "node_modules/b": { version: "2.0.0" } })), true);
  });
  it("refuses another version", () => {
    assert.equal(matches(lock, installed({ "node_modules/b": { version: "2.0.1" } })), false);
  });
  it("refuses another version of an optional package", () => {
    const packages = { "node_modules/b": { version: "2.0.0" }, "node_modules/c-darwin": { version: "2.9.0" } };
    assert.equal(matches(lock, installed(packages)), false);
  });
  it("refuses a missing package", () => {
    assert.equal(matches(lock, installed({})), false);
  });
});

describe("advice()", () => {
  for (const [output, words] of [
    ["npm error code EAI_AGAIN\nnpm error syscall getaddrinfo", "does not reach the package registry"],
    ["npm error code ENOSPC", "disk is full"],
    ["npm error code EACCES", "writable for this user"],
    [
      "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync",
      "commit both",
    ],
    ["npm error code EINTEGRITY", "Do not go on"],
    ["something else", "npm ci by hand"],
  ]) {
    it(`tells what to do about: ${output.split("\n")[0]}`, () => assert.ok(advice(output).includes(words)));
  }
});

describe("essence()", () => {
  it("drops stack traces and empty lines", () => {
    assert.equal(
      essence("npm error code X\nnpm error     at f (a.js:1:2)\nnpm error\n\nnpm error why\n"),
      "  npm error code X\n  npm error why",
    );
  });
  it("shortens, and keeps the end, which names npm's own log", () => {
    const lines = essence(Array.from({ length: 50 }, (_, i) => `npm error ${i}`).join("\n")).split("\n");
    assert.deepEqual([lines.length, lines.at(-1)], [10, "  npm error 49"]);
  });
});

describe("completeLock()", () => {
  for (const [name, expected] of [
    ["@oxfmt/binding-linux-arm-musleabihf", { os: ["linux"], cpu: ["arm"], libc: ["musl"] }],
    ["@oxfmt/binding-linux-x64-gnu", { os: ["linux"], cpu: ["x64"], libc: ["glibc"] }],
    ["@oxfmt/binding-win32-x64-msvc", { os: ["win32"], cpu: ["x64"] }],
    ["@oxlint-tsgolint/darwin-arm64", { os: ["darwin"], cpu: ["arm64"] }],
  ]) {
    it(`reads the platform of ${name}`, () => assert.deepEqual(platformOf(name), expected));
  }

  it("adds the platform packages that have no entry and leaves the others as they are", () => {
    const there = { version: "1.0.0", integrity: "sha512-x", optional: true };
    const lock = {
      packages: {
        "node_modules/tool": {
          version: "1.0.0",
          dev: true,
          optionalDependencies: { "@t/linux-x64": "1.0.0", "@t/darwin-x64": "1.0.0" },
        },
        "node_modules/@t/linux-x64": there,
      },
    };
    const { packages } = completeLock(lock);
    assert.deepEqual(packages["node_modules/@t/linux-x64"], there);
    assert.deepEqual(packages["node_modules/@t/darwin-x64"], {
      version: "1.0.0",
      cpu: ["x64"],
      dev: true,
      optional: true,
      os: ["darwin"],
    });
    assert.deepEqual(completeLock({ packages }), { packages });
  });
});

describe("package-lock.json", () => {
  const lock = readJson("package-lock.json");
  it("is complete, else `npm ci` refuses it: run npm install and commit it", () => {
    assert.deepEqual(Object.keys(completeLock(lock).packages), Object.keys(lock.packages));
  });
  it("names no registry: npm takes each package from the one it is set to, and checks its digest", () => {
    const places = Object.values(lock.packages).flatMap(({ resolved }) => resolved ?? []);
    assert.deepEqual(
      places.filter((place) => /^[a-z+]+:/.test(place)),
      [],
    );
  });
  it("pins the Node.js that the project brings, by digest, for both platforms", () => {
    for (const arch of ["x64", "arm64"]) {
      const { name, version } = nodePackage("linux", arch);
      assert.equal(lock.packages[`node_modules/${name}`].version, version);
      assert.match(lock.packages[`node_modules/${name}`].integrity, /^sha512-/);
      assert.ok(isNewEnough(version));
    }
  });
});
