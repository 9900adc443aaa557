import { MaestroError } from "../core/problem.ts";
import type { ReceiptKey, ReceiptRow, Store } from "../store/store.ts";
import type { Access } from "./access.ts";
import type { ApiRequest } from "./api-request.ts";
import { IF_NONE_MATCH, tagOf, unchanged } from "./etag.ts";
import { integer, optional, text } from "./field.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** A receipt's id, and a page's cursor. */
const KEY_PATTERN = "^[a-z0-9_]{1,64}\\.[0-9]{1,7}$";

export const getRunReceipt = route({
  method: "GET",
  path: "/v1/runs/{run}/receipt",
  operation: "getRunReceipt",
  access: { action: "receipt.export", as: "evidence" },
  summary:
    "The run's signed receipt, a Sigstore bundle. A retried run has several: the newest, or the one with that ordinal.",
  query: { ordinal: optional(integer("1 is the first.", { min: 1, max: 1_000_000 })) },
  answers: [
    {
      status: 200,
      type: BUNDLE,
      schema: "SigstoreBundle",
      description:
        "The bundle; `maestro-receipt-digest` and `maestro-receipt-ordinal` say which. With `ETag`; 304 for `If-None-Match`.",
    },
  ],
  headers: [IF_NONE_MATCH],
  async handle({ store }, { request, params, query, access }) {
    return bundleOf(request, await findReceipt(store, access, params.run, query.ordinal));
  },
});

export const listReceipts = route({
  method: "GET",
  path: "/v1/receipts",
  operation: "listReceipts",
  access: { action: "receipt.read", as: "evidence" },
  summary: "Receipts, those of the newest run first, in keyset pages.",
  query: {
    limit: optional(integer("Default 50.", { min: 1, max: 500 })),
    cursor: optional(text("`cursor` of the page before.", { max: 100, pattern: KEY_PATTERN })),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "ReceiptList",
      description:
        "`receipts`: id, run, ordinal, digest and createdAt of each, and `cursor` of the next page, null at the end.",
    },
  ],
  async handle({ store }, { query, access }) {
    const limit = query.limit ?? 50;
    const namespaces = await access.inNamespaces();
    const page = await store.receiptList({
      limit,
      ...(namespaces === undefined ? {} : { namespaces }),
      ...(query.cursor === undefined ? {} : { before: keyOf(query.cursor) }),
    });
    return object("ReceiptList", {
      receipts: page.receipts.map(({ run, ordinal, digest, createdAt }) => ({
        id: `${run}.${ordinal}`,
        run,
        ordinal,
        digest,
        createdAt,
      })),
      cursor: page.cursor === null ? null : `${page.cursor.run}.${page.cursor.ordinal}`,
    });
  },
});

export const getReceipt = route({
  method: "GET",
  path: "/v1/receipts/{receipt}",
  operation: "getReceipt",
  access: { action: "receipt.export", as: "evidence" },
  summary: "One receipt by its id, `RUN.ORDINAL`; without an ordinal the run's newest.",
  answers: [
    {
      status: 200,
      type: BUNDLE,
      schema: "SigstoreBundle",
      description:
        "The bundle; `maestro-receipt-digest` and `maestro-receipt-ordinal` say which. With `ETag`; 304 for `If-None-Match`.",
    },
  ],
  headers: [IF_NONE_MATCH],
  async handle({ store }, { request, params, access }) {
    const { receipt } = params;
    if (!new RegExp(KEY_PATTERN).test(receipt))
      return bundleOf(request, await findReceipt(store, access, receipt, undefined));
    const { run, ordinal } = keyOf(receipt);
    return bundleOf(request, await findReceipt(store, access, run, ordinal));
  },
});

function keyOf(id: string): ReceiptKey {
  const [run = "", ordinal = ""] = id.split(".");
  return { run, ordinal: Number(ordinal) };
}

export async function findReceipt(
  store: Store,
  access: Access,
  reference: string,
  ordinal: number | undefined,
): Promise<ReceiptRow> {
  const run = await access.onRun(reference);
  const receipt = await store.receiptGet(run.id, ordinal);
  if (receipt !== undefined) return receipt;
  const why =
    ordinal === undefined
      ? `Run ${run.id} has no receipt; it is ${run.status}.`
      : `Run ${run.id} has no receipt number ${ordinal}.`;
  throw new MaestroError("not_found", why, {
    fix: `A run has its receipt when it ends: \`maestro watch ${run.id}\`.`,
  });
}

function bundleOf(request: ApiRequest, receipt: ReceiptRow): Response {
  const same = unchanged(request, receipt.digest);
  if (same !== undefined) return same;
  return bytes(new TextEncoder().encode(receipt.bundle), BUNDLE, {
    "maestro-receipt-digest": receipt.digest,
    "maestro-receipt-ordinal": String(receipt.ordinal),
    "maestro-run": receipt.run,
    etag: tagOf(receipt.digest),
  });
}
