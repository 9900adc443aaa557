import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chain, sha256, type Digest } from "../src/core/digest.ts";
import type { RunEvent } from "../src/core/event.ts";
import { statement } from "../src/core/receipt.ts";
import { encodeEvent } from "../src/engine/codec.ts";
import { sealReceipt } from "../src/provenance/receipts.ts";
import { checkReceipt, type Verification } from "../src/provenance/verify.ts";
import type { BlobStore } from "../src/store/blobs.ts";
import { failedCheck, sampleKey, sampleRun } from "./support/receipt-sample.ts";

/** A blob store in memory: enough for what events move out. */
function memoryBlobs(): { readonly store: BlobStore; readonly blobs: Map<Digest, Uint8Array> } {
  const blobs = new Map<Digest, Uint8Array>();
  const store: BlobStore = {
    put: async (bytes) => {
      blobs.set(sha256(bytes), bytes);
      return { digest: sha256(bytes), size: bytes.length };
    },
    putFile: async () => Promise.reject(new TypeError("events hold no files")),
    get: async (digest) => blobs.get(digest),
    path: async () => undefined,
  };
  return { store, blobs };
}

describe("a receipt whose events have values in blobs", async () => {
  const key = sampleKey();
  const { facts, events, planText } = sampleRun({ path: "long/".repeat(1000) });
  const { store, blobs } = memoryBlobs();
  // As the engine stores them, with a limit that inputs and outputs of this sample are above.
  const stored: string[] = [];
  for (const text of events) stored.push(await encodeEvent(JSON.parse(text) as RunEvent, 4096, store));
  const head = stored.reduce<Digest | "">((link, text) => chain(link, text), "") as Digest;
  const { bundle } = sealReceipt(statement({ ...facts, events: { count: stored.length, head } }), key.signer);

  function verify(blob?: (digest: Digest) => Uint8Array | undefined): Verification {
    const request = { trustRoot: key.trustRoot, plan: planText, events: stored };
    return checkReceipt(Buffer.from(bundle), blob === undefined ? request : { ...request, blob }, []);
  }

  function history(verification: Verification): string {
    return verification.checks.find((check) => check.id === "history")?.detail ?? "";
  }

  it("is compared as a whole when the blobs are given", () => {
    assert.equal(blobs.size, 3);
    const verification = verify((digest) => blobs.get(digest));
    assert.equal(failedCheck(verification), undefined);
    assert.match(history(verification), /gives this statement, member for member/);
  });

  it("verifies without them, and says what was not compared", () => {
    const verification = verify();
    assert.equal(failedCheck(verification), undefined);
    assert.match(
      history(verification),
      /^run, plan, status, times, decisions are .*not compared without \d+ large values that lie in blobs$/,
    );
  });

  it("fails for a blob that is another", () => {
    const verification = verify(() => Buffer.from("{}"));
    assert.equal(failedCheck(verification)?.id, "history");
    assert.match(
      failedCheck(verification)?.detail ?? "",
      /event 1 needs the blob "sha256:.*", the one given is sha256:/,
    );
  });
});
