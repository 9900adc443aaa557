import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { diceOf, plans, play, worldOf as randomWorld } from "../../test/support/random-run.ts";
import { treeOf } from "../../test/support/span-tree.ts";
import { ALLOW, OWNER, World, planOf } from "../../test/support/world.ts";
import type { TaskSketch, WorldOptions } from "../../test/support/world.ts";
import { applyEvent, createRun } from "../core/apply.ts";
import { sha256 } from "../core/digest.ts";
import type { RunEvent } from "../core/event.ts";
import type { Plan } from "../core/plan.ts";
import type { Run } from "../core/run.ts";
import { parseTraceparent, spanIdOf, traceIdOf } from "../core/trace-context.ts";
import { RunSpans } from "./run-spans.ts";
import type { Span } from "./spans.ts";

const RETRY = { attempts: 3, initialMs: 1000, maxMs: 1000, factor: 1, jitter: "none", onLost: "retry" } as const;

function worldOf(tasks: readonly TaskSketch[], rest: Partial<Plan> = {}, options: WorldOptions = {}): World {
  return new World(planOf(tasks, rest), options);
}

/** The spans of a history that is told in portions that end at these numbers of events. */
function spansOf(world: World, ends: readonly number[], from: readonly RunEvent[] = world.events): Span[] {
  const spans = new RunSpans();
  const given: Span[] = [];
  let run: Run | undefined;
  let told = 0;
  for (const end of [...ends, from.length]) {
    const events = from.slice(told, end);
    told = Math.max(told, end);
    for (const event of events) {
      if (event.kind === "run_created") run = createRun(world.program, event);
      else applyEvent(world.program, run!, event);
    }
    if (run !== undefined && events.length > 0) given.push(...spans.take({ run, program: world.program }, events));
  }
  return given;
}

/** Told as they were committed, which must be the same as told one by one. */
function spans(world: World, commits: readonly number[] = world.durable): Span[] {
  const committed = spansOf(world, commits);
  const single = spansOf(
    world,
    world.events.map((_, i) => i + 1),
  );
  const byId = (a: Span, b: Span): number => (a.spanId < b.spanId ? -1 : 1);
  assert.deepEqual(committed.toSorted(byId), single.toSorted(byId));
  return committed;
}

const named = (all: readonly Span[], name: string): Span => {
  const found = all.filter((span) => span.name === name);
  assert.equal(found.length, 1, `${found.length} spans are named ${name}`);
  return found[0]!;
};

