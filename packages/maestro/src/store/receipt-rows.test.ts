import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { sha256 } from "../core/digest.ts";
import { sealReceipt } from "../provenance/receipts.ts";
import { sealBatch } from "../provenance/seal-batch.ts";
import { createSigner } from "../provenance/signer.ts";
import { receiptValues, sealedValues } from "./receipt-rows.ts";
import { begin, sampleRun } from "./sample.ts";
import { openSqlite } from "./sqlite.ts";
import type { ReceiptRow, Store } from "./store.ts";

const RUN = sampleRun(1);

let dir: string;
let path: string;
let store: Store;
let other: DatabaseSync;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "maestro-receipts-"));
  path = join(dir, "maestro.db");
  store = await openSqlite({ path });
  await store.commit({ runs: [begin(RUN)] });
  other = new DatabaseSync(path);
});
afterEach(async () => {
  other.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

const newSigner = (): ReturnType<typeof createSigner> =>
  createSigner(generateKeyPairSync("ed25519").privateKey, "https://example.test/builder");
const signer = newSigner();

function sealed(ordinal: number, predicate: Record<string, string> = {}, by = signer): ReceiptRow {
  return { run: RUN.id, ordinal, ...sealReceipt({ _type: "statement", predicate }, by), createdAt: 1_000 + ordinal };
}

const put = async (...receipts: readonly ReceiptRow[]): Promise<unknown> => store.commit({ runs: [], receipts });
const raw = (sql: string): Record<string, unknown> => ({ ...other.prepare(sql).get() });

describe("the row of a receipt", () => {
  it("holds it in parts, what is common to all of a key once, and gives it back byte for byte", async () => {
    const bundles = fc.sample(fc.dictionary(fc.string(), fc.string({ unit: "grapheme" }), { maxKeys: 30 }), 200);
    const receipts = bundles.map((predicate, n) => sealed(n + 1, predicate));
    await put(...receipts);
    for (const receipt of receipts) assert.deepEqual(await store.receiptGet(RUN.id, receipt.ordinal), receipt);
    await put(sealed(500, {}, newSigner()));
    const { parts, forms, bytes } = raw(
      "select count(form) as parts, (select count(*) from receipt_form) as forms, sum(length(text)) as bytes from receipt",
    );
    assert.deepEqual([parts, forms], [201, 2]);
    assert.ok(Number(bytes) < receipts.reduce((sum, { bundle }) => sum + bundle.length, 0) * 0.75);
    const { receipts: listed } = await store.receiptList({ limit: 3 });
    assert.deepEqual(
      listed.map(({ ordinal }) => ordinal),
      [500, 200, 199],
    );
  });

  it("is the same where the receipt was sealed just now", () => {
    const statements = fc.sample(fc.dictionary(fc.string(), fc.string({ unit: "grapheme" })), 50);
    const endings = statements.map((one, n) => ({
      run: RUN.id,
      ordinal: n,
      statement: JSON.stringify(one),
      createdAt: n,
    }));
    const { receipts } = sealBatch({ key: signer.key, endings });
    for (const sealedNow of receipts) {
      const { form: _, text: __, signature: ___, ...receipt } = sealedNow;
      const lines: string[] = [];
      const values = [sealedValues, receiptValues].map((of) =>
        of({ ...sealedNow, ...receipt }, (form) => lines.push(form)),
      );
      assert.deepEqual(values[0]?.with(6, 0), values[1]?.with(6, 0));
      assert.equal(lines[0], lines[1]);
    }
  });

  it("holds as it is what could not be put together again", async () => {
    const { bundle } = sealed(1);
    const odd = [
      "{}",
      "",
      '{"payload":"',
      JSON.stringify(JSON.parse(bundle), null, 2),
      bundle.replace("{", "{\n"),
      bundle.replace('"payload":"', '"payload":"\\u0041'),
      bundle.replace('"payload":"', '"payload":"/////'),
      bundle.replace(/"sig":"./, '"sig":"='),
    ];
    const receipts = odd.map((text, n) => ({ ...sealed(n + 1), bundle: text, digest: sha256(text) }));
    await put(...receipts);
    for (const receipt of receipts) assert.deepEqual(await store.receiptGet(RUN.id, receipt.ordinal), receipt);
    assert.deepEqual(raw("select count(form) as parts from receipt"), { parts: 0 });
  });

  it("is known to be damaged, whichever part of it is", async () => {
    await put(sealed(1));
    const good = await store.receiptGet(RUN.id, 1);
    other.exec("drop trigger receipt_no_update; drop trigger receipt_form_no_update");
    const saved = { ...raw("select * from receipt"), form: raw("select text from receipt_form")["text"] } as const;
    const damages = [
      "receipt set text = text || ' '",
      "receipt set signature = zeroblob(64)",
      "receipt set signature = null",
      "receipt set created_at = 7",
      "receipt set form = 99",
      "receipt_form set text = replace(text, 'v0.3', 'v0.4')",
    ];
    for (const damage of damages) {
      other.exec(`update ${damage}`);
      await assert.rejects(
        store.receiptGet(RUN.id, 1),
        { code: "store_corrupt", message: /receipt 1 of run / },
        damage,
      );
      const { text, signature, created_at: at, form } = saved as Record<string, string>;
      other.prepare("update receipt set text = ?, signature = ?, created_at = ?, form = 1").run(text!, signature!, at!);
      other.prepare("update receipt_form set text = ?").run(form!);
      assert.deepEqual(await store.receiptGet(RUN.id, 1), good);
    }
  });

  it("names a form that is there, also after a commit that stored a new one was taken back", async () => {
    const twice = sealed(1);
    await assert.rejects(put(twice, twice));
    assert.deepEqual(raw("select count(*) as forms from receipt_form"), { forms: 0 });
    await put(twice);
    assert.deepEqual(await store.receiptGet(RUN.id, 1), twice);
  });
});
