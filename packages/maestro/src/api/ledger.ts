import type { JsonObject } from "../core/json.ts";
import { MaestroError } from "../core/problem.ts";
import { readCheckpoint } from "../provenance/ledger/checkpoint.ts";
import { readNote } from "../provenance/ledger/note.ts";
import { parseTilePath } from "../provenance/ledger/tile.ts";
import { REPLY_TYPE } from "../provenance/timestamp/request.ts";
import { noCheckpoint } from "../provenance/witness/cosigning.ts";
import { integer, optional, text } from "./field.ts";
import { findReceipt } from "./receipts.ts";
import { bytes, object } from "./respond.ts";
import { route } from "./route.ts";

const TEXT = "text/plain; charset=utf-8";
/** A tile never changes. */
const FOR_GOOD = { "cache-control": "private, max-age=31536000, immutable" };

export const listLedger = route({
  method: "GET",
  path: "/v1/ledger/entries",
  operation: "listLedger",
  access: { action: "ledger.read", as: "evidence" },
  summary: "What the ledger says, oldest first, in pages: each entry a CloudEvent about a decision or a receipt.",
  query: {
    limit: optional(integer("Default 100.", { min: 1, max: 1_000 })),
    cursor: optional(
      text("`cursor` of the page before, or the place to begin at.", { max: 16, pattern: "^[0-9]{1,15}$" }),
    ),
    run: optional(text("Only what is about this run.", { max: 64 })),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "LedgerList",
      description: "`entries`: place, kind, run and the event itself; `cursor` of the next page, null at the end.",
    },
  ],
  async handle({ store }, { query, access }) {
    await access.onInstallation();
    const limit = query.limit ?? 100;
    const rows = await store.ledger.entries({
      from: Number(query.cursor ?? 0),
      limit,
      ...(query.run === undefined ? {} : { run: query.run }),
    });
    const last = rows.at(-1);
    return object("LedgerList", {
      entries: rows.map(({ place, kind, run, text }) => ({ place, kind, run, event: JSON.parse(text) as JsonObject })),
      cursor: last === undefined || rows.length < limit ? null : String(last.place + 1),
    });
  },
});

export const checkLedger = route({
  method: "GET",
  path: "/v1/ledger/check",
  operation: "checkLedger",
  access: { action: "ledger.read", as: "evidence" },
  summary:
    "Hashes every entry again and compares the tree with the newest signed checkpoint. A million entries take about five seconds.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "LedgerCheck",
      description: "It is the ledger that was signed. Otherwise `ledger_broken` says where it is not.",
    },
  ],
  async handle({ ledger }, { access }) {
    await access.onInstallation();
    const log = await ledger();
    const { note, signedAt } = await log.checkpoint();
    let checked = 0;
    for await (const done of log.check()) checked = done;
    const { size, root } = readCheckpoint(readNote(note).text);
    return object("LedgerCheck", { size, checked, root: Buffer.from(root).toString("base64"), signedAt });
  },
});

export const getCheckpoint = route({
  method: "GET",
  path: "/ledger/checkpoint",
  operation: "getCheckpoint",
  access: { action: "ledger.read", as: "evidence" },
  summary:
    "The ledger's newest checkpoint, signed anew where it has grown, with what witnesses put under it: a signed note (c2sp.org/tlog-checkpoint).",
  query: {
    size: optional(integer("An earlier one, of so many entries.", { min: 0, max: Number.MAX_SAFE_INTEGER })),
  },
  answers: [{ status: 200, type: "text/plain", description: "Origin, number of entries, root; then the signatures." }],
  async handle({ ledger, store, cosigning }, { query, access }) {
    await access.onInstallation();
    const newest = query.size === undefined ? await (await ledger()).checkpoint() : undefined;
    if (newest !== undefined) return bytes(Buffer.from(await cosigning.cosigned(newest)), TEXT);
    const earlier = await store.witness.checkpoint(query.size ?? 0);
    if (earlier === undefined) throw noCheckpoint(query.size ?? 0);
    return bytes(Buffer.from(await cosigning.noteOf(earlier)), TEXT);
  },
});

export const proveConsistency = route({
  method: "GET",
  path: "/v1/ledger/consistency",
  operation: "proveConsistency",
  access: { action: "ledger.read", as: "evidence" },
  summary: "That the ledger of the newest checkpoint begins with what an older checkpoint was about.",
  query: {
    from: integer("Entries of the older checkpoint.", { min: 0, max: Number.MAX_SAFE_INTEGER }),
  },
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "LedgerConsistency",
      description: "`hashes`, base64: the proof of RFC 6962, section 2.1.2; `checkpoint`, the newest.",
    },
  ],
  async handle({ ledger }, { query, access }) {
    await access.onInstallation();
    const log = await ledger();
    const { note, size } = await log.checkpoint();
    if (query.from > size) throw noCheckpoint(query.from);
    const hashes = await log.consistencyWith(query.from, size);
    return object("LedgerConsistency", {
      from: query.from,
      size,
      hashes: hashes.map((hash) => Buffer.from(hash).toString("base64")),
      checkpoint: note,
    });
  },
});

