import { receiptEntry } from "../core/ledger-entry.ts";
import type { LedgerEntry } from "../store/ledger.ts";
import type { Ending, ReceiptRow, Sealing } from "../store/store.ts";
import type { SealedReceipt } from "./receipts.ts";
import { sealStatement, sealStatementAsync } from "./receipts.ts";
import { signerOf } from "./signer.ts";

/** Receipts as they are stored, and for each the entry of the ledger that names it. */
export interface Sealed {
  readonly receipts: readonly ReceiptRow[];
  readonly entries: readonly LedgerEntry[];
}

/** Signs what a batch ends, in its order: 60 µs each of the calling thread. */
export function sealBatch({ key, endings }: Sealing): Sealed {
  const signer = signerOf(key);
  const receipts = endings.map((ending) => rowOf(ending, sealStatement(ending.statement, signer)));
  return { receipts, entries: entriesOf(receipts, key) };
}

/** The same, signed on the thread pool while the caller does something else. */
export async function sealBatchAsync({ key, endings }: Sealing): Promise<Sealed> {
  const signer = signerOf(key);
  const receipts = await Promise.all(
    endings.map(async (ending) => rowOf(ending, await sealStatementAsync(ending.statement, signer))),
  );
  return { receipts, entries: entriesOf(receipts, key) };
}

function rowOf({ run, ordinal, createdAt }: Ending, { bundle, digest }: SealedReceipt): ReceiptRow {
  return { run, ordinal, digest, bundle, createdAt };
}

function entriesOf(receipts: readonly ReceiptRow[], { builder: source }: Sealing["key"]): readonly LedgerEntry[] {
  return receipts.map((receipt) => {
    const { run, createdAt: at } = receipt;
    return { kind: "receipt", run, text: receiptEntry(receipt, { source, run, at }) };
  });
}
