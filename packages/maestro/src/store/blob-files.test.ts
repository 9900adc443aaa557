import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sha256, type Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import { openBlobs } from "./blob-files.ts";
import { storageError } from "./storage-error.ts";

describe("openBlobs()", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "maestro-blobs-"));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const bytes = new TextEncoder().encode("release evidence\n");
  const digest = sha256(bytes);

  it("gives back what was put, under the digest of its bytes, also after opening again", async () => {
    const blobs = await openBlobs(join(dir, "a"));
    assert.deepEqual(await blobs.put(bytes), { digest, size: bytes.byteLength });
    const again = await openBlobs(join(dir, "a"));
    assert.deepEqual(new Uint8Array((await again.get(digest)) ?? []), bytes);
    const path = await again.path(digest);
    assert.equal(path, join(dir, "a", "sha256", digest.slice(7, 9), digest.slice(7)));
    assert.deepEqual(new Uint8Array(await readFile(path ?? "")), bytes);
  });

  it("stores the same bytes once, however many put them at the same time", async () => {
    const blobs = await openBlobs(join(dir, "b"));
    await Promise.all(Array.from({ length: 20 }, () => blobs.put(bytes)));
    await blobs.put(bytes);
    assert.deepEqual(await readdir(join(dir, "b", "sha256", digest.slice(7, 9))), [digest.slice(7)]);
    assert.deepEqual(await readdir(join(dir, "b", "incoming")), []);
  });

  it("copies files of any size in, and an empty one", async () => {
    const blobs = await openBlobs(join(dir, "c"));
    const big = Buffer.alloc(5_000_001, "maestro ");
    await writeFile(join(dir, "big"), big);
    await writeFile(join(dir, "empty"), "");
    assert.deepEqual(await blobs.putFile(join(dir, "big")), { digest: sha256(big), size: big.byteLength });
    assert.deepEqual(await blobs.putFile(join(dir, "big")), { digest: sha256(big), size: big.byteLength });
    assert.deepEqual(await blobs.putFile(join(dir, "empty")), { digest: sha256(""), size: 0 });
    assert.deepEqual(await blobs.get(sha256(big)), big);
    assert.deepEqual(await readdir(join(dir, "c", "incoming")), []);
  });

  it("names a damaged file and mends one that lost its end when the bytes come again", async () => {
    const blobs = await openBlobs(join(dir, "d"));
    await blobs.put(bytes);
    const path = (await blobs.path(digest)) ?? "";
    await truncate(path, 3);
    await assert.rejects(blobs.get(digest), (error: unknown) => {
      assert(error instanceof MaestroError);
      assert.equal(error.code, "store_corrupt");
      assert.match(error.message, new RegExp(path.replaceAll("/", "\\/")));
      return true;
    });
    await blobs.put(bytes);
    assert.deepEqual(new Uint8Array((await blobs.get(digest)) ?? []), bytes);
  });

  it("knows nothing of other digests, and a digest is never a path", async () => {
    const blobs = await openBlobs(join(dir, "e"));
    assert.equal(await blobs.get(sha256("nothing")), undefined);
    assert.equal(await blobs.path(sha256("nothing")), undefined);
    const hostile: Digest = `sha256:${"../".repeat(5)}etc/passwd`;
    assert.equal(await blobs.get(hostile), undefined);
    assert.equal(await blobs.path(hostile), undefined);
  });

  it("refuses what is no file and says so", async () => {
    const blobs = await openBlobs(join(dir, "f"));
    await mkdir(join(dir, "folder"), { recursive: true });
    await symlink("/dev/zero", join(dir, "endless"));
    await assert.rejects(blobs.putFile(join(dir, "folder")), { code: "storage_failed", message: /not a regular file/ });
    await assert.rejects(blobs.putFile(join(dir, "endless")), {
      code: "storage_failed",
      message: /not a regular file/,
    });
    await assert.rejects(blobs.putFile(join(dir, "missing")), { code: "storage_failed", message: /missing/ });
  });

  it("clears what a dead process left half written", async () => {
    await openBlobs(join(dir, "g"));
    // Linux never gives this number to a process (the ceiling is 2^22).
    await writeFile(join(dir, "g", "incoming", "99999999-abc"), "half");
    await openBlobs(join(dir, "g"));
    assert.deepEqual(await readdir(join(dir, "g", "incoming")), []);
  });
});

describe("storageError()", () => {
  const rows = [
    ["ENOSPC", "storage_full"],
    ["EDQUOT", "storage_full"],
    ["EIO", "storage_failed"],
    ["EACCES", "storage_failed"],
  ] as const;
  for (const [from, to] of rows) {
    it(`${from} is ${to}`, () => {
      const error = storageError(Object.assign(new Error(from), { code: from }), "/data/x");
      assert.equal(error.code, to);
      assert.match(error.message, /\/data\/x/);
    });
  }
});
