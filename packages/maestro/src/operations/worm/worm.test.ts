import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { letGo } from "../../../test/support/let-go.ts";
import { KEYS } from "../../../test/support/s3-input.ts";
import { s3Server } from "../../../test/support/s3-server.ts";
import type { S3Server } from "../../../test/support/s3-server.ts";
import { MaestroError } from "../../core/problem.ts";
import { openAudit } from "../../provenance/audit.ts";
import type { AuditTrail } from "../../provenance/audit.ts";
import { fingerprintOf, keyidOf } from "../../provenance/keyid.ts";
import { Ledger } from "../../provenance/ledger/ledger.ts";
import { createSigner } from "../../provenance/signer.ts";
import type { TrustRoot } from "../../provenance/trust.ts";
import { openSqlite } from "../../store/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { openBucket } from "./bucket.ts";
import { exportWorm } from "./export.ts";
import type { WormSource } from "./export.ts";
import { openFolder } from "./folder.ts";
import type { WormTarget } from "./target.ts";

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
const NOW = 1_763_700_000_000;

/** An installation's ledger and audit, with a name in every entry, so that two are two. */
class Installation {
  readonly store: Store;
  readonly #trail: AuditTrail;
  readonly #ledger: Ledger;
  readonly #name: string;
  #count = 0;

