import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { NoteKey, NoteKeyKind } from "./note.ts";
import { cosign, endorsements, readNote, readNoteKey, signNote, writeNoteKey } from "./note.ts";

/** The note and the key that Go's own package for notes documents. */
const GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;

/** Made by transparency-dev/formats 0.1.0 (Go) with a key whose seed is 32 times the letter w. */
const GO_WITNESS = "witness.example/w1+773a6c12+BMhTrQ8M0rYZrqks7sT9VqJNZJnVhM55JX5Fz9gTm2Cn";
const GO_COSIGNED = `example.com/ledger
3
rrazvidqcKFPsGel5VeCZNsPqbUa9eoVkViPMp4G53c=

— witness.example/w1 dzpsEgAAAABrAfSq9Wy/9ARvm0VKuA8EA3eRGWhAjpdoz5MYBiGcslsYUgwXy6aPYUtcYabt+YmvxgnXT83Ti4EnsheOOlA525aQAA==
`;

const pair = (name: string, kind: NoteKeyKind) => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    key: { name, kind, publicKey } satisfies NoteKey,
    sign: (bytes: Uint8Array) => sign(null, bytes, privateKey),
  };
};
const log = pair("example.com/ledger", "log");
const witness = pair("witness.example/w1", "witness");
const TEXT = "example.com/ledger\n3\nrrazvidqcKFPsGel5VeCZNsPqbUa9eoVkViPMp4G53c=\n";
const NOTE = signNote(TEXT, log.key, log.sign);

describe("a signed note", () => {
  it("of another implementation is read, and its key written back the same", () => {
    const key = readNoteKey(GO_KEY);
    assert.equal(writeNoteKey(key), GO_KEY);
    assert.deepEqual(endorsements(readNote(GO_NOTE), [key]), [{ key }]);
  });

  it("of a witness in another language is read, and made byte for byte the same", () => {
    const key = readNoteKey(GO_WITNESS);
    assert.equal(writeNoteKey(key), GO_WITNESS);
    const note = readNote(GO_COSIGNED);
    assert.deepEqual(endorsements(note, [key]), [{ key, time: 1_795_290_282 }]);
    // RFC 8410: an Ed25519 key up to its seed.
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, "w")]);
    const seed = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const line = cosign(note.text, 1_795_290_282, key, (bytes) => sign(null, bytes, seed));
    assert.equal(`${note.text}\n${line}`, GO_COSIGNED);
  });

  it("says who signed it, of those that are known", () => {
    const whole = NOTE + cosign(TEXT, 1_679_315_147, witness.key, witness.sign);
    const note = readNote(whole);
    assert.equal(note.text, TEXT);
    assert.deepEqual(endorsements(note, [log.key, witness.key]), [
      { key: log.key },
      { key: witness.key, time: 1_679_315_147 },
    ]);
    assert.deepEqual(endorsements(note, [witness.key]), [{ key: witness.key, time: 1_679_315_147 }]);
    assert.deepEqual(endorsements(note, []), []);
    assert.deepEqual(endorsements(note, [pair(log.key.name, "log").key]), [], "the same name, another key");
    assert.deepEqual(endorsements(note, [{ ...log.key, kind: "witness" }]), [], "the same key for another purpose");
  });

  it("keeps empty lines of its text", () => {
    const text = "one\n\n\ntwo\n";
    assert.equal(readNote(signNote(text, log.key, log.sign)).text, text);
  });

  it("is spoilt by any changed byte of its text or of its signature", () => {
    const known = [log.key, witness.key];
    const note = NOTE + cosign(TEXT, 1_679_315_147, witness.key, witness.sign);
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = changed[at]! ^ flip;
        assert.ok(isLess(changed.toString("utf8"), known), changed.toString("utf8"));
      }),
      { numRuns: 2_000 },
    );
  });

  for (const [note, says] of [
    ["", /no empty line/],
    ["text\n", /no empty line/],
    ["text\n\n", /is no signature line/],
    [NOTE.slice(0, -1), /last line does not end/],
    [NOTE.replace("— ", "- "), /is no signature line/],
    [NOTE.replace("— example.com/ledger", "— example.com+ledger"), /is no signature line/],
    [NOTE.replace("3\n", "3\r\n"), /characters that no note may hold/],
    [`${NOTE}— a AAAA\n`, /not canonical base64/],
    [`${NOTE}— a AAAAAB==\n`, /not canonical base64/],
    [NOTE + "— a AAAAAAA=\n".repeat(64), /more than 64 signatures/],
    ["a".repeat(1024 * 1024) + NOTE, /larger than 1048576 bytes/],
    [`\uD800${NOTE}`, /characters that no note may hold/],
  ] as const) {
    it(`is refused: ${JSON.stringify(note.slice(0, 30))} ... ${says.source}`, () => {
      assert.throws(() => readNote(note), { name: "SyntaxError", message: says });
    });
  }

  it("is not made of what cannot be read back", () => {
    for (const text of ["no line break", "tab\t\n", "\uD800\n"])
      assert.throws(() => signNote(text, log.key, log.sign), /a note is text/);
    for (const name of ["", "two words", "a+b", "a\nb"])
      assert.throws(() => signNote(TEXT, { ...log.key, name }, log.sign), /is no name of a key/);
  });
});

describe("the key of a note", () => {
  it("is one line and comes back from it", () => {
    for (const { key } of [log, witness]) {
      const back = readNoteKey(writeNoteKey(key));
      assert.deepEqual([back.name, back.kind, back.publicKey.equals(key.publicKey)], [key.name, key.kind, true]);
    }
  });

  for (const [text, says] of [
    ["", /of the form name\+id\+key/],
    ["a+b+c", /of the form name\+id\+key/],
    [GO_KEY.replace("c74f20a3", "c74f20a4"), /its id c74f20a4 does not belong/],
    [GO_KEY.replace("Peter", "Piotr"), /its id c74f20a3 does not belong/],
    ["a+00000000+BRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", /not an Ed25519 key of a log or of a witness/],
    ["a+00000000+ARpc", /not an Ed25519 key of a log or of a witness/],
  ] as const) {
    it(`is refused: ${text}`, () => {
      assert.throws(() => readNoteKey(text), { name: "SyntaxError", message: says });
    });
  }
});

/** Whether fewer than all known keys stand for the text that was signed. */
function isLess(note: string, known: readonly NoteKey[]): boolean {
  try {
    const read = readNote(note);
    return read.text !== TEXT || endorsements(read, known).length < known.length ? endorsesLess(note, known) : false;
  } catch (error) {
    if (error instanceof SyntaxError) return true;
    throw error;
  }
}

/** Another text may be readable; nobody may stand for it. The same text may have lost a signature. */
function endorsesLess(note: string, known: readonly NoteKey[]): boolean {
  const read = readNote(note);
  const by = endorsements(read, known);
  return read.text === TEXT ? by.length < known.length : by.length === 0;
}
