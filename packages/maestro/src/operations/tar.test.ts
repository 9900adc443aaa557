import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readTar, TAR_END, tarHeader, tarPadding, ustarHeader } from "./tar.ts";

interface File {
  readonly path: string;
  readonly bytes: Buffer;
}

function pack(files: readonly File[]): Buffer {
  return Buffer.concat([
    ...files.flatMap(({ path, bytes }) => [
      tarHeader(path, bytes.length, 1_700_000_000_000),
      bytes,
      tarPadding(bytes.length),
    ]),
    TAR_END,
  ]);
}

async function unpack(tar: Buffer, chunk: number): Promise<File[]> {
  const chunks = Array.from({ length: Math.ceil(tar.length / chunk) }, (_, i) =>
    tar.subarray(i * chunk, (i + 1) * chunk),
  );
  const files: File[] = [];
  for await (const { path, size, body } of readTar(Readable.from(chunks, { objectMode: true }))) {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(part);
    const bytes = Buffer.concat(parts);
    assert.equal(bytes.length, size);
    files.push({ path, bytes });
  }
  return files;
}

describe("a tar", () => {
  it("gives back what went in, however long the names and however it is cut into chunks", async () => {
    const file = fc.record(
      {
        path: fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 }).filter((path) => !path.includes("\0")),
        bytes: fc.uint8Array({ maxLength: 1_500 }).map((bytes) => Buffer.from(bytes)),
      },
      { noNullPrototype: true },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(file, { maxLength: 5 }), fc.integer({ min: 1, max: 3_000 }), async (files, chunk) => {
        assert.deepEqual(await unpack(pack(files), chunk), files);
      }),
      { numRuns: 60 },
    );
  });

  it("is one that tar(1) lists", () => {
    const files = [
      { path: "a/b", bytes: Buffer.from("hello") },
      { path: `long/${"n".repeat(150)}`, bytes: Buffer.alloc(600, "x") },
    ];
    const { stdout, status } = spawnSync("tar", ["tvf", "-"], { input: pack(files), encoding: "utf8" });
    assert.equal(status, 0);
    assert.match(stdout, /-rw------- 0\/0 +5 .* a\/b\n/);
    assert.match(stdout, new RegExp(` 600 .* long/${"n".repeat(150)}\n`));
  });

  it("writes sizes beyond eleven octal digits in a way that is read back", async () => {
    const header = tarHeader("large", 8 ** 11, 0);
    for await (const { path, size } of readTar(Readable.from([header]))) {
      assert.deepEqual([path, size], ["large", 8 ** 11]);
      break;
    }
  });

  it("refuses what is damaged, cut off, no file, or goes on after its end", async () => {
    const whole = pack([{ path: "a", bytes: Buffer.from("hello") }]);
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(3) ^ 1, 3);
    await assert.rejects(unpack(damaged, 100), { name: "SyntaxError", message: "it is not a tar, or is damaged" });
    await assert.rejects(unpack(whole.subarray(0, 600), 100), { message: "it ends too early" });
    await assert.rejects(unpack(Buffer.concat([whole, Buffer.from("more")]), 100), {
      message: "there is something after its end",
    });
    const link = tarHeader("link", 0, 0);
    link.write("2", 156);
    link.write("        ", 148);
    const sum = link.reduce((total, byte) => total + byte, 0);
    link.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    await assert.rejects(unpack(Buffer.concat([link, TAR_END]), 512), { message: "link is a symbolic link" });
  });

  it("is plain ustar where everybody is to read it, and says where a path does not fit", async () => {
    const paths = ["a", `${"d/".repeat(60)}f`, `${"p".repeat(155)}/${"n".repeat(100)}`, `x/${"ü".repeat(49)}`];
    const files = paths.map((path) => ({ path, bytes: Buffer.from(path) }));
    const tar = Buffer.concat([
      ...files.flatMap(({ path, bytes }) => [ustarHeader(path, bytes.length, 0)!, bytes, tarPadding(bytes.length)]),
      TAR_END,
    ]);
    assert.deepEqual(await unpack(tar, 777), files);
    const { stdout } = spawnSync("tar", ["-tf", "-", "--quoting-style=literal"], { input: tar, encoding: "utf8" });
    assert.deepEqual(stdout.trim().split("\n"), paths);
    for (const path of ["n".repeat(101), `${"p".repeat(156)}/n`, `${"d/".repeat(200)}f`])
      assert.equal(ustarHeader(path, 1, 0), undefined, path);
    assert.equal(ustarHeader("large", 8 ** 11, 0), undefined);
  });
});
