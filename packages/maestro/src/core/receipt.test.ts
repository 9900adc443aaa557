import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";
import { BUILDER, sampleRun } from "../../test/support/receipt-sample.ts";
import { sha256, type Digest } from "./digest.ts";
import type { JsonObject } from "./json.ts";
import {
  BUILD_TYPE,
  MAX_ARTIFACTS,
  MAX_LISTED,
  RUN_RECEIPT,
  SLSA_EXTENSION,
  SLSA_PROVENANCE,
  statement,
  type ReceiptFacts,
  type ReceiptTask,
} from "./receipt.ts";

const ajv = new Ajv2020({ strict: true, allErrors: true });
addFormats.default(ajv);
const schema = JSON.parse(
  readFileSync(new URL("../../../../spec/run-receipt-v1.schema.json", import.meta.url), "utf8"),
) as JsonObject;
const fitsSchema = ajv.compile(schema);

const facts = sampleRun().facts;

function receiptIn(said: JsonObject): JsonObject {
  const predicate = said["predicate"] as JsonObject;
  return said["predicateType"] === SLSA_PROVENANCE ? (predicate[SLSA_EXTENSION] as JsonObject) : predicate;
}

function assertFits(receipt: JsonObject): void {
  assert.ok(fitsSchema(receipt), ajv.errorsText(fitsSchema.errors));
}

const digests: fc.Arbitrary<Digest> = fc
  .string({ minLength: 64, maxLength: 64, unit: fc.constantFrom(..."0123456789abcdef".split("")) })
  .map((hex): Digest => `sha256:${hex}`);
const times = fc.integer({ min: 0, max: 4e12 });
const counts = fc.nat(100_000);
const outcomes = fc.constantFrom("succeeded", "failed", "skipped", "cancelled", "pending");

const tasks: fc.Arbitrary<ReceiptTask> = fc.record(
  {
    id: fc.string({ minLength: 1 }),
    uses: fc.constantFrom("exec@1", "runbook:a/b@1.0.0"),
    status: outcomes,
    attempts: counts,
    items: fc.dictionary(outcomes, counts),
    output: digests,
    artifacts: fc.array(fc.record({ name: fc.constantFrom("a", "b", "a#2"), digest: digests, size: counts }), {
      maxLength: 4,
    }),
    isolation: fc.record({
      declared: fc.constantFrom("strict", "preferred", "none"),
      measured: fc.constantFrom("strict", "partial", "none"),
    }),
    runners: fc.array(fc.string()),
    cachedFrom: fc.array(fc.string()),
    children: fc.array(
      fc.record({ run: fc.string(), status: outcomes, receipt: digests }, { requiredKeys: ["run", "status"] }),
      { maxLength: 150 },
    ),
    undo: fc.constantFrom("succeeded", "failed"),
  },
  { requiredKeys: ["id", "uses", "status", "attempts"] },
);

const anyFacts: fc.Arbitrary<ReceiptFacts> = fc
  .record(
    {
      name: fc.string(),
      namespace: fc.string(),
      planDigest: digests,
      inputsDigest: digests,
      purpose: fc.string(),
      authority: fc.string(),
      initiator: fc.record({
        type: fc.constantFrom("user", "service", "run", "schedule"),
        id: fc.string(),
        roles: fc.array(fc.string()),
      }),
      parent: fc.record({ run: fc.string(), task: fc.string(), item: fc.integer({ min: -1, max: 10 }) }),
      request: fc.string(),
      rerunOf: fc.record({ run: fc.string(), from: fc.string() }, { requiredKeys: ["run"] }),
      status: fc.constantFrom("succeeded", "failed", "cancelled", "denied"),
      error: fc.record({ code: fc.string() }),
      cancelledBy: fc.record({
        type: fc.constantFrom("user", "service"),
        id: fc.string(),
        roles: fc.array(fc.string()),
      }),
      createdAt: times,
      startedAt: fc.option(times),
      endedAt: times,
      tasks: fc.uniqueArray(tasks, { maxLength: 6, selector: (task) => task.id }),
      approvals: fc.array(
        fc.record({
          task: fc.string(),
          approver: fc.string(),
          verdict: fc.constantFrom("approve", "deny", "expired"),
          planDigest: digests,
        }),
      ),
      budget: fc.record(
        {
          limits: fc.record({ wallMs: counts, tasks: counts, usdMicros: counts }, { requiredKeys: [] }),
          used: fc.record({ wallMs: counts, tasks: counts, usdMicros: counts }),
        },
        { requiredKeys: ["used"] },
      ),
      previousReceipt: digests,
    },
    {
      requiredKeys: [
        "name",
        "namespace",
        "planDigest",
        "inputsDigest",
        "purpose",
        "authority",
        "initiator",
        "status",
        "createdAt",
        "startedAt",
        "endedAt",
        "tasks",
        "approvals",
        "budget",
      ],
    },
  )
  .map((some): ReceiptFacts => ({ ...facts, ...some }));

