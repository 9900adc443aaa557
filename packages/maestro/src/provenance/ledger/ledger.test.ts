import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, it } from "node:test";
import { leafDigest } from "../../core/digest.ts";
import { isConsistent, rootFromInclusion } from "../../core/merkle.ts";
import { fingerprintOf, keyidOf } from "../keyid.ts";
import { createSigner } from "../signer.ts";
import type { TrustRoot } from "../trust.ts";
import type { LedgerEntry } from "../../store/ledger.ts";
import { openSqlite } from "../../store/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { Ledger } from "./ledger.ts";
import { logKeys } from "./log-key.ts";
import { endorsements, readNote } from "./note.ts";
import { readProof } from "./proof.ts";
import { readEntries, tilesOf } from "./tile.ts";

const BUILDER = "https://example.com/installations/one";
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const signer = createSigner(privateKey, BUILDER);
const trustRoot: TrustRoot = {
  keys: [
    {
      keyid: keyidOf(publicKey),
      fingerprint: fingerprintOf(publicKey),
      publicKey,
      builder: BUILDER,
      validFrom: null,
      validUntil: null,
    },
  ],
};

let dir: string;
let store: Store;
let next: number;
beforeEach(async () => {
  next = 0;
  dir = mkdtempSync(join(tmpdir(), "maestro-ledger-"));
  store = await openSqlite({ path: join(dir, "maestro.db") });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const open = async (): Promise<Ledger> => Ledger.open({ store, signer, trustRoot, now: () => 1_763_700_000_000 });
const add = async (count: number): Promise<void> => {
  const ledger = Array.from({ length: count }, (): LedgerEntry => {
    const digest = `sha256:${String((next += 1)).padStart(64, "0")}`;
    return { kind: "receipt", run: `r_${next}`, text: JSON.stringify({ digest }) };
  });
  await store.commit({ runs: [], ledger });
};
const read = (note: string): ReturnType<typeof readCheckpoint> => {
  const parsed = readNote(note);
  assert.equal(endorsements(parsed, logKeys(trustRoot)).length, 1);
  return readCheckpoint(parsed.text);
};
/** What somebody does who may write the file. */
const edit = (sql: string): void => {
  const db = new DatabaseSync(join(dir, "maestro.db"));
  for (const { name } of db
    .prepare("select name from sqlite_master where type = 'trigger' and name like 'ledger%'")
    .all())
    db.exec(`drop trigger ${String(name)}`);
  db.exec(sql);
  db.close();
};

describe("the ledger", () => {
  it("lets others work while it reads what is new", async () => {
    const ledger = await open();
    await add(5_000);
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await ledger.checkpoint();
    isOver = true;
    assert.ok(turns > 5_000 / 256, `${turns} turns of the event loop`);
  });

  it("signs what is in it, once for each size, and the empty one too", async () => {
    const ledger = await open();
    assert.deepEqual(read((await ledger.checkpoint()).note), {
      origin: "example.com/installations/one",
      size: 0,
      root: Buffer.from("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "hex"),
    });
    await add(3);
    const [one, other] = await Promise.all([ledger.checkpoint(), ledger.checkpoint()]);
    assert.equal(one, other);
    assert.equal(read(one.note).size, 3);
    assert.deepEqual(await store.ledger.checkpoint(), one);
  });

  it("has one tree, however it grew and however often it was opened", async () => {
    await add(700);
    const atOnce = read((await (await open()).checkpoint()).note).root;
    const tiles = await store.ledger.hashes({ level: 1, from: 0, limit: 10 });
    assert.equal(tiles.length, 2);
    await store.close();
    rmSync(dir, { recursive: true });
    store = await openSqlite({ path: join(dir, "maestro.db") });
    next = 0;
    for (const count of [1, 254, 1, 1, 255, 188]) {
      await add(count);
      await (await open()).checkpoint();
    }
    assert.deepEqual(read((await store.ledger.checkpoint())!.note).root, atOnce);
    assert.deepEqual(await store.ledger.hashes({ level: 1, from: 0, limit: 10 }), tiles);
  });

  it("proves each receipt, in a file that needs nothing else", async () => {
    const ledger = await open();
    await add(300);
    for (const n of [1, 2, 256, 257, 300]) {
      const digest = `sha256:${String(next - 300 + n).padStart(64, "0")}`;
      const proof = readProof(await ledger.proofOf(`r_${next - 300 + n}`, digest));
      const { size, root } = read(proof.checkpoint);
      assert.equal(proof.index, n - 1);
      assert.equal(JSON.parse(String(proof.extra)).digest, digest);
      assert.deepEqual(rootFromInclusion(leafDigest(proof.extra!), { index: proof.index, size }, proof.hashes), root);
    }
    await assert.rejects(ledger.proofOf("r_1", "sha256:none"), { code: "not_found", message: /no entry of receipt/ });
  });

  it("proves several by the first checkpoint that covers them, whenever it is asked", async () => {
    const ledger = await open();
    const receipt = (n: number): { readonly run: string; readonly digest: string } => ({
      run: `r_${n}`,
      digest: `sha256:${String(n).padStart(64, "0")}`,
    });
    await add(300);
    await ledger.checkpoint();
    await add(300);
    const [older, newer] = [
      [receipt(7), receipt(299)],
      [receipt(7), receipt(301)],
    ];
    const first = await ledger.proofsOf(older);
    assert.equal(first.checkpoint.size, 300);
    const second = await ledger.proofsOf(newer);
    assert.equal(second.checkpoint.size, 600);
    await add(600);
    await ledger.checkpoint();
    const again = await open();
    assert.deepEqual(await again.proofsOf(older), first);
    assert.deepEqual(await again.proofsOf(newer), second);
    for (const { checkpoint, proofs } of [first, second])
      for (const text of proofs) {
        const { extra, index, hashes, checkpoint: note } = readProof(text!);
        assert.equal(note, checkpoint.note);
        const { size, root } = read(note);
        assert.deepEqual(rootFromInclusion(leafDigest(extra!), { index, size }, hashes), root);
      }
    assert.deepEqual((await ledger.proofsOf([receipt(7), { run: "r_7", digest: "sha256:none" }])).proofs, [
      first.proofs[0],
      undefined,
    ]);
  });

  it("proves to whoever saw it before that it only grew", async () => {
    const ledger = await open();
    const seen = [];
    for (const count of [5, 251, 60]) {
      await add(count);
      seen.push(read((await ledger.checkpoint()).note));
    }
    for (const older of seen) {
      const checkpoint = await ledger.checkpoint();
      const hashes = await ledger.consistencyWith(older.size, checkpoint.size);
      assert.equal(isConsistent(older, read(checkpoint.note), hashes), true);
    }
  });

  it("gives the tiles of what it signed, and no others", async () => {
    const ledger = await open();
    await add(600);
    const { size } = await ledger.checkpoint();
    await add(1);
    for (const tile of tilesOf(size)) {
      const bytes = await ledger.tile(tile);
      if (tile.level === "entries") assert.equal(readEntries(bytes!).length, tile.width);
      else assert.equal(bytes?.length, tile.width * 32);
    }
    const none = [
      { level: 0, index: 2, width: 89 },
      { level: 0, index: 2, width: 256 },
      { level: 0, index: 3, width: 1 },
      { level: 1, index: 0, width: 3 },
      { level: 2, index: 0, width: 1 },
      { level: "entries", index: 9_999_999, width: 256 },
    ] as const;
    for (const tile of none) assert.equal(await ledger.tile(tile), undefined);
    const earlier = await ledger.tile({ level: 0, index: 2, width: 10 });
    assert.equal(earlier?.length, 320, "a partial tile of an earlier checkpoint stays");
  });

  it("is checked entry by entry, with a pause after each page", async () => {
    const ledger = await open();
    await add(600);
    await ledger.checkpoint();
    const done: number[] = [];
    for await (const count of ledger.check()) done.push(count);
    assert.deepEqual(done, [256, 512, 600]);
  });

  for (const [what, sql, says] of [
    [
      "a changed entry",
      `update ledger_entry set text = '{}', checksum = ${crc32("{}")} where place = 590`,
      /have the root/,
    ],
    [
      "two that changed places",
      `update ledger_entry set place = -1 where place = 580; update ledger_entry set place = 580 where place = 581; update ledger_entry set place = 581 where place = -1`,
      /have the root/,
    ],
    ["a missing end", "delete from ledger_entry where place >= 599", /ends after 599 entries, and 600 were there/],
    [
      "a checkpoint of somebody else",
      `update ledger_checkpoint set note = replace(note, 'example.com', 'example.org'), checksum = 0`,
      /does not hold the checkpoint/,
    ],
    ["a checkpoint that is gone", "delete from ledger_checkpoint where size = 600", /more than the 400 entries/],
  ] as const) {
    it(`is refused when it is opened: ${what}`, async () => {
      const ledger = await open();
      await add(400);
      await ledger.checkpoint();
      await add(200);
      await ledger.checkpoint();
      edit(sql);
      await assert.rejects(open(), (error: { code?: string; message: string }) => {
        assert.match(String(error.code), /ledger_broken|store_corrupt/);
        assert.match(error.message, says);
        return true;
      });
    });
  }

  it("is whole also where it grows and is signed while it is checked", async () => {
    const ledger = await open();
    await add(600);
    await ledger.checkpoint();
    const done: number[] = [];
    for await (const count of ledger.check()) {
      done.push(count);
      await add(300);
      await ledger.checkpoint();
    }
    assert.deepEqual(done, [256, 512, 600]);
  });

  it("finds what was changed long ago when it checks everything", async () => {
    const ledger = await open();
    await add(5_000);
    await ledger.checkpoint();
    edit(`update ledger_entry set text = '{}', checksum = ${crc32("{}")} where place = 3`);
    const again = await open();
    await assert.rejects(
      async () => {
        for await (const done of again.check()) assert.equal(done, 0, "the first tile is wrong");
      },
      { code: "ledger_broken", message: /One of its entries 0 to 255 was changed/ },
    );
  });

  it("is not signed by a key that nobody knows", async () => {
    const other = createSigner(generateKeyPairSync("ed25519").privateKey, BUILDER);
    await assert.rejects(Ledger.open({ store, signer: other, trustRoot, now: () => 0 }), /not in the trust root/);
  });
});
