import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { spawnSync } from "node:child_process";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { unpackTo } from "../src/operations/disclosure/pack.ts";
import { isPackage, readPackage } from "../src/operations/disclosure/read-package.ts";
import { TAR_END, tarHeader, tarPadding, ustarHeader } from "../src/operations/tar.ts";
import { verifyPackage } from "../src/provenance/disclosure/verify-package.ts";
import { asRead, Disclosing, filesOf, tarOf } from "./support/disclosing.ts";
import { need } from "./support/need.ts";

// What an archive can do to whoever opens it: nothing of that, to `maestro verify` and to `maestro receipt disclose --out DIR`.

/** A header with fields that are put there by hand, and its sum. */
function header(fields: Readonly<Record<number, string>>, size = 0): Buffer {
  const block = ustarHeader("victim", size, 0)!;
  for (const [at, text] of Object.entries(fields)) block.write(text, Number(at), "latin1");
  block.write("        ", 148, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function member(path: string, bytes: Buffer): Buffer {
  return Buffer.concat([ustarHeader(path, bytes.length, 0)!, bytes, tarPadding(bytes.length)]);
}

const NAME = 0;
const MODE = 100;
const OWNER = 108;
const SIZE = 124;
const TYPE = 156;
const LINK = 157;
const USER_NAME = 265;
const PREFIX = 345;

describe("a tar that means harm", () => {
  let place: Disclosing;
  let good: Buffer;
  let dir = "";
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-harm-"));
    place = await Disclosing.open();
    good = (await place.disclose([await place.run({ email: "ada@example.org" })])).tar;
  });
  after(async () => {
    await place.close();
    rmSync(dir, { recursive: true });
  });

  const bytes = Buffer.from("evil");
  const ATTACKS: readonly (readonly [name: string, members: () => Buffer, says: RegExp])[] = [
    ["a path upwards", () => member("../evil", bytes), /leads out of the package/],
    ["a path upwards in the middle", () => member("evidence/../../evil", bytes), /leads out of the package/],
    ["an absolute path", () => member("/tmp/evil", bytes), /is absolute/],
    [
      "a path upwards in the prefix",
      () => Buffer.concat([header({ [NAME]: "evil\0\0", [PREFIX]: ".." }, 4), bytes, tarPadding(4)]),
      /"\.\.\/evil" is not plain/,
    ],
    ["a symbolic link", () => header({ [TYPE]: "2", [LINK]: "/etc/passwd" }), /victim is a symbolic link/],
    ["a hard link", () => header({ [TYPE]: "1", [LINK]: "manifest.json" }), /victim is a hard link/],
    ["a character device", () => header({ [TYPE]: "3" }), /victim is a device/],
    ["a block device", () => header({ [TYPE]: "4" }), /victim is a device/],
    ["a folder", () => header({ [TYPE]: "5" }), /victim is a folder/],
    ["a pipe", () => header({ [TYPE]: "6" }), /victim is a pipe/],
    ["a name of GNU", () => header({ [TYPE]: "L" }), /victim is not a regular file/],
    ["a sparse file", () => header({ [TYPE]: "S" }), /victim is not a regular file/],
    ["a program", () => header({ [MODE]: "0004755" }), /is not plain/],
    ["an owner", () => header({ [OWNER]: "0001750" }), /is not plain/],
    ["a name of an owner", () => header({ [USER_NAME]: "root" }), /is not plain/],
    [
      "a path in a pax header",
      () => Buffer.concat([tarHeader(`evidence/${"x".repeat(120)}`, 4, 0), bytes, tarPadding(4)]),
      /is not plain/,
    ],
    ["a file twice", () => Buffer.concat([member("twice", bytes), member("twice", bytes)]), /"twice" occurs twice/],
    [
      "a file in two cases",
      () => Buffer.concat([member("Twice", bytes), member("twice", bytes)]),
      /differ only in case/,
    ],
    ["a device of Windows", () => member("aux.json", bytes), /not one that every system takes/],
    ["a size beyond the end", () => header({ [SIZE]: "00000100000" }), /it ends too early/],
    [
      "a size of eight gigabytes",
      () => header({ [SIZE]: "77777777777" }),
      /more than 268435456 bytes|it ends too early/,
    ],
    ["a size below nothing", () => header({ [SIZE]: "-0000000001" }), /a number in a header is not octal/],
    ["a size in base 256", () => header({ [SIZE]: "\u0080\0\0\0\0\0\0\0\0\0\0\u0001" }), /not octal|not plain/],
  ];

  for (const [name, members, says] of ATTACKS)
    it(`with ${name} is refused, and nothing of it is written anywhere`, async () => {
      const tar = Buffer.concat([good.subarray(0, -TAR_END.length), members(), TAR_END]);
      const { fault } = await asRead(tar);
      assert.match(fault ?? "", says);
      const { verified, checks } = verifyPackage(await asRead(tar), { trustRoot: place.trustRoot });
      assert.equal(verified, false);
      assert.deepEqual([checks[0]?.id, checks[0]?.status], ["paths", "failed"]);
      const folder = join(dir, "in", "deep", "package");
      mkdirSync(dirname(folder), { recursive: true });
      await assert.rejects(unpackTo(folder, Readable.from([tar], { objectMode: true }), 0), {
        code: "verification_failed",
        message: says,
      });
      assert.deepEqual(readdirSync(dir, { recursive: true, encoding: "utf8" }).toSorted(), ["in", "in/deep"]);
      rmSync(join(dir, "in"), { recursive: true });
    });

  it("that was cut off anywhere, goes on after its end, or is compressed is none", async () => {
    for (const length of [1, 511, 512, 1000, good.length >> 1, good.length - TAR_END.length - 1]) {
      const { verified, checks } = verifyPackage(await asRead(good.subarray(0, length)), {
        trustRoot: place.trustRoot,
      });
      assert.equal(verified, false, `${length} bytes`);
      assert.match(checks[0]?.detail ?? "", /it ends too early|it is not a tar/);
    }
    for (const [tar, says] of [
      [Buffer.concat([good, Buffer.from("more")]), /something after its end/],
      [gzipSync(good), /it is not a tar, or is damaged|it ends too early/],
      [zstdCompressSync(good), /it is not a tar, or is damaged|it ends too early/],
      [Buffer.alloc(0), /it ends too early/],
      [TAR_END, /./],
    ] as const) {
      const { checks, verified } = verifyPackage(await asRead(tar), { trustRoot: place.trustRoot });
      assert.equal(verified, false);
      assert.match(checks.find(({ status }) => status === "failed")?.detail ?? "", says);
    }
  });

  it("that was damaged in any byte does not verify", async () => {
    for (let at = 0; at < good.length - TAR_END.length; at += 97) {
      const damaged = Buffer.from(good);
      damaged[at]! ^= 0x40;
      const { verified } = verifyPackage(await asRead(damaged), { trustRoot: place.trustRoot });
      // The time of a file, which nobody signs, and what follows from it.
      if (verified) assert.ok(at % 512 >= 136 && at % 512 < 148, `byte ${at}`);
    }
  });
});

