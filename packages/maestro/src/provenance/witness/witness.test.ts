import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { leafDigest } from "../../core/digest.ts";
import type { Hash } from "../../core/merkle.ts";
import { consistencyProof, rootOf, subtreeHash } from "../../core/merkle.ts";
import { MaestroError } from "../../core/problem.ts";
import { writeCheckpoint } from "../ledger/checkpoint.ts";
import type { NoteKey } from "../ledger/note.ts";
import { endorsements, readNote, signNote, writeNoteKey } from "../ledger/note.ts";
import { addLog, makeWitness, openWitness } from "./folder.ts";
import type { WitnessFolder } from "./folder.ts";
import { readSubmission, writeSubmission } from "./submission.ts";
import type { Seen, WitnessAnswer } from "./witness.ts";
import { addCheckpoint } from "./witness.ts";

const ORIGIN = "example.com/installations/one";

/** A log in memory whose history a test may choose. */
class Log {
  readonly key: NoteKey;
  readonly #private;
  readonly #leaves: Hash[];

  constructor(leaves: readonly string[], keys = generateKeyPairSync("ed25519"), name = ORIGIN) {
    this.key = { name, kind: "log", publicKey: keys.publicKey };
    this.#private = keys;
    this.#leaves = leaves.map((leaf) => leafDigest(Buffer.from(leaf)));
  }

