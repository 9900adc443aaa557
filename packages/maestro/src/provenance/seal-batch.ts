import { receiptEntry } from "../core/ledger-entry.ts";
import type { LedgerEntry } from "../store/ledger.ts";
import type { ReceiptRow, Sealing } from "../store/store.ts";
import type { BundleForm } from "./envelope.ts";
import { receiptForm, sealStatement } from "./receipts.ts";
import { signerOf } from "./signer.ts";

/** A receipt, and what it was put together of. */
export interface SealedRow extends ReceiptRow {
  readonly form: BundleForm;
  /** The statement's JSON text. */
  readonly text: string;
  readonly signature: Buffer;
}

/** Receipts, and for each the entry of the ledger that names it. */
export interface Sealed {
  readonly receipts: readonly SealedRow[];
  readonly entries: readonly LedgerEntry[];
}

/** Signs what a batch ends, in its order: 60 µs each of the calling thread, which is the one that writes. */
export function sealBatch({ key, endings }: Sealing): Sealed {
  const signer = signerOf(key);
  const form = receiptForm(signer);
  const receipts = endings.map(({ statement: text, run, ordinal, createdAt }): SealedRow => {
    const { bundle, digest, signature } = sealStatement(text, signer, form);
    return { run, ordinal, digest, bundle, createdAt, form, text, signature };
  });
  const entries = receipts.map((receipt): LedgerEntry => {
    const { run, createdAt: at } = receipt;
    return { kind: "receipt", run, text: receiptEntry(receipt, { source: key.builder, run, at }) };
  });
  return { receipts, entries };
}