describe("statement()", () => {
  it("of a run without artifacts is the run receipt, its first subject the run by the head of its events", () => {
    const said = statement(facts);
    assert.equal(said["_type"], "https://in-toto.io/Statement/v1");
    assert.equal(said["predicateType"], RUN_RECEIPT);
    assert.deepEqual(said["subject"], [{ name: `run/${facts.run}`, digest: { sha256: facts.events.head.slice(7) } }]);
    assertFits(receiptIn(said));
  });

  it("of a run with artifacts is SLSA provenance v1 with the same receipt as extension", () => {
    const built = sampleRun({ artifact: true }).facts;
    const said = statement(built);
    assert.equal(said["predicateType"], SLSA_PROVENANCE);
    assert.deepEqual((said["subject"] as JsonObject[])[1], {
      name: "step-0:a.tgz",
      digest: { sha256: sha256("a package\n").slice(7) },
    });
    const { [SLSA_EXTENSION]: receipt, ...slsa } = said["predicate"] as JsonObject;
    assertFits(receipt as JsonObject);
    assert.deepEqual(slsa, {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          workflow: "platform/release-evidence@1.4.0",
          inputs: built.inputsDigest,
          purpose: "release",
          authority: "TICKET-1234",
        },
        internalParameters: { plan: built.planDigest, initiator: "user:local" },
        resolvedDependencies: [
          { name: "workflow/platform/release-evidence@1.4.0", digest: { sha256: sha256("manifest").slice(7) } },
          { name: "task/transform@1", digest: { sha256: sha256("transform@1").slice(7) } },
        ],
      },
      runDetails: {
        builder: { id: BUILDER, version: { maestro: "0.1.0" } },
        metadata: {
          invocationId: built.run,
          startedOn: "2026-11-21T09:30:00.002Z",
          finishedOn: "2026-11-21T09:30:00.007Z",
        },
        byproducts: [{ name: "events", digest: { sha256: built.events.head.slice(7) } }],
      },
    });
  });

  it("fits its published schema, has unique subjects and survives JSON, whatever happened in the run", () => {
    fc.assert(
      fc.property(anyFacts, (some) => {
        const said = statement(some);
        assertFits(receiptIn(said));
        const names = (said["subject"] as JsonObject[]).map((subject) => subject["name"]);
        assert.equal(new Set(names).size, names.length);
        assert.deepEqual(JSON.parse(JSON.stringify(said)), said);
      }),
    );
  });

  it("leaves no fact out: a change of any of them changes the statement", () => {
    fc.assert(
      fc.property(anyFacts, anyFacts, (one, two) => {
        for (const name of [
          "name",
          "planDigest",
          "inputsDigest",
          "purpose",
          "authority",
          "status",
          "createdAt",
          "startedAt",
          "endedAt",
          "previousReceipt",
        ] as const) {
          if (one[name] === two[name]) continue;
          const { [name]: _, ...rest } = one;
          const changed = { ...rest, ...(two[name] === undefined ? {} : { [name]: two[name] }) } as ReceiptFacts;
          assert.notDeepEqual(statement(changed), statement(one), name);
        }
      }),
    );
  });

  it("ends somewhere: artifacts, decisions and child runs have a stated maximum, and their counts tell the rest", () => {
    const artifacts = Array.from({ length: MAX_ARTIFACTS + 5 }, (_, item) => ({
      name: "a",
      item,
      digest: sha256(`${item}`),
      size: 2,
    }));
    const children = Array.from({ length: MAX_LISTED + 1 }, (_, index) => ({ run: `r_${index}`, status: "succeeded" }));
    const list = Array.from({ length: MAX_LISTED + 1 }, (_, index) => ({
      id: `d_${index}`,
      action: "task.execute",
      allow: true,
    }));
    const said = statement({
      ...facts,
      tasks: [{ id: "pack", uses: "exec@1", status: "succeeded", attempts: 1, artifacts, children }],
      decisions: { asked: MAX_LISTED + 1, denied: 0, policies: [], list },
    });
    const subjects = said["subject"] as JsonObject[];
    assert.equal(subjects.length, MAX_ARTIFACTS + 1);
    assert.equal(subjects[7]!["name"], "pack[6]:a");
    const receipt = receiptIn(said);
    assertFits(receipt);
    assert.deepEqual(receipt["artifacts"], { count: MAX_ARTIFACTS + 5, bytes: 2 * (MAX_ARTIFACTS + 5) });
    const [task] = receipt["tasks"] as JsonObject[];
    assert.deepEqual([(task!["children"] as []).length, task!["childCount"]], [MAX_LISTED, MAX_LISTED + 1]);
    const decisions = receipt["decisions"] as JsonObject;
    assert.deepEqual([(decisions["list"] as []).length, decisions["asked"]], [MAX_LISTED, MAX_LISTED + 1]);
  });

  it("never changes for facts that were sealed once: receipts of earlier versions are derived again to verify them", () => {
    const golden = readFileSync(new URL("../../test/golden/run-receipt-v1.json", import.meta.url), "utf8");
    assert.equal(`${JSON.stringify(statement(sampleRun({ artifact: true }).facts), null, 2)}\n`, golden);
  });
});