describe("a folder that means harm", () => {
  let place: Disclosing;
  let tar: Buffer;
  let dir = "";
  before(async () => {
    place = await Disclosing.open();
    tar = (await place.disclose([await place.run({ email: "ada@example.org" })], { artifacts: true })).tar;
    dir = mkdtempSync(join(tmpdir(), "maestro-harm-"));
  });
  after(async () => {
    await place.close();
    rmSync(dir, { recursive: true });
  });

  const folder = async (name: string, harm: (path: string) => void): Promise<string> => {
    const path = join(dir, name);
    await unpackTo(path, Readable.from([tar], { objectMode: true }), 0);
    harm(path);
    const { verified, checks } = verifyPackage(await readPackage(path), { trustRoot: place.trustRoot });
    const failed = checks.find(({ status }) => status === "failed");
    assert.equal(verified, failed === undefined);
    return failed === undefined ? "" : `${failed.id}: ${failed.detail}`;
  };

  it("is verified where it does not", async () => {
    assert.equal(await folder("good", () => undefined), "");
    assert.equal(await isPackage(join(dir, "good")), true);
  });

  it("with a link in place of a file, of a folder, or of itself, is refused", async () => {
    writeFileSync(join(dir, "outside.json"), "{}");
    assert.equal(
      await folder("file", (path) => {
        const at = join(path, "checkpoint");
        writeFileSync(join(dir, "checkpoint"), readFileSync(at));
        rmSync(at);
        symlinkSync(join(dir, "checkpoint"), at);
      }),
      'paths: "checkpoint" is a symbolic link',
    );
    assert.equal(
      await folder("more", (path) => symlinkSync(dir, join(path, "sbom"))),
      'paths: "sbom" is a symbolic link',
    );
  });

  it("with a pipe, an empty folder, odd names or a nesting without end is refused, and nothing hangs", async () => {
    if (spawnSync("mkfifo", ["--version"]).error === undefined)
      assert.equal(
        await folder("pipe", (path) => spawnSync("mkfifo", [join(path, "pipe")])),
        'paths: "pipe" is no file',
      );
    assert.equal(
      await folder("nothing", (path) => (rmSync(path, { recursive: true }), mkdirSync(path))),
      "paths: the package is empty",
    );
    assert.equal(await folder("empty", (path) => mkdirSync(join(path, "void"))), 'paths: the folder "void/" is empty');
    assert.match(await folder("odd", (path) => writeFileSync(join(path, "a b"), "")), /^paths: the path "a b"/);
    assert.match(
      await folder("deep", (path) => {
        const deep = join(path, ...Array.from({ length: 12 }, () => "x"));
        mkdirSync(deep, { recursive: true });
        writeFileSync(join(deep, "y"), "");
      }),
      /^paths: its folders are nested deeper than 8$/,
    );
  });

  it("with a file of a terabyte that is not there is refused before it is read", async () => {
    assert.match(
      await folder("sparse", (path) => {
        writeFileSync(join(path, "huge"), "");
        truncateSync(join(path, "huge"), 1024 ** 4);
      }),
      /^paths: its files have more than \d+ bytes together$/,
    );
  });

  it("gets a folder of its own: nothing is written into one that is there", async () => {
    const path = join(dir, "taken");
    mkdirSync(path);
    writeFileSync(join(path, "mine"), "");
    await assert.rejects(unpackTo(path, Readable.from([tar], { objectMode: true }), 0), {
      code: "conflict",
      message: /is there already/,
    });
    assert.deepEqual(readdirSync(path), ["mine"]);
    symlinkSync(path, join(dir, "link"));
    await assert.rejects(unpackTo(join(dir, "link"), Readable.from([tar], { objectMode: true }), 0), {
      code: "conflict",
    });
    assert.ok(!existsSync(join(path, "manifest.json")));
  });

  it("has the modes and the time of everybody's", async () => {
    const path = join(dir, "modes");
    const before = process.umask(0o077);
    try {
      await unpackTo(path, Readable.from([tar], { objectMode: true }), 1_700_000_000_000);
    } finally {
      process.umask(before);
    }
    for (const name of ["", ...readdirSync(path, { recursive: true, encoding: "utf8" })]) {
      const { mode, mtimeMs } = statSync(join(path, name));
      assert.deepEqual(
        [mode & 0o7777, mtimeMs],
        [statSync(join(path, name)).isDirectory() ? 0o755 : 0o644, 1_700_000_000_000],
        name,
      );
    }
    linkSync(join(path, "checkpoint"), join(dir, "hard"));
  });

  it("is unpacked by tar(1) as by us", need("tar"), async () => {
    const path = join(dir, "plain");
    mkdirSync(path);
    const { status, stderr } = spawnSync("tar", ["-xf", "-", "-C", path], { input: tar, encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
    const { verified } = verifyPackage(await readPackage(path), { trustRoot: place.trustRoot });
    assert.equal(verified, true);
    assert.deepEqual([...(await filesOf(tarOf(await filesOf(tar)))).keys()], [...(await filesOf(tar)).keys()]);
  });
});
