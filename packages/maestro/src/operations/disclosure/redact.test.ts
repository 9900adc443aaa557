import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { placesIn, writePointer } from "../../core/json-pointer.ts";
import type { JsonValue } from "../../core/json.ts";
import { markerDigest, reveal } from "../../core/redaction.ts";
import type { Document } from "./documents.ts";
import { redactDocuments } from "./redact.ts";
import type { Redacted } from "./redact.ts";
import { Traces } from "./traces.ts";
import { readWish } from "./wishes.ts";

const salt = (path: string, pointer: string): string =>
  Buffer.from(`${path}${pointer}`).toString("base64url").padEnd(22, "0").slice(0, 22);

const RUN: Document = {
  run: "r_1",
  path: "evidence/r_1/run.json",
  prefix: [],
  value: {
    inputs: { email: "ada@example.org", amount: 12, card: { number: "4111-1111", expires: "12/30" }, "a/b": true },
    outputs: { said: "mail to ada@example.org", tokens: ["one-of-two", "two-of-two"] },
    tasks: [{ id: "look", status: "succeeded", error: null }],
    run: { id: "r_1", status: "succeeded" },
  },
};
const EVENTS: Document = {
  run: "r_1",
  path: "evidence/r_1/events.jsonl",
  prefix: ["events"],
  value: [
    { seq: 1, kind: "run_created", inputs: { email: "ada@example.org", note: "none" } },
    {
      seq: 2,
      kind: "attempt_finished",
      result: { ok: true, output: { apiKey: "k-1", text: "Bearer abcdef0123456789" } },
    },
  ],
};
const PLAN: Document = {
  run: "r_1",
  path: "evidence/r_1/plan.json",
  prefix: ["plan"],
  value: {
    inputs: { properties: { email: { type: "string" } } },
    tasks: [{ id: "look", with: { to: "${{ inputs.email }}" } }],
  },
};
const DOCUMENTS = [EVENTS, PLAN, RUN];

async function redact(...redactions: readonly string[]): Promise<Redacted> {
  return redactDocuments(
    DOCUMENTS,
    redactions.map((text) => readWish(text)),
    salt,
  );
}

async function places(...redactions: readonly string[]): Promise<readonly string[]> {
  const { redactions: found } = await redact(...redactions);
  return found.map(({ path, pointer }) => `${path.split("/").at(-1)}#${pointer}`);
}

