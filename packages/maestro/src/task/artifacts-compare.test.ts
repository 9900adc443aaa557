import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { crc32, gzipSync } from "node:zlib";
import fc from "fast-check";
import { digestOf, sha256 } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { workbench } from "../../test/support/run-task.ts";
import type { Workbench } from "../../test/support/run-task.ts";
import { readArchive } from "./archive-members.ts";
import { artifactsCompare } from "./artifacts-compare.ts";

function put(bench: Workbench, path: string, content: string | Uint8Array): string {
  const file = join(bench.base, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, content);
  return file;
}

interface Difference {
  readonly name: string;
  readonly summary: string;
  readonly hint?: string;
  readonly members?: readonly JsonObject[];
}

async function differences(bench: Workbench, left: JsonValue, right: JsonValue): Promise<readonly Difference[]> {
  const output = (await bench.run(artifactsCompare, { left, right, allowDifferent: true })) as unknown as {
    equal: boolean;
    differences: readonly Difference[];
  };
  assert.equal(output.equal, output.differences.length === 0);
  return output.differences;
}

/** Packs `files` in their order by the tar of this machine. */
function tar(
  bench: Workbench,
  name: string,
  files: Readonly<Record<string, string>>,
  options: { readonly mtime?: string; readonly args?: readonly string[] } = {},
): string {
  const folder = join(bench.base, `${name}.d`);
  mkdirSync(folder);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
    utimesSync(join(folder, path), 1_000_000_000, 1_000_000_000);
  }
  const file = join(bench.base, name);
  execFileSync("tar", [
    "-cf",
    file,
    `--mtime=${options.mtime ?? "2001-01-01T00:00:00Z"}`,
    "--owner=0",
    "--group=0",
    ...(options.args ?? []),
    "-C",
    folder,
    ...Object.keys(files),
  ]);
  return file;
}

