import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { RunEvent } from "../core/event.ts";
import { keepError } from "../runner/keep-error.ts";
import { openBlobs } from "../store/blob-files.ts";
import type { BlobStore } from "../store/blobs.ts";
import { decodeEvent, encodeEvent } from "./codec.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

describe("an event as text", () => {
  let folder: string;
  let blobs: BlobStore;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "maestro-codec-"));
    blobs = await openBlobs(folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("keeps what is large in a blob, says how long a list is, and means the same", async () => {
    const items = Array.from({ length: 10_000 }, (_, n) => n);
    const event = { seq: 1, at: 1, kind: "task_expanded", task: "t", items } as RunEvent;
    const text = await encodeEvent(event, 1024, blobs);
    assert.ok(text.length < 400);
    const stored = JSON.parse(text) as { readonly items: unknown; readonly blobs: readonly object[] };
    assert.equal(stored.items, null);
    assert.partialDeepStrictEqual(stored.blobs, [{ path: ["items"], length: 10_000 }]);
    assert.deepEqual(await decodeEvent(text, blobs), event);
  });

  it("has every error in itself, however much a task had to say", async () => {
    const { error } = keepError({
      code: "X".repeat(64),
      message: "\u0001".repeat(50_000),
      details: "x".repeat(12_000),
    });
    const event = {
      seq: 1,
      at: 1,
      kind: "attempt_finished",
      task: "t",
      item: -1,
      attempt: 1,
      result: { ok: false, error, output: "y".repeat(100_000) },
    } as RunEvent;
    const text = await encodeEvent(event, DEFAULT_LIMITS.inlineBytes, blobs);
    const stored = JSON.parse(text) as { readonly result: { readonly error: object; readonly output: unknown } };
    assert.deepEqual(stored.result.error, error);
    assert.equal(stored.result.output, null);
  });
});
