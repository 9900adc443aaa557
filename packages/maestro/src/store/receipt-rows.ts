import { crc32 } from "node:zlib";
import { sha256 } from "../core/digest.ts";
import { DamagedRow } from "./rows.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import type { BundleForm } from "../provenance/envelope.ts";
import { fillForm } from "../provenance/envelope.ts";
import type { ReceiptRow } from "./store.ts";

/** What a bundle is put together of. */
interface Parts {
  readonly form: BundleForm;
  /** What was signed: JSON text. */
  readonly text: string;
  readonly signature: Uint8Array;
}

/** The id of a form, as lines, which is stored where it is not yet. */
export type FormId = (lines: string) => number;

/**
 * The values of receipt-put. A bundle carries its payload as base64, a third longer than it is, and what names its key: taken
 * apart a receipt of five steps has 2.0 KB instead of 2.9, so that two of them share a page.
 */
export function receiptValues(receipt: ReceiptRow, formId: FormId): Values {
  const { run, ordinal, digest, bundle, createdAt } = receipt;
  const parts = takeApart(bundle);
  if (parts !== undefined) return sealedValues({ ...receipt, ...parts }, formId);
  return [run, ordinal, digest, bundle, createdAt, wholeChecksum(receipt), null, null];
}

/** The same of a receipt that was put together just now. */
export function sealedValues(receipt: Place & Parts, formId: FormId): Values {
  const { run, ordinal, createdAt, form, text, signature } = receipt;
  const lines = linesOf(form);
  return [
    run,
    ordinal,
    "",
    text,
    createdAt,
    partsChecksum(receipt, { lines, text, signature }),
    formId(lines),
    signature,
  ];
}

type Values = (SqlValue | Uint8Array)[];

interface StoredReceipt extends Omit<ReceiptRow, "bundle"> {
  readonly text: string;
  readonly signature: Uint8Array | null;
  readonly checksum: number;
  readonly form: string | null;
  readonly formChecksum: number | null;
}

/** A row of receipt_row. */
export function readReceipt(row: SqlRow): ReceiptRow {
  const { text, signature, checksum, form, formChecksum, ...stored } = row as unknown as StoredReceipt;
  if (signature === null) {
    const whole: ReceiptRow = { ...stored, bundle: text };
    if (wholeChecksum(whole) !== checksum) throw damaged(stored);
    return whole;
  }
  if (form === null || crc32(form) !== formChecksum) throw damaged(stored);
  if (partsChecksum(stored, { lines: form, text, signature }) !== checksum) throw damaged(stored);
  const bundle = putTogether(form, { text, signature });
  return { ...stored, digest: sha256(bundle), bundle };
}

/** The values of receipt-form-put. */
export function formValues(lines: string): SqlValue[] {
  return [lines, crc32(lines)];
}

const PAYLOAD = `"payload":"`;
const SIGNATURE = `"sig":"`;

/** Undefined where it would not be put together again as it was. */
function takeApart(bundle: string): Parts | undefined {
  const before = splitAt(bundle, PAYLOAD);
  if (before === undefined) return undefined;
  const [head, payload, rest] = before;
  const after = splitAt(rest, SIGNATURE);
  if (after === undefined) return undefined;
  const [middle, signature, tail] = after;
  const parts: Parts = {
    form: [head, middle, tail],
    text: Buffer.from(payload, "base64").toString(),
    signature: Buffer.from(signature, "base64"),
  };
  return putTogether(linesOf(parts.form), parts) === bundle ? parts : undefined;
}

/** Up to and with `opening`, then up to the next quotation mark, then from that on. */
function splitAt(text: string, opening: string): readonly [string, string, string] | undefined {
  const from = text.indexOf(opening) + opening.length;
  const to = text.indexOf(`"`, from);
  return from < opening.length || to < 0 ? undefined : [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

/** A form as it is stored; one that holds a line break is not the same again. */
function linesOf(form: BundleForm): string {
  return form.join("\n");
}

function putTogether(lines: string, { text, signature }: Omit<Parts, "form">): string {
  const [head = "", middle = "", tail = ""] = lines.split("\n");
  return fillForm([head, middle, tail], { payload: Buffer.from(text), signature: Buffer.from(signature) });
}

function wholeChecksum({ run, ordinal, digest, bundle, createdAt }: ReceiptRow): number {
  return crc32(JSON.stringify([run, ordinal, digest, bundle, createdAt]));
}

type Place = Pick<ReceiptRow, "run" | "ordinal" | "createdAt">;

function partsChecksum(
  { run, ordinal, createdAt }: Place,
  { lines, text, signature }: Omit<Parts, "form"> & { readonly lines: string },
): number {
  return crc32(text, crc32(signature, crc32(`${run}/${ordinal}/${createdAt}`, crc32(lines))));
}

function damaged({ run, ordinal }: Place): DamagedRow {
  return new DamagedRow(`receipt ${ordinal} of run ${run}`, { run, ordinal });
}
