import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  ARTIFACT,
  BUILDER,
  failedCheck,
  sampleKey,
  sampleRun,
  sealChanged,
} from "../../test/support/receipt-sample.ts";
import { canonical } from "../core/canonical.ts";
import { leafDigest, sha256, type Digest } from "../core/digest.ts";
import type { JsonObject } from "../core/json.ts";
import { receiptEntry } from "../core/ledger-entry.ts";
import { MaestroError } from "../core/problem.ts";
import { statement } from "../core/receipt.ts";
import { writeCheckpoint } from "./ledger/checkpoint.ts";
import { logKeys } from "./ledger/log-key.ts";
import { cosign, readNote, signNote, type NoteKey } from "./ledger/note.ts";
import { readProof, writeProof } from "./ledger/proof.ts";
import { sealReceipt, type SealedReceipt } from "./receipts.ts";
import { checkReceipt, verifyReceipt, type VerifyRequest } from "./verify.ts";

const key = sampleKey();
const other = sampleKey();
const trust = { trustRoot: key.trustRoot };
const plain = sampleRun();
const built = sampleRun({ artifact: true });
const plainReceipt = sealReceipt(statement(plain.facts), key.signer);
const builtReceipt = sealReceipt(statement(built.facts), key.signer);

const folder = mkdtempSync(join(tmpdir(), "maestro-verify-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function bytes(text: string): Buffer {
  return Buffer.from(text);
}

/** Of a ledger that has this receipt and nothing else. */
function proofOf(receipt: SealedReceipt): string {
  const entry = Buffer.from(
    receiptEntry(
      { ordinal: 2, digest: receipt.digest },
      { source: BUILDER, run: built.facts.run, at: built.facts.endedAt },
    ),
  );
  const [logKey] = logKeys(trust.trustRoot);
  assert.ok(logKey);
  const text = writeCheckpoint({ origin: logKey.name, size: 1, root: leafDigest(entry) });
  const checkpoint = signNote(text, logKey, (message) => key.signer.sign(message));
  return writeProof({ extra: entry, index: 0, hashes: [], checkpoint });
}

const witnessKeys = generateKeyPairSync("ed25519");
const WITNESS: NoteKey = { name: "witness.example", kind: "witness", publicKey: witnessKeys.publicKey };

function cosigned(receipt: SealedReceipt): string {
  const { text } = readNote(readProof(proofOf(receipt)).checkpoint);
  return cosign(text, 1_763_700_000, WITNESS, (message) => sign(null, message, witnessKeys.privateKey));
}

describe("verifyReceipt()", () => {
  it("passes every rung when everything is given and right", async () => {
    const first = sealReceipt(statement(built.facts), key.signer);
    const second = sealReceipt(statement({ ...built.facts, previousReceipt: first.digest }), key.signer);
    const verification = await verifyReceipt(bytes(second.bundle), {
      ...trust,
      files: [{ path: file("a.tgz", ARTIFACT) }, { path: file("b.tgz", ARTIFACT), name: "step-0:a.tgz" }],
      plan: JSON.stringify(built.plan, null, 2),
      events: [...built.events, '{"seq":99}'],
      previous: bytes(`${first.bundle}\n`),
      proof: proofOf(second) + cosigned(second),
      witnesses: { keys: [WITNESS], quorum: 1 },
      timestamp: { reply: Buffer.from("a reply"), check: (_, data) => ({ at: data.length, authority: "CN=time" }) },
      expected: {
        digest: second.digest,
        run: built.facts.run,
        workflow: "platform/release-evidence@1.4.0",
        plan: built.facts.planDigest,
        status: "succeeded",
        builder: BUILDER,
      },
    });
    assert.deepEqual(
      verification.checks.filter((check) => check.status !== "passed"),
      [],
    );
    assert.ok(verification.verified);
    assert.equal(verification.digest, second.digest);
    assert.equal(verification.keyid, key.signer.keyid);
    assert.equal(verification.claims?.isolation, "partial");
    assert.equal(verification.claims.previousReceipt, first.digest);
  });

  it("with nothing but a trust root it verifies, and says what it did not check and why", async () => {
    const verification = await verifyReceipt(bytes(plainReceipt.bundle), trust);
    assert.ok(verification.verified);
    assert.deepEqual(
      verification.checks.filter((check) => check.status === "skipped").map((check) => [check.id, check.detail]),
      [
        ["digest", "no digest was given to compare with"],
        ["expected", "nothing was said to be expected"],
        ["subjects", "no files were given, and the run left no artifacts"],
        ["plan", `no plan was given; it names ${plain.facts.planDigest}`],
        ["events", `no events were given; the receipt covers 8 of them by ${plain.facts.events.head}`],
        ["history", "no events were given"],
        ["previous", "it is the first receipt of its run"],
        ["ledger", "no proof of the ledger was given"],
        ["witnesses", "no key of a witness was given"],
        ["timestamp", "no timestamp, or no certificate of an authority, was given"],
      ],
    );
  });

  it("accepts receipts of denied runs, and one final newline", async () => {
    const denied = sampleRun({ status: "denied" });
    const { bundle } = sealReceipt(statement(denied.facts), key.signer);
    const verification = await verifyReceipt(bytes(`${bundle}\n`), {
      ...trust,
      plan: denied.planText,
      events: denied.events,
    });
    assert.ok(verification.verified);
    assert.deepEqual([verification.claims?.status, verification.claims?.denied], ["denied", 1]);
    assert.equal((await verifyReceipt(bytes(`${bundle}\n\n`), trust)).verified, false);
  });

  it("compares an edited history member for member when it has the plan", async () => {
    const lie = sealChanged(key, plain.facts, (said) => {
      const predicate = said["predicate"] as { tasks: { attempts?: number }[] };
      predicate.tasks[1]!.attempts = 3;
    });
    const withPlan = await verifyReceipt(lie, { ...trust, plan: plain.planText, events: plain.events });
    assert.deepEqual(failedCheck(withPlan)?.id, "history");
    assert.match(
      failedCheck(withPlan)?.detail ?? "",
      /statement\.predicate\.tasks\[1\]\.attempts: nothing by the events, 3 in the receipt; it was written by version 0\.1\.0/,
    );
    const withoutPlan = await verifyReceipt(lie, { ...trust, events: plain.events });
    assert.ok(withoutPlan.verified);
    assert.match(
      withoutPlan.checks.find((check) => check.id === "history")?.detail ?? "",
      /tasks and outputs are not compared without the plan/,
    );
  });

  it("refuses the request, not the receipt, for a file that is not there", async () => {
    await assert.rejects(
      verifyReceipt(bytes(builtReceipt.bundle), { ...trust, files: [{ path: join(folder, "missing") }] }),
      (error: unknown) =>
        error instanceof MaestroError && error.code === "invalid_request" && error.message.includes("ENOENT"),
    );
  });
});

describe("the rung of the subjects", () => {
  it("refuses a file that is not one, one under another's name, an artifact that never was", async () => {
    const wrong = file("wrong.tgz", "another package\n");
    const expectations: readonly (readonly [files: NonNullable<VerifyRequest["files"]>, detail: RegExp])[] = [
      [[{ path: wrong }], /wrong\.tgz has the digest sha256:.*, which is none of the 1 artifact of the run/],
      [
        [{ path: wrong, name: "step-0:a.tgz" }],
        /wrong\.tgz has the digest sha256:.*, the receipt says step-0:a\.tgz sha256:/,
      ],
      [[{ path: file("right.tgz", ARTIFACT), name: "a.tgz" }], /no artifact is called a\.tgz/],
    ];
    for (const [files, detail] of expectations) {
      const failure = failedCheck(await verifyReceipt(bytes(builtReceipt.bundle), { ...trust, files }));
      assert.equal(failure?.id, "subjects");
      assert.match(failure.detail, detail);
    }
  });
});

describe("claims", () => {
  it("are given only for what a trusted key signed", () => {
    const foreign = sealReceipt(statement(plain.facts), other.signer);
    const verification = checkReceipt(bytes(foreign.bundle), trust, []);
    assert.equal(verification.claims, null);
    assert.equal(verification.keyid, null);
    assert.equal(verification.digest, foreign.digest);
  });

  it("are those of the facts", () => {
    const { claims } = checkReceipt(bytes(builtReceipt.bundle), trust, []);
    assert.deepEqual(claims, {
      run: built.facts.run,
      workflow: "platform/release-evidence@1.4.0",
      workflowDigest: built.facts.workflow.digest,
      status: "succeeded",
      createdAt: built.facts.createdAt,
      endedAt: built.facts.endedAt,
      plan: sha256(canonical(JSON.parse(built.planText) as JsonObject)),
      inputs: sha256('{"path":"."}'),
      events: 8,
      head: built.facts.events.head satisfies Digest,
      asked: 1,
      denied: 0,
      tasks: 2,
      isolation: "partial",
      builder: BUILDER,
      version: "0.1.0",
      previousReceipt: null,
      request: null,
    });
  });
});