/** A zip of stored members: name, content and DOS date (APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16). */
function zip(members: readonly (readonly [name: string, content: string, date: number])[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  for (const [name, content, date] of members) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(date, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    directory.push(Buffer.from("PK\x01\x02\0\0"), common, Buffer.alloc(14), Buffer.from(name));
    locals.push(Buffer.from("PK\x03\x04"), common, Buffer.from(name + content));
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(Buffer.concat(locals).length, 12);
  return Buffer.concat([...locals, ...directory, Buffer.from("PK\x05\x06"), end]);
}

describe("artifacts/compare@1", () => {
  it("finds equal files equal, and gives the digest of the one or of the set", async () => {
    using bench = workbench();
    put(bench, "l/a.txt", "same");
    put(bench, "r/a.txt", "same");
    put(bench, "l/b.txt", "");
    put(bench, "r/b.txt", "");
    const a = { name: "a.txt", digest: sha256("same"), size: 4 };
    const b = { name: "b.txt", digest: sha256(""), size: 0 };
    assert.deepEqual(await bench.run(artifactsCompare, { left: "l/a.txt", right: ["r/a.txt"] }), {
      equal: true,
      digest: a.digest,
      files: [a],
      differences: [],
    });
    assert.deepEqual(
      await bench.run(artifactsCompare, {
        left: ["l/b.txt", "l/a.txt"],
        right: [join(bench.base, "r/a.txt"), { path: "r/b.txt" }],
      }),
      {
        equal: true,
        digest: digestOf([a, b]),
        files: [a, b],
        differences: [],
      },
    );
  });

  it("takes artifacts, also such whose file is gone", async () => {
    using bench = workbench();
    const path = put(bench, "a.txt", "same");
    const artifact = { name: "a.txt", path, digest: sha256("same"), size: 4 };
    const gone = { ...artifact, path: join(bench.base, "gone/a.txt") };
    assert.equal(
      ((await bench.run(artifactsCompare, { left: [artifact], right: [gone] })) as JsonObject)["equal"],
      true,
    );
    assert.match(
      (await differences(bench, [artifact], [{ ...gone, digest: sha256("other") }]))[0]?.summary ?? "",
      /one of the files is gone/,
    );
  });

  it("names files that are on one side only, and where contents part", async () => {
    using bench = workbench();
    put(bench, "l/a.txt", "one\ntwo\nthree");
    put(bench, "r/a.txt", "one\ntwO\nthree");
    put(bench, "l/b.txt", "");
    put(bench, "r/c.txt", "");
    assert.deepEqual(
      (await differences(bench, ["l/a.txt", "l/b.txt"], ["r/a.txt", "r/c.txt"])).map(({ name, summary }) => [
        name,
        summary,
      ]),
      [
        ["a.txt", "the contents differ from byte 6 (line 2) on"],
        ["b.txt", "it is only on the left"],
        ["c.txt", "it is only on the right"],
      ],
    );
  });

  it("fails with the differences", async () => {
    using bench = workbench();
    put(bench, "l/a.txt", "1");
    put(bench, "r/a.txt", "2");
    const { error, output } = await bench.fail(artifactsCompare, { left: "l/a.txt", right: "r/a.txt" });
    assert.deepEqual(error, {
      code: "DIFFERENT",
      message: "The two sides differ in 1 file. a.txt: the contents differ from byte 0 (line 1) on.",
      final: true,
    });
    assert.equal((output as JsonObject)["equal"], false);
  });

  const archives: readonly (readonly [
    name: string,
    left: (bench: Workbench, to: string) => string,
    right: (bench: Workbench, to: string) => string,
    members: readonly (readonly [string, string])[],
    hint: RegExp,
  ])[] = [
    [
      "a member's content",
      (bench, to) => tar(bench, to, { a: "1", b: "x" }),
      (bench, to) => tar(bench, to, { a: "2", b: "x" }),
      [["a", "content"]],
      /packed files themselves/,
    ],
    [
      "a member's size",
      (bench, to) => tar(bench, to, { a: "1" }),
      (bench, to) => tar(bench, to, { a: "22" }),
      [["a", "size"]],
      /packed files themselves/,
    ],
    [
      "its time",
      (bench, to) => tar(bench, to, { a: "1" }),
      (bench, to) => tar(bench, to, { a: "1" }, { mtime: "2002-01-01T00:00:00Z" }),
      [["a", "mtime"]],
      /SOURCE_DATE_EPOCH/,
    ],
    [
      "its mode",
      (bench, to) => tar(bench, to, { a: "1" }),
      (bench, to) => tar(bench, to, { a: "1" }, { args: ["--mode=0600"] }),
      [["a", "mode"]],
      /umask/,
    ],
    [
      "its owner",
      (bench, to) => tar(bench, to, { a: "1" }),
      (bench, to) => tar(bench, to, { a: "1" }, { args: ["--owner=me:7"] }),
      [
        ["a", "owner"],
        ["a", "owner name"],
      ],
      /--owner=0/,
    ],
    [
      "the order",
      (bench, to) => tar(bench, to, { a: "1", b: "" }),
      (bench, to) => tar(bench, to, { b: "", a: "1" }),
      [["a", "order"]],
      /--sort=name/,
    ],
    [
      "members on one side",
      (bench, to) => tar(bench, to, { a: "1" }),
      (bench, to) => tar(bench, to, { a: "1", b: "" }),
      [["b", "only on the right"]],
      /packed files themselves/,
    ],
    [
      "names of more than 100 characters",
      (bench, to) => tar(bench, to, { [`${"d/".repeat(80)}a`]: "1" }, { args: ["--format=gnu"] }),
      (bench, to) => tar(bench, to, { [`${"d/".repeat(80)}a`]: "2" }, { args: ["--format=gnu"] }),
      [[`${"d/".repeat(80)}a`, "content"]],
      /packed/,
    ],
    [
      "names that only pax can hold",
      (bench, to) => tar(bench, to, { [`ü${"x".repeat(150)}`]: "1" }, { args: ["--format=pax"] }),
      (bench, to) => tar(bench, to, { [`ü${"x".repeat(150)}`]: "2" }, { args: ["--format=pax"] }),
      [[`ü${"x".repeat(150)}`, "content"]],
      /packed/,
    ],
    [
      "a compressed tar",
      (bench, to) => tar(bench, to, { a: "1" }, { args: ["-z"] }),
      (bench, to) => tar(bench, to, { a: "2" }, { args: ["-z"] }),
      [["a", "content"]],
      /packed files themselves/,
    ],
  ];
  for (const [name, makeLeft, makeRight, members, hint] of archives) {
    it(`explains archives by ${name}`, async () => {
      using bench = workbench();
      const [difference] = await differences(
        bench,
        { name: "x", path: makeLeft(bench, "l.tar") },
        { name: "x", path: makeRight(bench, "r.tar") },
      );
      assert.deepEqual(
        difference?.members?.map(({ path, what }) => [path, what]),
        members,
      );
      assert.match(difference?.hint ?? "", hint);
    });
  }

  it("explains a gzip header", async () => {
    using bench = workbench();
    const left = gzipSync("x".repeat(2000));
    const right = Buffer.from(left);
    right.writeUInt32LE(1_000_000_000, 4);
    put(bench, "l/a.gz", left);
    put(bench, "r/a.gz", right);
    const [difference] = await differences(bench, "l/a.gz", "r/a.gz");
    assert.deepEqual(difference?.members, [
      { path: "(archive)", what: "gzip mtime", left: "none", right: "2001-09-09T01:46:40.000Z" },
    ]);
    assert.match(difference?.hint ?? "", /SOURCE_DATE_EPOCH/);
  });

  it("says that only the packing differs", async () => {
    using bench = workbench();
    const text = "abc".repeat(5000);
    const [left, right] = [gzipSync(text, { level: 5 }), gzipSync(text, { level: 6 })];
    put(bench, "l/a.gz", left);
    put(bench, "r/a.gz", Buffer.concat([right, gzipSync("")]));
    assert.match((await differences(bench, "l/a.gz", "r/a.gz"))[0]?.summary ?? "", /packed differently/);
  });

  it("explains zip archives", async () => {
    using bench = workbench();
    put(
      bench,
      "l/a.zip",
      zip([
        ["a.txt", "one", 0],
        ["b.txt", "b", 0],
      ]),
    );
    put(
      bench,
      "r/a.zip",
      zip([
        ["a.txt", "two", 0],
        ["b.txt", "b", 0x5b21],
      ]),
    );
    const [difference] = await differences(bench, "l/a.zip", "r/a.zip");
    assert.deepEqual(difference?.members, [
      { path: "a.txt", what: "content", left: crc32("one").toString(16), right: crc32("two").toString(16) },
      { path: "b.txt", what: "mtime", left: "1980-00-00 00:00:00", right: "2025-09-01 00:00:00" },
    ]);
  });

  it("says why it cannot look inside", async () => {
    using bench = workbench();
    const bomb = gzipSync(Buffer.alloc(40 * 1024 * 1024));
    assert.match(JSON.stringify(await readArchive(bomb)), /cannot be read: Cannot create a Buffer larger/);
    const whole = gzipSync("hello");
    put(bench, "l/a.gz", whole);
    put(bench, "r/a.gz", whole.subarray(0, whole.length - 3));
    assert.match(
      (await differences(bench, "l/a.gz", "r/a.gz"))[0]?.summary ?? "",
      /on the right its members cannot be read: unexpected end of file/,
    );
  });
});

describe("readArchive()", () => {
  it("answers for damaged archives of every kind and never throws", async () => {
    using bench = workbench();
    const archive = tar(bench, "x.tar", { a: "1", [`${"d/".repeat(80)}b`]: "2" });
    const plain = execFileSync("cat", [archive]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: plain.length - 1 }),
        fc.nat({ max: 255 }),
        fc.nat({ max: plain.length }),
        async (at, byte, length) => {
          const damaged = Buffer.from(plain);
          damaged[at] = byte;
          await readArchive(damaged.subarray(0, length));
          await readArchive(gzipSync(damaged.subarray(0, length)));
        },
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 22, maxLength: 200 }),
        async (bytes) =>
          void (await readArchive(Buffer.concat([Buffer.from("PK\x03\x04"), bytes, Buffer.from("PK\x05\x06"), bytes]))),
      ),
    );
  });
});

