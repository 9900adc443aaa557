import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { World, planOf, snapshot } from "../../test/support/world.ts";
import { sha256 } from "./digest.ts";
import type { Origin, RunEvent } from "./event.ts";
import { receiptFacts } from "./receipt-facts.ts";
import { statement } from "./receipt.ts";
import { redecide, replay } from "./replay.ts";
import {
  contextFor,
  formatTraceparent,
  parseTraceparent,
  readTraceContext,
  spanIdOf,
  traceIdOf,
} from "./trace-context.ts";
import type { SpanOf } from "./trace-context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const GIVEN = `00-${TRACE}-${SPAN}-01`;
const hexOf = (digits: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef".split("")), { minLength: digits, maxLength: digits })
    .map((all) => all.join(""))
    .filter((text) => !/^0+$/.test(text));

describe("a traceparent", () => {
  it("is read as the recommendation says", () => {
    const table: readonly (readonly [string, boolean])[] = [
      [GIVEN, true],
      [` ${GIVEN} `, true],
      [`00-${TRACE}-${SPAN}-00`, true],
      [`00-${TRACE}-${SPAN}-ff`, true],
      // A later version may say more.
      [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, true],
      [`cc-${TRACE}-${SPAN}-01.what`, false],
      [`00-${TRACE}-${SPAN}-01-more`, false],
      [`ff-${TRACE}-${SPAN}-01`, false],
      [`00-${"0".repeat(32)}-${SPAN}-01`, false],
      [`00-${TRACE}-${"0".repeat(16)}-01`, false],
      [`00-${TRACE.toUpperCase()}-${SPAN}-01`, false],
      [`00-${TRACE.slice(1)}-${SPAN}-01`, false],
      [`00-${TRACE}-${SPAN}-1`, false],
      [`00-${TRACE}-${SPAN}`, false],
      ["", false],
      ["00-", false],
    ];
    for (const [text, valid] of table) assert.equal(parseTraceparent(text) !== undefined, valid, text);
    assert.deepEqual(parseTraceparent(GIVEN), { traceId: TRACE, spanId: SPAN, sampled: true });
    assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-02`)?.sampled, false, "bit 0 is what says sampled");
  });

  it("survives being written and read", () => {
    fc.assert(
      fc.property(hexOf(32), hexOf(16), fc.boolean(), (traceId, spanId, sampled) => {
        const context = { traceId, spanId, sampled };
        assert.deepEqual(parseTraceparent(formatTraceparent(context)), context);
      }),
    );
  });

  it("never breaks on what somebody sends", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (parent, state) => {
        const read = readTraceContext(parent, state);
        assert.ok(read === undefined || parseTraceparent(read.traceparent) !== undefined);
      }),
    );
  });

  it("comes with a tracestate where that is sane", () => {
    assert.deepEqual(readTraceContext(GIVEN, "a=1,b=2"), { traceparent: GIVEN, tracestate: "a=1,b=2" });
    for (const state of [null, "", " ", "ä=1", "a=\n1", `a=${"x".repeat(511)}`])
      assert.deepEqual(readTraceContext(GIVEN, state), { traceparent: GIVEN }, String(state));
    assert.equal(readTraceContext("nonsense", "a=1"), undefined);
    assert.equal(readTraceContext(null, "a=1"), undefined);
  });
});

describe("the trace of a run", () => {
  const own = { run: "r_0001" };
  const called = { run: "r_0001", origin: { traceparent: GIVEN, tracestate: "a=1" } };
  const attempt: SpanOf = { kind: "attempt", task: "build", item: -1, attempt: 1 };

  it("follows from its id, or is that of its caller", () => {
    // Written down: another engine, another year, the same trace.
    assert.equal(traceIdOf(own), "25ae18f898c9dfb8d288080a0472833a");
    assert.equal(traceIdOf(called), TRACE);
    assert.notEqual(traceIdOf({ run: "r_0002" }), traceIdOf(own));
  });

  it("has another id for each of its spans", () => {
    const spans: readonly SpanOf[] = [
      { kind: "run", opened: 0 },
      { kind: "run", opened: 1 },
      { kind: "task", task: "a", opened: 0 },
      { kind: "task", task: "a", opened: 1 },
      { kind: "task", task: "b", opened: 0 },
      { kind: "item", task: "a", item: 0, opened: 0 },
      { kind: "wait", task: "a", item: 0, opened: 0 },
      { kind: "attempt", task: "a", item: 0, attempt: 1 },
      { kind: "attempt", task: "a", item: 0, attempt: 2 },
      { kind: "approval", approval: "a_1" },
    ];
    const ids = spans.map((of) => spanIdOf("r_0001", of));
    assert.equal(new Set(ids).size, spans.length);
    for (const id of ids) assert.match(id, /^[0-9a-f]{16}$/);
    assert.deepEqual(
      spans.map((of) => spanIdOf("r_0001", of)),
      ids,
    );
  });

  it("is told to those who work for it", () => {
    const spanId = spanIdOf("r_0001", attempt);
    assert.deepEqual(contextFor(own, attempt, true), { traceparent: `00-${traceIdOf(own)}-${spanId}-01` });
    assert.deepEqual(contextFor(called, attempt, false), {
      traceparent: `00-${TRACE}-${spanId}-00`,
      tracestate: "a=1",
    });
  });

  it("is passed on as it came where no spans are made", () => {
    assert.deepEqual(contextFor(called, attempt, undefined), { traceparent: GIVEN, tracestate: "a=1" });
    assert.equal(contextFor(own, attempt, undefined), undefined);
  });
});

describe("where a run came from", () => {
  const origin: Origin = { request: "q1", traceparent: GIVEN, tracestate: "a=1", repeats: GIVEN };

  it("decides nothing, and a receipt says the request alone", () => {
    const world = new World(planOf([{ id: "a" }, { id: "b", uses: "exec", needs: ["a"] }]));
    world.end("a").end("b");
    const traced = world.events.map((event): RunEvent => (event.kind === "run_created" ? { ...event, origin } : event));
    const { program } = world;
    assert.ok(redecide(program, traced).agrees);
    const [plain, other] = [replay(program, world.events), replay(program, traced)];
    assert.deepEqual(other.created.origin, origin);
    assert.equal(snapshot({ ...other, created: plain.created }), snapshot(plain));
    const sealed = { head: sha256("head"), builder: { id: "https://example.test", version: "0.0.0" } };
    const told = receiptFacts(program, other, sealed);
    assert.deepEqual(told, { ...receiptFacts(program, plain, sealed), request: "q1" });
    assert.match(JSON.stringify(statement(told)), /"run":\{[^{}]*"request":"q1"\}/);
    // As receipts were that are older.
    const untold = receiptFacts(program, other, { ...sealed, request: false });
    assert.deepEqual(statement(untold), statement(receiptFacts(program, plain, sealed)));
  });
});