describe("what is redacted", () => {
  for (const [wishes, expected] of [
    [["/inputs/amount"], ["run.json#/inputs/amount"]],
    [["/inputs/a~1b"], ["run.json#/inputs/a~1b"]],
    [["/inputs/card/*"], ["run.json#/inputs/card/expires", "run.json#/inputs/card/number"]],
    [["/outputs/tokens/1"], ["run.json#/outputs/tokens/1"]],
    [["/**/note"], ["events.jsonl#/0/inputs/note"]],
    [["/events/0/inputs/note"], ["events.jsonl#/0/inputs/note"]],
    [["/events/*/kind"], ["events.jsonl#/0/kind", "events.jsonl#/1/kind"]],
    [["/plan/tasks/0/with"], ["plan.json#/tasks/0/with"]],
    [["/inputs/card/number", "/inputs/card"], ["run.json#/inputs/card"]],
    [["key:card"], ["run.json#/inputs/card"]],
    [["key:API*"], ["events.jsonl#/1/result/output/apiKey"]],
    [["key:*key"], ["events.jsonl#/1/result/output/apiKey"]],
    [
      ["secrets"],
      ["events.jsonl#/1/result/output/apiKey", "events.jsonl#/1/result/output/text", "run.json#/outputs/tokens"],
    ],
  ] as const)
    it(`by ${wishes.join(" and ")}`, async () => assert.deepEqual(await places(...wishes), expected));

  it("is also what else has the value", async () => {
    const by = ["events.jsonl#/0/inputs/email", "run.json#/inputs/email", "run.json#/outputs/said"];
    assert.deepEqual(await places("/inputs/email"), by);
    assert.deepEqual(await places("/events/0/inputs/email"), by);
  });

  it("by the rule inputs are all of them, one by one, and their traces", async () => {
    assert.deepEqual(await places("inputs"), [
      "events.jsonl#/0/inputs/email",
      "run.json#/inputs/amount",
      "run.json#/inputs/a~1b",
      "run.json#/inputs/card",
      "run.json#/inputs/email",
      "run.json#/outputs/said",
    ]);
    assert.deepEqual(await places("outputs"), ["run.json#/outputs/said", "run.json#/outputs/tokens"]);
  });

  it("is nothing without a wish, and nothing is refused where a sweep finds nothing", async () => {
    assert.deepEqual(await places(), []);
    const { redactions } = await redactDocuments(
      [{ ...PLAN, prefix: [] }],
      [readWish("outputs"), readWish("/nothing", "some-rule")],
      salt,
    );
    assert.deepEqual(redactions, []);
  });

  for (const [text, says] of [
    [
      "/inputs/emial",
      /The redaction \/inputs\/emial means nothing in these runs\. The nearest place is \/inputs\/email\./,
    ],
    ["/inputs/card/cvc/x", /The nearest place is \/inputs\/card\./],
    ["/events/7/inputs", /The nearest place is \/events\/\d\/inputs\./],
    ["key:emial", /The redaction key:emial means nothing/],
    ["key:", /is neither a JSON Pointer/],
    [
      "input",
      /is neither a JSON Pointer, which begins with a slash, nor one of inputs, outputs, secrets and key:NAME\. Did you mean inputs\?/,
    ],
    ["inputs/email", /is neither a JSON Pointer/],
    ["/inputs/~2", /has a ~ that is neither ~0 nor ~1/],
    ["/**", /means the whole answer/],
    [
      "/plan",
      /A redaction means all of evidence\/r_1\/plan\.json\. Name what is to be taken out of it, as \/plan\/\*\./,
    ],
    ["/events", /A redaction means all of evidence\/r_1\/events\.jsonl\./],
  ] as const)
    it(`refuses ${text}`, async () => {
      await assert.rejects(redact(text), { code: "invalid_request", message: says });
    });

  it("takes an object out as a whole where one of its names is the value", async () => {
    const balances: Document = {
      ...RUN,
      value: { inputs: { who: "customer-77" }, outputs: { balances: { "customer-77": 5, limit: 9 } } },
    };
    const { documents, redactions } = await redactDocuments([balances], [readWish("/inputs/who")], salt);
    assert.deepEqual(
      redactions.map(({ pointer }) => pointer),
      ["/inputs/who", "/outputs/balances"],
    );
    assert.doesNotMatch(JSON.stringify(documents), /customer-77/);
  });

  it("gives back the documents, and has no trace of a value left, however it was written", async () => {
    const value = fc.string({ unit: "grapheme", minLength: 8, maxLength: 40 }).map((text) => `Zq${text}9x`);
    const written = (text: string): fc.Arbitrary<JsonValue> =>
      fc
        .tuple(
          fc.constantFrom<(text: string) => string>(
            (one) => one,
            (one) => JSON.stringify({ in: one }),
            (one) => JSON.stringify(JSON.stringify({ in: one })),
            (one) => Buffer.from(one).toString("base64"),
            (one) => Buffer.from(`x${one}`).toString("base64"),
            (one) => Buffer.from(`xx${one}yy`).toString("base64url"),
            (one) => Buffer.from(one).toString("hex"),
            (one) => `https://example.org/?q=${encodeURIComponent(one)}`,
            (one) => `before ${one} after`,
          ),
          fc.constantFrom<(text: string) => JsonValue>(
            (one) => one,
            (one) => [one, 1],
            (one) => ({ nested: { deep: one } }),
            (one) => ({ [one]: "as a name" }),
          ),
        )
        .map(([encode, put]) => put(encode(text)));
    const scene = value.chain((secret) =>
      fc.record({
        secret: fc.constant(secret),
        others: fc.array(fc.oneof(written(secret), fc.jsonValue() as fc.Arbitrary<JsonValue>), { maxLength: 6 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(scene, async ({ secret, others }) => {
        const run: Document = {
          ...RUN,
          value: { inputs: { secret, rest: others[0] ?? null }, outputs: { list: others } },
        };
        const events: Document = { ...EVENTS, value: others.map((output, i) => ({ seq: i + 1, output })) };
        const before = [events, run];
        const after = await redactDocuments(before, [readWish("/inputs/secret")], salt);
        after.documents.forEach((document, i) => {
          const fields = after.fields.filter(({ path }) => path === document.path);
          assert.equal(JSON.stringify(reveal(document.value, fields)), JSON.stringify(before[i]!.value));
        });
        const bytes = after.documents.map(({ value: one }) => JSON.stringify(one)).join("\n");
        for (const form of [
          JSON.stringify(secret).slice(1, -1),
          Buffer.from(secret).toString("base64").replace(/.=*$/, ""),
          Buffer.from(secret).toString("hex"),
          encodeURIComponent(secret.toWellFormed()),
        ])
          assert.ok(!bytes.includes(form), form);
      }),
      { numRuns: 200 },
    );
  });

  it("is found among many values as among few", () => {
    const values = Array.from({ length: 200 }, (_, i) => `value-${i}-${(i * 7919).toString(36)}`);
    const [few, many] = [Traces.of(values.slice(0, 2)), Traces.of(values)];
    for (const text of ["nothing", values[1]!, `in ${Buffer.from(`_${values[1]!}`).toString("base64")} it`, ""])
      assert.equal(many.areIn(text), few.areIn(text), text);
    assert.equal(many.areIn(`… ${values[150]!} …`), true);
    assert.equal(Traces.of(["short", 12345, true, null]).isEmpty, true);
    assert.equal(Traces.of([123456]).areIn(`sha256:${"0".repeat(58)}123456`), false);
    assert.equal(
      Traces.of(["ключ-ключ"]).inBytes.areIn(Buffer.from("a ключ-ключ b", "utf16le").toString("latin1")),
      true,
    );
  });

  it("leaves a marker in each place and nothing beside it", async () => {
    const { documents, redactions } = await redact("secrets", "/inputs/email");
    const markers = documents.flatMap(({ path, value }) =>
      [...placesIn(value)].flatMap(({ tokens, value: one }) =>
        markerDigest(one) === undefined ? [] : [`${path}#${writePointer(tokens)}`],
      ),
    );
    assert.deepEqual(markers.toSorted(), redactions.map(({ path, pointer }) => `${path}#${pointer}`).toSorted());
  });
});