describe("the spans of a run", () => {
  it("are a tree of tasks, attempts and waits with times, results and errors", () => {
    const world = worldOf([
      { id: "build", uses: "exec", retry: RETRY },
      { id: "rest", uses: "wait", with: { duration: "5s" }, needs: ["build"] },
      { id: "skipped", uses: "exec", when: "false" },
    ]);
    world.now += 10;
    world.end("build", { error: "EXIT" }).pass(1000);
    world.now += 20;
    world.end("build").pass(5000);
    const all = spans(world);
    assert.deepEqual(treeOf(all), [
      "RUN sketch: success",
      "  build: success",
      "    build attempt 1: failure (EXIT)",
      "    build attempt 2: success",
      "  skipped: skip",
      "  rest: success",
      "    rest wait: success",
    ]);
    const [first, second] = all.filter(({ name }) => name === "build attempt");
    assert.deepEqual(
      [first, second].map((span) => [span!.startAt - 1_000_000, span!.endAt - 1_000_000]),
      [
        [0, 10],
        [1010, 1030],
      ],
    );
    assert.deepEqual(named(all, "build").attributes, {
      "cicd.pipeline.task.name": "build",
      "cicd.pipeline.task.run.id": "r_test/build",
      "maestro.task.uses": "exec@1",
      "cicd.pipeline.task.run.result": "success",
    });
    const root = named(all, "RUN sketch");
    assert.deepEqual(
      [root.kind, root.attributes["cicd.pipeline.name"], root.attributes["cicd.pipeline.run.id"]],
      ["server", "sketch", "r_test"],
    );
    assert.equal(root.attributes["cicd.pipeline.action.name"], "RUN");
    assert.equal(first!.failure, "EXIT: as the test wants it");
    assert.equal(first!.traceId, traceIdOf({ run: "r_test" }));
    assert.equal(first!.spanId, spanIdOf("r_test", { kind: "attempt", task: "build", item: -1, attempt: 1 }));
  });

  it("show each item of a fan-out with its own attempts", () => {
    const world = worldOf([
      {
        id: "each",
        uses: "exec",
        forEach: { items: "[1, 2]", as: "n", max: 2, onItemFailure: "continue" },
      },
    ]);
    world.end("each", { error: "EXIT", final: true }, 1).end("each", {}, 0);
    assert.deepEqual(treeOf(spans(world)), [
      "RUN sketch: failure (EXIT)",
      "  each: failure (EXIT)",
      "    each item 0: success",
      "      each attempt 1: success",
      "    each item 1: failure (EXIT)",
      "      each attempt 1: failure (EXIT)",
    ]);
  });

  it("show how long people took, and what they said", () => {
    const approvals = { count: 1, roles: [], notRequester: false, expiresMs: 60_000 };
    const asked = (): World => worldOf([{ id: "deploy", uses: "exec", approvals }]);
    const answer = (world: World, verdict: "approve" | "deny"): World => {
      const event = world.events.find(({ kind }) => kind === "approval_requested")!;
      assert.ok(event.kind === "approval_requested");
      world.now += 500;
      const { approval, planDigest } = event;
      return world.send({ kind: "approve", approval, verdict, by: OWNER, planDigest, reason: "" });
    };
    const approved = spans(answer(asked(), "approve").end("deploy"));
    assert.deepEqual(treeOf(approved), [
      "RUN sketch: success",
      "  deploy: success",
      "    deploy approval: success",
      "    deploy attempt 1: success",
    ]);
    const { startAt, endAt, attributes } = named(approved, "deploy approval");
    assert.equal(endAt - startAt, 500);
    assert.equal(attributes["maestro.approval.verdict"], "approved");
    assert.deepEqual(treeOf(spans(answer(asked(), "deny"))), [
      "RUN sketch: failure (APPROVAL_DENIED)",
      "  deploy: failure (APPROVAL_DENIED)",
      "    deploy approval: failure (APPROVAL_DENIED)",
    ]);
    assert.deepEqual(treeOf(spans(asked().pass(60_000))), [
      "RUN sketch: failure (APPROVAL_EXPIRED)",
      "  deploy: timeout (APPROVAL_EXPIRED)",
      "    deploy approval: timeout (APPROVAL_EXPIRED)",
    ]);
  });

  it("end with the run when it is cancelled, whatever was open", () => {
    const approvals = { count: 1, roles: [], notRequester: false, expiresMs: 60_000 };
    const world = worldOf([
      { id: "works", uses: "exec" },
      { id: "waits", uses: "wait", with: { signal: "go" } },
      { id: "asks", uses: "exec", approvals },
      { id: "later", uses: "exec", needs: ["works"] },
    ]);
    world.now += 100;
    world.send({ kind: "cancel", by: OWNER, reason: "enough", force: true });
    const all = spans(world);
    assert.deepEqual(treeOf(all), [
      "RUN sketch: cancellation",
      "  asks: cancellation",
      "    asks approval: cancellation",
      "  waits: cancellation",
      "    waits wait: cancellation",
      "  works: cancellation",
      "    works attempt 1: cancellation",
    ]);
    for (const span of all) assert.equal(span.endAt, world.now, span.name);
  });

  it("show a rollback below the run", () => {
    const undo = {
      uses: { kind: "type", name: "exec", version: 1, digest: sha256("exec") },
      with: {},
      effects: [],
    } as const;
    const world = worldOf(
      [
        { id: "a", uses: "exec", undo },
        { id: "b", uses: "exec", needs: ["a"] },
        { id: "tidy", uses: "exec", phase: "finally" },
      ],
      { onFailure: "rollback" },
    );
    world.now += 5;
    world.end("a").end("b", { error: "EXIT", final: true });
    world.now += 5;
    world.end("a").end("tidy");
    assert.deepEqual(treeOf(spans(world)), [
      "RUN sketch: failure (EXIT)",
      "  a: success",
      "    a attempt 1: success",
      "  a undo 2: success",
      "  b: failure (EXIT)",
      "    b attempt 1: failure (EXIT)",
      "  tidy: success",
      "    tidy attempt 1: success",
    ]);
  });

  it("of a retry are a second tree in the same trace that points at the first", () => {
    const world = worldOf([
      { id: "a", uses: "exec" },
      { id: "b", uses: "exec", needs: ["a"] },
    ]);
    world.end("a").end("b", { error: "EXIT", final: true });
    const first = spans(world);
    world.now += 1000;
    world.send({ kind: "retry", by: OWNER }).end("b");
    const all = spans(world);
    const second = all.slice(first.length);
    assert.deepEqual(treeOf(second), ["RUN sketch: success", "  b: success", "    b attempt 2: success"]);
    assert.equal(second[0]!.traceId, first[0]!.traceId);
    const roots = all.filter(({ kind }) => kind === "server");
    assert.deepEqual(roots[1]!.links, [
      { relation: "retry_of", context: { traceId: roots[0]!.traceId, spanId: roots[0]!.spanId, sampled: true } },
    ]);
    assert.equal(roots[1]!.startAt, world.now);
    assert.equal(new Set(all.map(({ spanId }) => spanId)).size, all.length);
  });

  it("name the child run as what the attempt waits for", () => {
    const uses = {
      kind: "runbook",
      namespace: "test",
      name: "inner",
      version: "1.0.0",
      planDigest: sha256("inner"),
    } as const;
    const world = worldOf([{ id: "sub", uses }]);
    const started = world.commands.find(({ kind }) => kind === "start_child")!;
    assert.ok(started.kind === "start_child");
    world.send({
      kind: "child_finished",
      task: "sub",
      item: -1,
      childRun: started.childRun,
      status: "succeeded",
      output: {},
    });
    const all = spans(world);
    assert.deepEqual(treeOf(all), ["RUN sketch: success", "  sub: success", "    sub child run 1: success"]);
    assert.deepEqual(named(all, "sub child run").links, [
      {
        relation: "child",
        context: {
          traceId: traceIdOf({ run: "r_test" }),
          spanId: spanIdOf(started.childRun, { kind: "run", opened: 0 }),
          sampled: true,
        },
      },
    ]);
  });

  it("lie in the trace of the caller, and point at what is repeated", () => {
    const world = worldOf([{ id: "a" }]).end("a");
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const repeats = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const origin = { traceparent, repeats, request: "req-1" };
    const called = world.events.map((event): RunEvent => (event.kind === "run_created" ? { ...event, origin } : event));
    const root = named(spansOf(world, world.durable, called), "RUN sketch");
    assert.deepEqual([root.traceId, root.parentSpanId], ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"]);
    assert.equal(root.attributes["maestro.request.id"], "req-1");
    assert.deepEqual(root.links, [{ relation: "rerun_of", context: parseTraceparent(repeats) }]);
  });

  it("of a run that was denied say so", () => {
    const world = worldOf([{ id: "a" }], {}, { decision: { ...ALLOW, allow: false, reasons: ["not today"] } });
    assert.deepEqual(treeOf(spans(world)), ["RUN sketch: failure (DENIED)"]);
  });

  it("tell nothing of what a sensitive task says but its code", () => {
    const world = worldOf([{ id: "a", uses: "exec", sensitive: true }]);
    world.end("a", { error: "EXIT", final: true });
    for (const { failure } of spans(world)) assert.equal(failure, "EXIT");
  });

  it("of a run that was lost in a crash are the same, whoever tells them", () => {
    const world = worldOf([
      { id: "a", uses: "exec", retry: RETRY },
      { id: "b", uses: "exec", needs: ["a"] },
    ]);
    const resumed = World.resume(world);
    resumed.pass(1000).end("a").end("b");
    assert.deepEqual(treeOf(spans(resumed)), [
      "RUN sketch: success",
      "  a: success",
      "    a attempt 1: error (LOST)",
      "    a attempt 2: success",
      "  b: success",
      "    b attempt 1: success",
    ]);
  });
});

describe("the spans of any run of any plan", () => {
  it("are one tree for each time it was opened, the same however they are told, and hold every attempt once", () => {
    fc.assert(
      fc.property(plans, fc.integer(), fc.nat(), (plan, seed, cut) => {
        const dice = diceOf(seed);
        const whole = play(randomWorld(plan, dice), dice);
        const before = whole.durable.slice(0, 1 + (cut % whole.durable.length));
        const crashed = play(World.resume(whole, before.at(-1)), dice);
        for (const [world, commits] of [
          [whole, whole.durable],
          [crashed, [...before, ...crashed.durable]],
        ] as const) {
          const all = spans(world, commits);
          const openings = Map.groupBy(all, openingOf(all));
          for (const opening of openings.values()) treeOf(opening);
          assert.equal(openings.size, world.run.reopened + 1);
          const started = world.events.filter(({ kind }) => kind === "attempt_started" || kind === "child_started");
          const attempts = all.filter(({ attributes }) => attributes["maestro.attempt"] !== undefined);
          assert.equal(attempts.length, started.length);
          assert.equal(new Set(all.map(({ spanId }) => spanId)).size, all.length);
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** To which root a span leads. */
function openingOf(all: readonly Span[]): (span: Span) => string {
  const byId = new Map(all.map((span) => [span.spanId, span]));
  const root = (span: Span): string => {
    const above = span.parentSpanId === undefined ? undefined : byId.get(span.parentSpanId);
    return above === undefined ? span.spanId : root(above);
  };
  return root;
}