  /** The same owner, another history. */
  fork(leaves: readonly string[]): Log {
    return new Log(leaves, this.#private, this.key.name);
  }

  checkpoint(size: number, extension = ""): string {
    const text = writeCheckpoint({ origin: this.key.name, size, root: rootOf(size, this.#read) });
    return signNote(text + extension, this.key, (bytes) => sign(null, bytes, this.#private.privateKey));
  }

  submission(old: number, size: number): string {
    const proof = consistencyProof(old, size, this.#read);
    return writeSubmission({ old, proof, checkpoint: this.checkpoint(size) });
  }

  readonly #read = (level: number, index: number): Hash =>
    subtreeHash(this.#leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
}

const entries = (count: number, name = "entry"): string[] => Array.from({ length: count }, (_, i) => `${name} ${i}`);

describe("a witness", () => {
  let dir: string;
  let folder: WitnessFolder;
  let log: Log;
  let seen: Seen[];
  const now = 1_763_700_000_500;
  const submit = (body: string): WitnessAnswer =>
    addCheckpoint(
      {
        key: folder.key,
        sign: (bytes) => folder.sign(bytes),
        heads: folder.heads,
        logs: () => folder.logs(),
        now: () => now,
        seen: (one) => seen.push(one),
      },
      body,
    );
  beforeEach(() => {
    dir = join(mkdtempSync(join(tmpdir(), "maestro-witness-")), "w");
    makeWitness(dir, "witness.example/w1", undefined);
    log = new Log(entries(600));
    addLog(dir, writeNoteKey(log.key));
    folder = openWitness(dir, undefined);
    seen = [];
  });
  afterEach(() => rmSync(join(dir, ".."), { recursive: true }));

  it("cosigns a log's first checkpoint, and each that continues the one before", () => {
    let old = 0;
    for (const size of [1, 2, 7, 256, 257, 600]) {
      const answer = submit(log.submission(old, size));
      assert.equal(answer.status, 200, answer.body);
      const note = readNote(log.checkpoint(size) + answer.body);
      assert.deepEqual(endorsements(note, [log.key, folder.key]), [
        { key: log.key },
        { key: folder.key, time: 1_763_700_000 },
      ]);
      old = size;
    }
    assert.deepEqual(seen.at(-1), { origin: ORIGIN, status: 200, size: 600, had: 257 });
  });

  it("has it on disk before it says so, and goes on from there", () => {
    submit(log.submission(0, 5));
    folder = openWitness(dir, undefined);
    assert.equal(submit(log.submission(0, 6)).status, 409);
    assert.equal(submit(log.submission(5, 6)).status, 200);
    assert.equal(submit(log.submission(6, 6)).status, 200, "again, for whoever lost the answer");
  });

  it("says of how many entries it knows where the old size is another one", () => {
    submit(log.submission(0, 7));
    for (const old of [0, 3, 8]) {
      const answer = submit(log.submission(old, 9));
      assert.deepEqual(answer, { status: 409, type: "text/x.tlog.size", body: "7\n" });
    }
    assert.deepEqual(
      seen.slice(1).map(({ alarm }) => alarm),
      [undefined, undefined, undefined],
      "nothing is wrong with a log that does not know",
    );
  });

  it("refuses a fork, another tree of the same size, and what goes back; and says that it saw it", () => {
    submit(log.submission(0, 300));
    const fork = log.fork([...entries(200), ...entries(400, "forged")]);
    assert.equal(submit(fork.submission(300, 400)).status, 422);
    const same = submit(fork.submission(300, 300));
    assert.deepEqual([same.status, same.body], [409, "300\n"]);
    assert.equal(submit(log.submission(100, 200)).status, 409);
    assert.deepEqual(
      seen.slice(1).map(({ alarm }) => alarm),
      [
        "nothing proves that its 400 entries begin with the 300 that were seen",
        "it signed two trees of 300 entries",
        "it signed 200 entries after 300 were seen",
      ],
    );
    assert.equal(submit(log.submission(300, 301)).status, 200, "the true one goes on");
  });

  it("refuses any changed proof: 422", () => {
    submit(log.submission(0, 300));
    const good = readSubmission(log.submission(300, 500));
    const [first, ...rest] = good.proof;
    for (const proof of [[], rest, [...good.proof, first!], [...rest, first!], good.proof.toReversed()])
      assert.equal(submit(writeSubmission({ ...good, proof })).status, 422);
    const flipped = Buffer.from(first!);
    flipped[0] = flipped[0]! ^ 1;
    assert.equal(submit(writeSubmission({ ...good, proof: [flipped, ...rest] })).status, 422);
    assert.equal(submit(writeSubmission(good)).status, 200);
  });

  it("refuses a proof where there is nothing to prove: 422", () => {
    const { checkpoint } = readSubmission(log.submission(0, 5));
    const proof = [leafDigest(Buffer.from("x"))];
    assert.equal(submit(writeSubmission({ old: 0, proof, checkpoint })).status, 422);
  });

  it("does not know other logs (404), nor who only claims to be one (403)", () => {
    const other = new Log(entries(3), undefined, "example.com/other");
    assert.equal(submit(other.submission(0, 3)).status, 404);
    assert.equal(submit(new Log(entries(3)).submission(0, 3)).status, 403, "another key under the same name");
    const broken = log
      .submission(0, 3)
      .replace(/(— \S+ \S{20})(.)/, (_, head: string, char: string) => head + (char === "A" ? "B" : "A"));
    assert.equal(submit(broken).status, 403);
    assert.equal(submit(log.submission(0, 3)).status, 200);
  });

  it("cosigns lines that a log adds to its checkpoint, and takes its newest key as well as its old one", () => {
    const checkpoint = log.checkpoint(4, "an extension\n");
    const answer = submit(writeSubmission({ old: 0, proof: [], checkpoint }));
    assert.equal(answer.status, 200);
    assert.equal(endorsements(readNote(checkpoint + answer.body), [folder.key]).length, 1);
    const next = new Log(entries(600));
    assert.equal(submit(next.submission(4, 6)).status, 403);
    addLog(dir, writeNoteKey(next.key));
    assert.equal(submit(next.submission(4, 6)).status, 200, "while it is up");
    assert.equal(submit(log.submission(6, 7)).status, 200);
  });

  it("stays readable with a checkpoint that bears as many signatures as a note may", () => {
    const checkpoint = log.checkpoint(4) + `— a ${Buffer.alloc(72).toString("base64")}\n`.repeat(63);
    assert.equal(submit(writeSubmission({ old: 0, proof: [], checkpoint })).status, 200);
    folder = openWitness(dir, undefined);
    assert.equal(submit(log.submission(4, 5)).status, 200);
  });

  for (const [body, says] of [
    ["", /no empty line/],
    ["old 0\n\n", /no empty line parts its text/],
    ["old 00\n\nCHECKPOINT", /is no number of entries/],
    ["old -1\n\nCHECKPOINT", /is no number of entries/],
    ["old 9007199254740993\n\nCHECKPOINT", /is no number of entries/],
    ["new 0\n\nCHECKPOINT", /does not begin with the old size/],
    ["old 4\n\nCHECKPOINT", /the old size 4 is beyond the checkpoint's 3/],
    ["old 0\nnonsense\n\nCHECKPOINT", /is no SHA-256 hash/],
    [`old 0\n${`${Buffer.alloc(32).toString("base64")}\n`.repeat(64)}\nCHECKPOINT`, /more than 63 lines/],
  ] as const) {
    it(`refuses what is none: ${JSON.stringify(body.slice(0, 40))}`, () => {
      const answer = submit(body.replace("CHECKPOINT", log.checkpoint(3)));
      assert.equal(answer.status, 400);
      assert.match(answer.body, says);
    });
  }

  it("answers everything that may come, and cosigns nothing of it", () => {
    const good = log.submission(0, 3);
    const { text } = readNote(readSubmission(good).checkpoint);
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.string({ maxLength: 3 }), (at, put) => {
        const changed = good.slice(0, at) + put + good.slice(at + 1);
        const { status } = submit(changed);
        if (status === 200) assert.equal(readNote(readSubmission(changed).checkpoint).text, text);
        else assert.ok([400, 403, 404, 409, 422].includes(status), `${status}`);
      }),
      { numRuns: 500 },
    );
  });

  it("does not start with a head that it did not sign, or that belongs to another log", () => {
    submit(log.submission(0, 5));
    const heads = join(dir, "heads");
    const [name = ""] = readdirSync(heads);
    const path = join(heads, name);
    const text = readFileSync(path, "utf8");
    const isCorrupt = (error: unknown): boolean =>
      error instanceof MaestroError && error.code === "store_corrupt" && error.message.includes(path);
    for (const forged of [text.replace("\n5\n", "\n4\n"), log.checkpoint(4), "", text.slice(0, -2)]) {
      writeFileSync(path, forged);
      assert.throws(() => openWitness(dir, undefined), isCorrupt, forged);
    }
    rmSync(path);
    writeFileSync(join(heads, `${"0".repeat(32)}.checkpoint`), text);
    assert.throws(() => openWitness(dir, undefined), /is about example\.com\/installations\/one/);
  });

  it("keeps its key from others, and is not made twice", () => {
    assert.throws(() => makeWitness(dir, "w", undefined), { code: "conflict" });
    assert.throws(() => makeWitness(join(dir, "x"), "has space", undefined), { code: "invalid_request" });
    assert.ok(!existsSync(join(dir, "x")));
    assert.throws(() => addLog(dir, writeNoteKey(folder.key)), /it is the key of a witness/);
    assert.throws(() => openWitness(join(dir, "nowhere"), undefined), { code: "not_found" });
    assert.equal(addLog(dir, writeNoteKey(log.key)).isNew, false);
  });

  it("encrypts its key with a passphrase", () => {
    const other = join(dir, "other");
    makeWitness(other, "w2", "secret words");
    assert.throws(() => openWitness(other, undefined), { code: "key_unusable" });
    assert.equal(openWitness(other, "secret words").key.name, "w2");
  });
});