export const getTimestamp = route({
  method: "GET",
  path: "/ledger/checkpoint.tsr",
  operation: "getTimestamp",
  access: { action: "ledger.read", as: "evidence" },
  summary:
    "What an authority said about the time of a checkpoint (RFC 3161): over the note as the log signed it, without the lines of witnesses.",
  query: {
    size: optional(
      integer("The first of so many entries or more; default: the newest that there is.", {
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
      }),
    ),
  },
  answers: [
    {
      status: 200,
      type: "application/timestamp-reply",
      description: "The reply, DER. `maestro-ledger-size` says of how many entries the checkpoint is.",
    },
  ],
  async handle({ store }, { query, access }) {
    await access.onInstallation();
    const stamp =
      query.size === undefined ? await store.witness.newestStamp() : await store.witness.stampedAfter(query.size - 1);
    if (stamp === undefined)
      throw new MaestroError("not_found", "No such checkpoint of the ledger was timestamped.", {
        fix: "Timestamps are made where `timestamp` stands in witness.yaml: see docs/guides/ledger-and-witness.md.",
      });
    return bytes(Buffer.from(stamp.reply, "base64"), REPLY_TYPE, { "maestro-ledger-size": String(stamp.size) });
  },
});

export const listWitnesses = route({
  method: "GET",
  path: "/v1/ledger/witnesses",
  operation: "listWitnesses",
  access: { action: "ledger.read", as: "read" },
  summary: "The witnesses of this ledger, and how each was met last.",
  answers: [
    {
      status: 200,
      type: "application/json",
      schema: "WitnessList",
      description: "`witnesses`: name, url, entries of the newest checkpoint it cosigned, outcome, detail; `quorum`.",
    },
  ],
  async handle({ cosigning }, { access }) {
    await access.onInstallation();
    const witnesses = (await cosigning.status()).map((one) => ({ ...one }));
    return object("WitnessList", { quorum: cosigning.quorum, witnesses });
  },
});

export const getTile = route({
  method: "GET",
  path: "/ledger/tile/{tile*}",
  operation: "getTile",
  access: { action: "ledger.read", as: "evidence" },
  summary:
    "A tile of the tree, or a bundle of entries, as c2sp.org/tlog-tiles lays them out: `0/000`, `entries/x001/234.p/17`.",
  answers: [
    {
      status: 200,
      type: "application/octet-stream",
      description: "Hashes of 32 bytes each; or entries, each behind its length in two bytes.",
    },
  ],
  async handle({ ledger }, { params, access }) {
    await access.onInstallation();
    const tile = parseTilePath(`tile/${params.tile}`);
    const found = tile === undefined ? undefined : await (await ledger()).tile(tile);
    if (found === undefined)
      throw new MaestroError(
        "not_found",
        `The signed ledger has no tile ${JSON.stringify(params.tile.slice(0, 80))}.`,
        {
          fix: "Get /ledger/checkpoint first: its size says which tiles there are.",
        },
      );
    return bytes(found, "application/octet-stream", FOR_GOOD);
  },
});

export const getReceiptProof = route({
  method: "GET",
  path: "/v1/runs/{run}/receipt/proof",
  operation: "getReceiptProof",
  access: { action: "receipt.export", as: "evidence" },
  summary: "That the run's receipt is in the ledger, as a file that verifies offline (c2sp.org/tlog-proof).",
  query: { ordinal: optional(integer("1 is the first; default: the newest.", { min: 1, max: 1_000_000 })) },
  answers: [
    {
      status: 200,
      type: "text/plain",
      description: "The entry, its place, the hashes up to the root, the checkpoint.",
    },
  ],
  async handle({ store, ledger, cosigning }, { params, query, access }) {
    const receipt = await findReceipt(store, access, params.run, query.ordinal);
    const log = await ledger();
    const covering = async (place: number) => {
      const found = await cosigning.covering(place);
      if (found !== undefined) return found;
      const newest = await log.checkpoint();
      return { ...newest, note: await cosigning.cosigned(newest) };
    };
    return bytes(Buffer.from(await log.proofOf(receipt.run, receipt.digest, covering)), TEXT);
  },
});