describe("artifacts/compare@1 fails", () => {
  it("on a file that was changed after it was recorded", async () => {
    using bench = workbench();
    const path = put(bench, "a.txt", "changed");
    const { error } = await bench.fail(artifactsCompare, {
      left: [{ name: "a.txt", path, digest: sha256("as it was"), size: 9 }],
      right: path,
    });
    assert.deepEqual([error.code, error.final], ["CHANGED", true]);
    assert.match(error.message, /was changed after it was recorded/);
  });

  const bad: readonly (readonly [string, JsonObject, string, RegExp])[] = [
    [
      "nothing on either side",
      { left: [], right: [] },
      "INPUT_INVALID",
      /both sides are empty\. Check the `artifacts` globs/,
    ],
    ["a path to nothing", { left: "none.txt", right: [] }, "NOT_FOUND", /none\.txt does not exist/],
    ["a folder", { left: ".", right: [] }, "NOT_FOUND", /does not exist/],
    [
      "two files of one name",
      { left: ["l/a.txt", "r/a.txt"], right: [] },
      "INPUT_INVALID",
      /left: two files are called "a\.txt"/,
    ],
  ];
  for (const [name, input, code, message] of bad) {
    it(`on ${name}`, async () => {
      using bench = workbench();
      put(bench, "l/a.txt", "");
      put(bench, "r/a.txt", "");
      const { error } = await bench.fail(artifactsCompare, input);
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.final], [code, true]);
    });
  }

  it("when it is called off", async () => {
    using bench = workbench();
    put(bench, "a.txt", "x");
    bench.abort.abort(new Error("cancelled"));
    await assert.rejects(bench.run(artifactsCompare, { left: "a.txt", right: "a.txt" }), /cancelled/);
    rmSync(join(bench.base, "a.txt"));
  });
});