  private constructor(name: string, store: Store, ledger: Ledger) {
    this.#name = name;
    this.store = store;
    this.#ledger = ledger;
    this.#trail = openAudit({
      store,
      source: BUILDER,
      now: () => NOW,
      randomBytes,
      failed: (error) => assert.fail(String(error)),
    });
  }

  static async open(name: string): Promise<Installation> {
    const store = await openSqlite({ path: ":memory:" });
    return new Installation(name, store, await Ledger.open({ store, signer, trustRoot, now: () => NOW }));
  }

  /** So many decisions, and an entry of the audit for every third. */
  async work(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#count += 1;
      const text = JSON.stringify({
        data: {},
        id: `${this.#name}-${this.#count}`,
        type: "dev.summit-maestro.decision",
      });
      await this.store.commit({ runs: [], ledger: [{ kind: "decision", run: null, text }] });
      if (this.#count % 3 > 0) continue;
      const actor = { type: "user", id: this.#name } as const;
      const resource = { type: "run", id: `r_${this.#count}` };
      await this.#trail.write({ kind: "change", actor, action: "run.start", resource, namespace: "t", allow: true });
    }
  }

  get source(): WormSource {
    return {
      trustRoot,
      checkpoint: async () => (await this.#ledger.checkpoint()).note,
      consistency: async (from) => {
        const { note, size } = await this.#ledger.checkpoint();
        return { hashes: await this.#ledger.consistencyWith(from, size), checkpoint: note };
      },
      entries: async (from, limit) => (await this.store.ledger.entries({ from, limit })).map(({ text }) => text),
      audit: async (from, limit) => (await this.store.audit.page({ from, limit })).map(({ text }) => text),
    };
  }
}

const isBroken =
  (says: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof MaestroError, String(error));
    assert.equal(error.code, "ledger_broken", error.message);
    assert.match(error.message, says);
    return true;
  };

describe("an export to a folder that keeps", () => {
  let dir: string;
  let one: Installation;
  const at = (name: string): string => join(dir, "worm", name);
  const names = (): readonly string[] => readdirSync(join(dir, "worm")).sort();
  /** What whoever may do everything would do first. */
  const free = (): void => {
    letGo(join(dir, "worm"));
  };
  const exported = async () => exportWorm(one.source, await openFolder(join(dir, "worm")));
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-worm-"));
    one = await Installation.open("one");
  });
  afterEach(async () => {
    await one.store.close();
    try {
      free();
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("has what is new, goes on where it ended, and does nothing where there is nothing new", async () => {
    await one.work(10);
    const first = await exported();
    assert.deepEqual([first.found, first.size, first.audit], [0, 13, 3]);
    assert.deepEqual(names(), [
      "audit-000000000000000-000000000000003.jsonl",
      "checkpoint-000000000000013.txt",
      "ledger-000000000000000-000000000000013.jsonl",
    ]);
    await one.work(5);
    const second = await exported();
    assert.deepEqual([second.found, second.size, second.audit], [13, 20, 5]);
    assert.deepEqual(second.written, [
      "ledger-000000000000013-000000000000020.jsonl",
      "audit-000000000000003-000000000000005.jsonl",
      "checkpoint-000000000000020.txt",
    ]);
    const third = await exported();
    assert.deepEqual([third.found, third.size, third.written], [20, 20, []]);
  });

  it("cuts what is long into files", async () => {
    const ledger = Array.from({ length: 10_000 }, (_, i) => ({ kind: "note", run: null, text: `{"n":${i}}` }));
    await one.store.commit({ runs: [], ledger });
    const { written } = await exported();
    assert.deepEqual(written, [
      "ledger-000000000000000-000000000004096.jsonl",
      "ledger-000000000004096-000000000008192.jsonl",
      "ledger-000000000008192-000000000010000.jsonl",
      "checkpoint-000000000010000.txt",
    ]);
    assert.equal((await exported()).found, 10_000);
  });

  it("says what keeps the files, as measured", async () => {
    await one.work(3);
    const { protection } = await exported();
    const name = names().find((one_) => one_.startsWith("ledger")) ?? "";
    let isKept = false;
    try {
      // Root is not stopped by a mode, so that this alone tells.
      writeFileSync(at(name), "", { flag: "r+" });
    } catch (error) {
      isKept = (error as NodeJS.ErrnoException).code === "EPERM";
    }
    assert.equal(protection.enforced, isKept);
    assert.match(protection.detail, isKept ? /nothing but additions to 3 files/ : /can change 3 of 3 files/);
  });

  it("goes on with a file that a dying process left in the middle", async () => {
    await one.work(10);
    await exported();
    await one.work(10);
    await exported();
    free();
    const ledger = names().filter((name) => name.startsWith("ledger"))[1] ?? "";
    const audit = names().filter((name) => name.startsWith("audit"))[1] ?? "";
    const [whole, rows] = [readFileSync(at(ledger)), readFileSync(at(audit))];
    rmSync(at("checkpoint-000000000000026.txt"));
    for (const [cutLedger, cutAudit] of [
      [whole.length - 30, undefined],
      [0, undefined],
      [whole.length, rows.length - 10],
      [whole.length, 0],
      [1, undefined],
    ] as const) {
      writeFileSync(at(ledger), whole.subarray(0, cutLedger));
      if (cutAudit === undefined) rmSync(at(audit), { force: true });
      else writeFileSync(at(audit), rows.subarray(0, cutAudit));
      const report = await exported();
      assert.deepEqual([report.size, report.audit], [26, 6]);
      assert.deepEqual([readFileSync(at(ledger)), readFileSync(at(audit))], [whole, rows], `${cutLedger} ${cutAudit}`);
      free();
      rmSync(at("checkpoint-000000000000026.txt"));
    }
  });

  for (const [what, change, says] of [
    [
      "a flipped byte",
      (path: (kind: string) => string) => {
        const text = readFileSync(path("ledger"), "utf8");
        writeFileSync(path("ledger"), text.replace("one-2", "one-9"));
      },
      /its first 13 entries are not those that were signed/,
    ],
    [
      "two entries in another order",
      (path: (kind: string) => string) => {
        const [a = "", b = "", ...rest] = readFileSync(path("ledger"), "utf8").split("\n");
        writeFileSync(path("ledger"), [b, a, ...rest].join("\n"));
      },
      /its first 13 entries are not those that were signed/,
    ],
    [
      "an end that was cut off",
      (path: (kind: string) => string) => {
        const text = readFileSync(path("ledger"), "utf8");
        writeFileSync(path("ledger"), text.slice(0, -20));
      },
      /13 entries were signed, and 12 are there/,
    ],
    [
      "a line more",
      (path: (kind: string) => string) => appendFileSync(path("ledger"), "{}\n"),
      /has 14 lines instead of 13/,
    ],
    [
      "a changed entry of the audit",
      (path: (kind: string) => string) => {
        const text = readFileSync(path("audit"), "utf8");
        writeFileSync(path("audit"), text.replace("run.start", "run.audit"));
      },
      /entry 0 of the audit is not the one in the ledger/,
    ],
    [
      "a changed checkpoint",
      (path: (kind: string) => string) => {
        const text = readFileSync(path("checkpoint"), "utf8");
        writeFileSync(path("checkpoint"), text.replace("\n13\n", "\n12\n"));
      },
      /is no checkpoint of this ledger: the signature of \S+ does not fit/,
    ],
    [
      "a file under another name",
      (path: (kind: string) => string) =>
        renameSync(path("ledger"), path("ledger").replace("000000000000000-", "000000000000001-")),
      /does not follow what is before it: entry 0 is missing/,
    ],
    [
      "a file that is gone",
      (path: (kind: string) => string) => rmSync(path("ledger")),
      /13 entries were signed, and 0 are there/,
    ],
  ] as const) {
    it(`finds ${what}, and writes nothing`, async () => {
      await one.work(10);
      await exported();
      free();
      change((kind) => at(names().find((name) => name.startsWith(kind)) ?? ""));
      await one.work(3);
      const before = names();
      await assert.rejects(exported(), isBroken(says));
      assert.deepEqual(names(), before);
    });
  }

  it("refuses a ledger that was rewritten, with the same key", async () => {
    await one.work(10);
    await exported();
    const other = await Installation.open("two");
    await other.work(4);
    const target = await openFolder(join(dir, "worm"));
    await assert.rejects(
      exportWorm(other.source, target),
      isBroken(/The ledger of 5 entries does not begin with the 13/),
    );
    await other.work(20);
    await assert.rejects(exportWorm(other.source, target), isBroken(/does not begin with the 13 that were exported/));
    await other.store.close();
    assert.equal((await exported()).found, 13);
  });
});

describe("an export to a bucket that locks", () => {
  let server: S3Server;
  let one: Installation;
  const open = async (
    more: { readonly retainUntil?: number; readonly legalHold?: boolean } = {},
  ): Promise<WormTarget> =>
    openBucket({
      endpoint: new URL(`http://127.0.0.1:${server.port}`),
      region: KEYS.region,
      bucket: "evidence",
      prefix: "maestro/",
      credentials: KEYS,
      retainUntil: undefined,
      legalHold: false,
      now: Date.now,
      ...more,
    });
  const inAYear = Date.now() + 365 * 86_400_000;
  beforeEach(async () => {
    server = await s3Server(KEYS);
    one = await Installation.open("one");
    await one.work(10);
  });
  afterEach(async () => {
    await one.store.close();
    await server[Symbol.asyncDispose]();
  });

  it("puts each object under a lock that nobody can shorten, and reads back what the store says of it", async () => {
    const report = await exportWorm(one.source, await open({ retainUntil: inAYear, legalHold: true }));
    assert.deepEqual(
      [...server.objects.keys()],
      report.written.map((name) => `evidence/maestro/${name}`),
    );
    for (const { headers } of server.objects.values()) {
      assert.equal(headers["x-amz-object-lock-mode"], "COMPLIANCE");
      assert.equal(headers["x-amz-object-lock-retain-until-date"], new Date(inAYear).toISOString());
      assert.equal(headers["x-amz-object-lock-legal-hold"], "ON");
    }
    assert.deepEqual(report.protection, {
      enforced: true,
      detail: `the store says: retained until ${new Date(inAYear).toISOString()} (COMPLIANCE), on legal hold`,
    });
    assert.equal(server.seen[0], "GET /evidence?object-lock=", "the bucket first");
  });

  it("goes on, finds what was changed, and says where nothing keeps it", async () => {
    await exportWorm(one.source, await open({ retainUntil: inAYear }));
    await one.work(6);
    const second = await exportWorm(one.source, await open());
    assert.deepEqual([second.found, second.size], [13, 21]);
    assert.equal(second.protection.enforced, false);
    assert.match(second.protection.detail, /nothing keeps them from being deleted: give --retain/);
    const [key, stored] = [...server.objects].find(([name]) => name.includes("/ledger-000000000000000"))!;
    server.objects.set(key, { ...stored, bytes: Buffer.from(stored.bytes.toString("utf8").replace("one-2", "one-9")) });
    await assert.rejects(
      exportWorm(one.source, await open()),
      isBroken(/its first 13 entries are not those that were signed/),
    );
    server.objects.set(key, { ...stored, bytes: stored.bytes.subarray(0, -5) });
    await assert.rejects(exportWorm(one.source, await open()), isBroken(/lines instead of 13/));
  });

  it("does not begin in a bucket without locks, or with wrong credentials", async () => {
    server.objectLock = false;
    await assert.rejects(
      open(),
      (error) =>
        error instanceof MaestroError && error.code === "invalid_request" && /has no Object Lock/.test(error.message),
    );
    assert.equal(server.objects.size, 0);
    const wrong = openBucket({
      endpoint: new URL(`http://127.0.0.1:${server.port}`),
      region: KEYS.region,
      bucket: "evidence",
      prefix: "",
      credentials: { ...KEYS, secretAccessKey: "wrong" },
      retainUntil: undefined,
      legalHold: false,
      now: Date.now,
    });
    await assert.rejects(wrong, (error) => error instanceof MaestroError && error.code === "unauthorized");
  });

  it("never writes over an object that somebody put there meanwhile", async () => {
    const target = await open();
    await target.create("x", Buffer.from("first"));
    await assert.rejects(
      target.create("x", Buffer.from("second")),
      (error) => error instanceof MaestroError && error.code === "conflict",
    );
    assert.equal((await target.read("x")).toString(), "first");
  });
});
