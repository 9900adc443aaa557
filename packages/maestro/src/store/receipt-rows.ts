import { crc32 } from "node:zlib";
import { sha256 } from "../core/digest.ts";
import { DamagedRow } from "./rows.ts";
import type { SqlRow, SqlValue } from "./sql.ts";
import type { ReceiptRow } from "./store.ts";

/** What of a bundle is its own; `form` is the rest of it, three lines between which they belong. */
interface Parts {
  readonly form: string;
  /** What was signed: JSON text. */
  readonly text: string;
  readonly signature: Uint8Array;
}

/** The id of a form, which is stored where it is not yet. */
export type FormId = (form: string) => number;

/**
 * The values of receipt-put. A bundle carries its payload as base64, a third longer than it is, and what names its key: taken
 * apart a receipt of five steps has 2.0 KB instead of 2.9, so that two of them share a page.
 */
export function receiptValues(receipt: ReceiptRow, formId: FormId): (SqlValue | Uint8Array)[] {
  const { run, ordinal, digest, bundle, createdAt } = receipt;
  const parts = takeApart(bundle);
  if (parts === undefined) return [run, ordinal, digest, bundle, createdAt, wholeChecksum(receipt), null, null];
  const { text, signature } = parts;
  return [run, ordinal, "", text, createdAt, partsChecksum(receipt, parts), formId(parts.form), signature];
}

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
  const parts = { form, text, signature };
  if (partsChecksum(stored, parts) !== checksum) throw damaged(stored);
  const bundle = putTogether(parts);
  return { ...stored, digest: sha256(bundle), bundle };
}

/** The values of receipt-form-put. */
export function formValues(form: string): SqlValue[] {
  return [form, crc32(form)];
}

const PAYLOAD = `"payload":"`;
const SIGNATURE = `"sig":"`;

/** Undefined where it would not be put together again as it was. */
function takeApart(bundle: string): Parts | undefined {
  const [head, payload, rest] = splitAt(bundle, PAYLOAD) ?? [];
  const [middle, signature, tail] = splitAt(rest ?? "", SIGNATURE) ?? [];
  if (payload === undefined || signature === undefined) return undefined;
  const parts = {
    form: [head, middle, tail].join("\n"),
    text: Buffer.from(payload, "base64").toString(),
    signature: Buffer.from(signature, "base64"),
  };
  return putTogether(parts) === bundle ? parts : undefined;
}

/** Up to and with `opening`, then up to the next quotation mark, then from that on. */
function splitAt(text: string, opening: string): readonly [string, string, string] | undefined {
  const from = text.indexOf(opening) + opening.length;
  const to = text.indexOf(`"`, from);
  return from < opening.length || to < 0 ? undefined : [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

function putTogether({ form, text, signature }: Parts): string {
  const [head, middle, tail] = form.split("\n");
  return `${head}${Buffer.from(text).toString("base64")}${middle}${Buffer.from(signature).toString("base64")}${tail}`;
}

function wholeChecksum({ run, ordinal, digest, bundle, createdAt }: ReceiptRow): number {
  return crc32(JSON.stringify([run, ordinal, digest, bundle, createdAt]));
}

type Place = Pick<ReceiptRow, "run" | "ordinal" | "createdAt">;

function partsChecksum({ run, ordinal, createdAt }: Place, { form, text, signature }: Parts): number {
  return crc32(text, crc32(signature, crc32(`${run}/${ordinal}/${createdAt}`, crc32(form))));
}

function damaged({ run, ordinal }: Place): DamagedRow {
  return new DamagedRow(`receipt ${ordinal} of run ${run}`, { run, ordinal });
}
