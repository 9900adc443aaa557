import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { describe, it } from "node:test";
import { leafDigest } from "../../core/digest.ts";
import { inclusionProof, rootFromInclusion, rootOf, subtreeHash } from "../../core/merkle.ts";
import type { ReadSubtree } from "../../core/merkle.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { readNote, signNote } from "./note.ts";
import { readProof, writeProof } from "./proof.ts";

const leaves = Array.from({ length: 21 }, (_, i) => leafDigest(Buffer.from(`entry ${i}`)));
const read: ReadSubtree = (level, index) => subtreeHash(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const ORIGIN = "example.com/ledger";
const TEXT = writeCheckpoint({ origin: ORIGIN, size: 21, root: rootOf(21, read) });
const CHECKPOINT = signNote(TEXT, { name: ORIGIN, kind: "log", publicKey }, (bytes) => sign(null, bytes, privateKey));
const PROOF = writeProof({ index: 20, hashes: inclusionProof(20, 21, read), checkpoint: CHECKPOINT });

describe("a checkpoint", () => {
  it("is three lines, and comes back from them", () => {
    const root = rootOf(21, read);
    assert.equal(TEXT, `${ORIGIN}\n21\n${Buffer.from(root).toString("base64")}\n`);
    assert.deepEqual(readCheckpoint(TEXT), { origin: ORIGIN, size: 21, root: Buffer.from(root) });
  });

  for (const [text, says] of [
    ["", /has an origin, a size and a root/],
    ["\n1\nx\n", /has an origin, a size and a root/],
    [TEXT.replace("\n21\n", "\n021\n"), /"021" is no number of entries/],
    [TEXT.replace("\n21\n", "\n-1\n"), /"-1" is no number of entries/],
    [TEXT.replace("\n21\n", "\n9007199254740993\n"), /is no number of entries/],
    [TEXT.replace("=\n", "\n"), /is no SHA-256 hash/],
    [`${TEXT}more\n`, /says more than origin, size and root/],
    [TEXT.slice(0, -1), /says more than origin, size and root/],
  ] as const) {
    it(`is refused: ${JSON.stringify(text.slice(-30))}`, () => {
      assert.throws(() => readCheckpoint(text), { name: "SyntaxError", message: says });
    });
  }
});

describe("a proof in a file", () => {
  it("comes back, and leads from the entry to the root that the log signed", () => {
    const { index, hashes, checkpoint } = readProof(PROOF);
    assert.equal(checkpoint, CHECKPOINT);
    const { size, root } = readCheckpoint(readNote(checkpoint).text);
    assert.deepEqual(rootFromInclusion(leafDigest(Buffer.from("entry 20")), { index, size }, hashes), root);
    assert.notDeepEqual(rootFromInclusion(leafDigest(Buffer.from("entry 19")), { index, size }, hashes), root);
  });

  it("may say something extra", () => {
    const extra = Buffer.from([0, 10, 255]);
    const text = writeProof({ ...readProof(PROOF), extra });
    assert.equal(text.split("\n")[1], "extra AAr/");
    assert.deepEqual(readProof(text).extra, extra);
  });

  it("of the only entry needs no hash", () => {
    const text = writeProof({ index: 0, hashes: [], checkpoint: CHECKPOINT });
    assert.deepEqual(readProof(text), { index: 0, hashes: [], checkpoint: CHECKPOINT });
  });

  for (const [text, says] of [
    ["", /no empty line/],
    [PROOF.replace("@v1", "@v2"), /does not begin with c2sp\.org\/tlog-proof@v1/],
    [PROOF.replace("index 20", "index 020"), /"020" is no number of entries/],
    [PROOF.replace("index 20\n", ""), /does not say the index/],
    [PROOF.replace("index 20", "extra ?\nindex 20"), /not canonical base64/],
    [PROOF.replace("index 20\n", `index 20\n${"A\n".repeat(64)}`), /more than 63 hashes/],
    [PROOF.replace("index 20\n", "index 20\nAAAA\n"), /is no SHA-256 hash/],
  ] as const) {
    it(`is refused: ${says.source}`, () => {
      assert.throws(() => readProof(text), { name: "SyntaxError", message: says });
    });
  }
});
