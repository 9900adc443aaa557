import fc from "fast-check";
import { isOpen } from "../../src/core/obligation.ts";
import type { Plan } from "../../src/core/plan.ts";
import { MaestroError } from "../../src/core/problem.ts";
import { isTerminal } from "../../src/core/run.ts";
import { ALLOW, OWNER, planOf, World } from "./world.ts";
import type { TaskSketch } from "./world.ts";

// Any run of any plan, for properties.

const undo = { uses: { kind: "type", name: "noop", version: 1, digest: "sha256:x" }, with: {}, effects: [] } as const;
const asked = { ...undo, effects: ["network"] } as const;
const child = { kind: "runbook", namespace: "x", name: "y", version: "1.0.0", planDigest: "sha256:c" } as const;

/** Plans of every feature mixed: each task may need any before it. */
export const plans: fc.Arbitrary<Plan> = fc
  .tuple(
    fc.array(
      fc.record({
        needs: fc.array(fc.nat(), { maxLength: 3 }),
        shape: fc.constantFrom(
          "plain",
          "plain",
          "fan",
          "fan-continue",
          "wait",
          "signal",
          "approval",
          "child",
          "poll",
          "guarded",
          "effects",
          "exec",
          "fan-signal",
          "fan-child",
          "fan-of",
          "fan-guarded",
        ),
        max: fc.integer({ min: 1, max: 4 }),
        items: fc.integer({ min: 0, max: 6 }),
        retry: fc.boolean(),
        tolerate: fc.boolean(),
        undo: fc.boolean(),
        reads: fc.boolean(),
        queue: fc.boolean(),
        cache: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    fc.boolean(),
    fc.boolean(),
    fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    fc.option(fc.integer({ min: 1000, max: 60_000 }), { nil: undefined }),
  )
  .map(([parts, rollback, withFinally, tasks, wallMs]) => {
    const sketches: TaskSketch[] = parts.map((part, i) => {
      const needs = [...new Set(part.needs.map((n) => n % (i + 1)))]
        .filter((n) => n < i)
        .sort((a, b) => a - b)
        .map((n) => `t${n}`);
      const common = {
        id: `t${i}`,
        needs,
        ...(part.retry
          ? { retry: { attempts: 3, initialMs: 700, factor: 2, maxMs: 5000, jitter: "full", onLost: "retry" } as const }
          : {}),
        ...(part.tolerate ? { continueOnError: true as const } : {}),
        ...(part.undo ? { undo: part.queue ? asked : undo } : {}),
        ...(part.cache ? { cache: {} } : {}),
        ...(part.queue ? { timeout: { queueMs: 3000 } } : {}),
        ...(part.reads && needs.length > 0
          ? { when: `tasks.${needs[0]!}.failed <= 1`, whenReadsStatus: true as const }
          : {}),
      };
      const forEach = {
        items: JSON.stringify(Array.from({ length: part.items }, (_, n) => n)),
        as: "n",
        max: part.max,
      };
      switch (part.shape) {
        case "fan":
          return { ...common, forEach: { ...forEach, onItemFailure: "stop" }, with: { n: "${{ n }}" } };
        case "fan-continue":
          return { ...common, forEach: { ...forEach, onItemFailure: "continue" }, effects: ["network"] };
        case "wait":
          return { ...common, uses: "wait", with: { duration: "2s" } };
        case "signal":
          return { ...common, uses: "wait", with: { signal: "go", timeout: "20s" } };
        case "approval":
          return { ...common, uses: "approval", with: { count: 1, expires: "15s" } };
        case "child":
          return { ...common, uses: child };
        case "fan-signal":
          return {
            ...common,
            uses: "wait",
            with: { signal: "go", timeout: "20s" },
            forEach: { ...forEach, onItemFailure: "continue" },
          };
        case "fan-child":
          return { ...common, uses: child, forEach: { ...forEach, onItemFailure: "stop" } };
        case "fan-of":
          // Its items are what an earlier task gave, which may change when that runs again.
          return {
            ...common,
            forEach: {
              ...forEach,
              onItemFailure: "stop",
              items: needs[0] === undefined ? "[]" : `tasks.${needs[0]}.succeeded > 0 ? [1, 2] : [3]`,
            },
            with: { n: "${{ n }}" },
          };
        case "fan-guarded":
          return {
            ...common,
            forEach: { ...forEach, onItemFailure: "continue" },
            approvals: { count: 1, roles: [], notRequester: false, expiresMs: 9000 },
          };
        case "poll":
          return { ...common, until: { condition: "task.attempt >= 2", everyMs: 500, max: 4 } };
        case "guarded":
          return { ...common, approvals: { count: 1, roles: [], notRequester: false, expiresMs: 9000 } };
        case "effects":
          return { ...common, effects: ["process"], sensitive: true };
        case "exec":
          return { ...common, uses: "exec" };
        default:
          return common;
      }
    });
    if (withFinally) {
      const forEach = { items: "[1, 2, 3]", as: "n", max: 2, onItemFailure: "stop" } as const;
      sketches.push(
        { id: "z1", phase: "finally", forEach },
        {
          id: "z2",
          phase: "finally",
          needs: ["z1"],
          retry: { attempts: 2, initialMs: 500, factor: 1, maxMs: 500, jitter: "none", onLost: "retry" },
        },
      );
    }
    return planOf(sketches, {
      onFailure: rollback ? "rollback" : "stop",
      ...(tasks === undefined && wallMs === undefined
        ? {}
        : { budget: { ...(tasks === undefined ? {} : { tasks }), ...(wallMs === undefined ? {} : { wallMs }) } }),
    });
  });

/** A run of the plan that waits to be admitted; what the gate and the cache say is drawn from `dice`. */
export function worldOf(plan: Plan, dice: () => number): World {
  const world = new World(plan, {
    queued: true,
    gate: () => {
      if (dice() >= 0.9) return { ...ALLOW, allow: false, reasons: ["dice"] };
      return dice() < 0.8
        ? ALLOW
        : { ...ALLOW, obligations: [{ id: "dice", type: "approval", properties: { notRequester: false } }] };
    },
    cache: () => ({
      key: "sha256:key",
      hit: dice() < 0.4 ? { fromRun: "r_earlier", result: { output: { v: 0 } } } : null,
    }),
  });
  world.random = dice;
  world.slots = 1 + Math.floor(dice() * 5);
  return world;
}

/** Plays a run to its end: what happens next is drawn from `dice`. */
export function play(world: World, dice: () => number): World {
  if (world.run.status === "queued" && dice() < 0.95) world.send({ kind: "admitted" });
  let retried = 0;
  for (let moves = 0; moves < 2000; moves++) {
    if (isTerminal(world.run.status)) {
      if (retried++ >= 3 || dice() < 0.5 || !attempt(() => world.send({ kind: "retry", by: OWNER }))) return world;
      world.atWork.length = 0;
      world.settle();
      continue;
    }
    move(world, dice);
  }
  throw new Error(`no end after 2000 moves: ${JSON.stringify(world.statuses())} at work ${world.working().join()}`);
}

function move(world: World, dice: () => number): void {
  const roll = dice();
  const at = world.atWork[Math.floor(dice() * world.atWork.length)];
  if (roll < 0.55 && at !== undefined) {
    const fate = dice();
    const result =
      fate < 0.7
        ? { output: { v: 1 } }
        : fate < 0.85
          ? { error: "UNAVAILABLE" }
          : fate < 0.92
            ? { error: "LOST" }
            : { error: "EXIT", final: true };
    world.end(at.task, result, at.item);
    return;
  }
  if (roll < 0.6) {
    attempt(() => world.send({ kind: "signal", name: "go", payload: 1, by: OWNER }));
    return;
  }
  const open = world.run.tasks.find(isOpen);
  if (roll < 0.7 && open?.approval) {
    const verdict = dice() < 0.8 ? "approve" : "deny";
    attempt(() =>
      world.send({
        kind: "approve",
        approval: open.approval!.request.approval,
        verdict,
        by: OWNER,
        planDigest: world.program.digest,
        reason: "",
      }),
    );
    return;
  }
  const child = world.run.tasks.flatMap((task) => task.steps).find((step) => step.status === "child");
  if (roll < 0.8 && child) {
    const task = world.program.tasks[child.task]!.plan.id;
    world.send({
      kind: "child_finished",
      task,
      item: child.item,
      childRun: child.child!,
      status: dice() < 0.8 ? "succeeded" : "failed",
      output: {},
    });
    return;
  }
  if (roll < 0.82) {
    attempt(() => world.send({ kind: "cancel", by: OWNER, reason: "dice", force: dice() < 0.3 }));
    return;
  }
  world.pass(Math.floor(dice() * 3000));
}

function attempt(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof MaestroError) return false;
    throw error;
  }
}

/** A stream of numbers in [0, 1) from a seed (mulberry32). */
export function diceOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
