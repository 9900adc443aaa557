import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Digest } from "../core/digest.ts";
import { MaestroError } from "../core/problem.ts";
import type { Sealed } from "../provenance/seal-batch.ts";
import { sealBatch } from "../provenance/seal-batch.ts";
import { formValues, receiptValues, sealedValues } from "./receipt-rows.ts";
import {
  approvalValues,
  cacheValues,
  eventChecksum,
  identityValues,
  planValues,
  runChecksum,
  stateValues,
} from "./rows.ts";
import { auditValues, questionValues } from "./sqlite-audit.ts";
import { ledgerValues } from "./sqlite-ledger.ts";
import type { SqlValue } from "./sql.ts";
import { isUniqueViolation, Statement } from "./sql.ts";
import type { Commit, RunAppend, RunRow } from "./store.ts";

const NOTHING: Sealed = { receipts: [], entries: [] };

/** A page of events is read in whole rows, so a row must not hold too many. */
const EVENTS_PER_ROW = 256;

/**
 * Writes a batch in one transaction, by single-row statements that were prepared once. Measured for long histories:
 * 8 rows a statement save an eighth, 128 cost half as much again, json_each a third; for the two or three events that a
 * run adds per turn nothing is gained.
 */
export class SqliteWriter {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #planPut: Statement;
  readonly #runInsert: Statement;
  readonly #runLabelInsert: Statement;
  readonly #runHead: Statement;
  readonly #runHeadInsert: Statement;
  readonly #runSeq: Statement;
  readonly #runProgress: Statement;
  readonly #runUpdate: Statement;
  readonly #runByKey: Statement;
  readonly #eventInsert: Statement;
  readonly #receiptPut: Statement;
  readonly #receiptFormGet: Statement;
  readonly #receiptFormPut: Statement;
  /** Ids of forms, as far as the transaction of whoever stored them is known to have ended well. */
  readonly #forms = new Map<string, number>();
  readonly #cachePut: Statement;
  readonly #approvalOpen: Statement;
  readonly #approvalClose: Statement;
  readonly #ledgerAppend: Statement;
  readonly #auditAppend: Statement;
  readonly #questionPut: Statement;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#begin = db.prepare("begin immediate");
    this.#commit = db.prepare("commit");
    this.#planPut = new Statement(db, "plan-put");
    this.#runInsert = new Statement(db, "run-insert");
    this.#runLabelInsert = new Statement(db, "run-label-insert");
    this.#runHeadInsert = new Statement(db, "run-head-insert");
    this.#runSeq = new Statement(db, "run-seq");
    this.#runHead = new Statement(db, "run-head");
    this.#runProgress = new Statement(db, "run-progress");
    this.#runUpdate = new Statement(db, "run-update");
    this.#runByKey = new Statement(db, "run-by-key");
    this.#eventInsert = new Statement(db, "event-insert");
    this.#receiptPut = new Statement(db, "receipt-put");
    this.#receiptFormGet = new Statement(db, "receipt-form-get");
    this.#receiptFormPut = new Statement(db, "receipt-form-put");
    this.#cachePut = new Statement(db, "cache-put");
    this.#approvalOpen = new Statement(db, "approval-open");
    this.#approvalClose = new Statement(db, "approval-close");
    this.#ledgerAppend = new Statement(db, "ledger-append");
    this.#auditAppend = new Statement(db, "audit-append");
    this.#questionPut = new Statement(db, "question-put");
  }

  /** Returns the digests of the receipts that it sealed. */
  commit(batch: Commit): readonly Digest[] {
    const { receipts, entries } = batch.sealing === undefined ? NOTHING : sealBatch(batch.sealing);
    this.#begin.run();
    try {
      this.#write(batch);
      for (const receipt of receipts) this.#receiptPut.run(...sealedValues(receipt, this.#formId));
      for (const entry of entries) this.#ledgerAppend.run(...ledgerValues(entry));
      this.#commit.run();
    } catch (error) {
      this.#forms.clear();
      // Where the disk is full, SQLite has rolled back by itself.
      if (this.#db.isTransaction) this.#db.exec("rollback");
      throw error;
    }
    return receipts.map(({ digest }) => digest);
  }

  #write(batch: Commit): void {
    for (const plan of batch.plans ?? []) this.#planPut.run(...planValues(plan));
    for (const append of batch.runs) this.#append(append);
    for (const receipt of batch.receipts ?? []) this.#receiptPut.run(...receiptValues(receipt, this.#formId));
    for (const row of batch.cache ?? []) this.#cachePut.run(...cacheValues(row));
    for (const row of batch.approvalsOpened ?? []) this.#approvalOpen.run(...approvalValues(row));
    for (const id of batch.approvalsClosed ?? []) this.#approvalClose.run(id);
    for (const entry of batch.ledger ?? []) this.#ledgerAppend.run(...ledgerValues(entry));
    for (const row of batch.audit ?? []) this.#auditAppend.run(...auditValues(row));
    for (const row of batch.questions ?? []) this.#questionPut.run(...questionValues(row));
  }

  readonly #formId = (form: string): number => {
    const known = this.#forms.get(form);
    if (known !== undefined) return known;
    if (this.#receiptFormGet.get(form) === undefined) this.#receiptFormPut.run(...formValues(form));
    const id = Number(this.#receiptFormGet.get(form)?.["id"]);
    this.#forms.set(form, id);
    return id;
  };

  #append(append: RunAppend): void {
    const { id, firstSeq, events, row } = append;
    if (row.seq !== firstSeq + events.length - 1) {
      throw new MaestroError(
        "internal",
        `Run ${id} says seq ${row.seq} after ${events.length} events from seq ${firstSeq}.`,
        { facts: { run: id } },
      );
    }
    if (!this.#writeRow(append)) throw this.#conflict(append);
    try {
      for (let at = 0; at < events.length; at += EVENTS_PER_ROW)
        this.#appendRow(id, firstSeq + at, events.slice(at, at + EVENTS_PER_ROW));
    } catch (error) {
      throw isUniqueViolation(error) ? this.#conflict(append, error) : error;
    }
  }

  #appendRow(id: string, seq: number, texts: readonly string[]): void {
    const lines = texts.join("\n");
    // A lone surrogate would be stored as another character, and a line break would make two events of one.
    if (!lines.isWellFormed() || texts.some((text) => text.includes("\n"))) {
      throw new MaestroError(
        "internal",
        `Event ${seq} of run ${id}, or one of the ${texts.length - 1} after it, is no line of JSON.`,
        {
          facts: { run: id, seq },
        },
      );
    }
    this.#eventInsert.run(id, seq, texts.length, lines, eventChecksum(runChecksum(id), seq, lines));
  }

  /** Returns false where the stored history does not end before `firstSeq`. */
  #writeRow(append: RunAppend): boolean {
    const { id, firstSeq, row } = append;
    if (!("id" in row)) return this.#runHead.run(id, firstSeq - 1, row.seq, row.head) === 1;
    const identity = identityValues(row);
    if (firstSeq === 1 && this.#insert(row, identity)) return true;
    if (this.#runHead.run(id, firstSeq - 1, row.seq, row.head) === 0) return false;
    const values = [id, identity.at(-1) ?? null, ...stateValues(row)];
    // An ended run has another status than before, so the statement that moves no index would only miss.
    if (row.endedAt === null && this.#runProgress.run(...values) === 1) return true;
    if (this.#runUpdate.run(...values) === 1) return true;
    throw new MaestroError(
      "internal",
      `Run ${id} was committed with another identity (name, labels, keys ...) than it began with.`,
      {
        facts: { run: id },
      },
    );
  }

  #insert(row: RunRow, identity: readonly SqlValue[]): boolean {
    try {
      if (this.#runInsert.run(...identity, ...stateValues(row)) === 0) return false;
    } catch (error) {
      throw isUniqueViolation(error) ? this.#keyTaken(row, error) : error;
    }
    this.#runHeadInsert.run(row.id, row.seq, row.head);
    for (const [key, value] of Object.entries(row.labels)) this.#runLabelInsert.run(key, value, row.createdAt, row.id);
    return true;
  }

  #keyTaken(row: RunRow, cause: unknown): MaestroError {
    const holder = String(this.#runByKey.get(row.namespace, row.idempotencyKey)?.["id"]);
    return new MaestroError("conflict", `The idempotency key ${row.idempotencyKey} belongs to run ${holder}.`, {
      cause,
      facts: { run: holder, idempotencyKey: row.idempotencyKey },
    });
  }

  #conflict(append: RunAppend, cause?: unknown): MaestroError {
    const { id, firstSeq } = append;
    const stored = Number(this.#runSeq.get(id)?.["seq"] ?? 0);
    return new MaestroError(
      "run_conflict",
      `Run ${id} ends at event ${stored} in the store; an append from event ${firstSeq} does not continue it.`,
      {
        cause,
        facts: { run: id, firstSeq, stored },
      },
    );
  }
}
