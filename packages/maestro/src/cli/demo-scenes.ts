import type { RunStatus } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { RunView } from "../engine/engine.ts";
import { Chance } from "../testing/chance.ts";

/** A run of the demo: how it is started, what is done to it on its way, and where it stays. */
export interface Scene {
  /** Runbook of catalog/demo. */
  readonly workflow: string;
  readonly name: string;
  readonly purpose: string;
  readonly authority?: string;
  readonly inputs?: JsonObject;
  /** One after the other, each when the run stands so. */
  readonly acts?: readonly (readonly [at: Stand, act: Act])[];
  readonly until: Stand;
  /** Until a child run of that runbook stands so, too. */
  readonly child?: { readonly workflow: string; readonly status: RunStatus };
  /** What there is to see. */
  readonly shows: string;
  /** A command that goes on with it, with RUN for its id, and what that does. */
  readonly next?: readonly [command: string, does: string];
}

/** What a run is, what it waits for, or a task that it has begun. */
export type Stand = { readonly status: RunStatus } | { readonly waiting: string } | { readonly task: string };

export type Act =
  | { readonly kind: "cancel"; readonly reason: string }
  | { readonly kind: "retry" }
  | { readonly kind: "signal"; readonly name: string; readonly payload: JsonValue }
  | { readonly kind: "answer"; readonly verdict: "approve" | "deny"; readonly reason: string };

export function standsAt({ run, tasks }: RunView, stand: Stand): boolean {
  if ("status" in stand) return run.status === stand.status;
  if ("waiting" in stand) return run.status === "running" && run.waiting === stand.waiting;
  return tasks.some(({ id, status }) => id === stand.task && (status === "running" || status === "waiting"));
}

/** In this order, so that what one needs of another is there. The same seed gives the same scenes. */
export function demoScenes(seed: number): readonly Scene[] {
  const chance = new Chance(seed);
  const from = (least: number, most: number): number => least + Math.floor(chance.next() * (most - least + 1));
  const [minor, order, change] = [from(2, 30), from(100, 900), from(1000, 9000)];
  const products = from(800, 1600);
  const shelves = shuffled(SHELVES, chance).slice(0, 8);
  const [courier = "", driver = ""] = shuffled(PEOPLE, chance);
  const version = (patch: number): string => `1.${minor}.${patch}`;
  const succeeded = { status: "succeeded" } as const;
  const build = { workflow: "build", purpose: "build" } as const;
  const deploy = (number: number) =>
    ({ workflow: "deploy", purpose: "deploy", authority: `CHANGE-${change + number}` }) as const;
  const delivery = (number: number) =>
    ({
      workflow: "delivery",
      name: `parcel A-${order + number}`,
      purpose: "delivery",
      inputs: { order: `A-${order + number}` },
    }) as const;
  const counted = DAYS.map((day): Scene => {
    const orders = ordersOf(order, chance);
    const bad = orders.filter(({ pieces }) => pieces < 1).length;
    return {
      workflow: "orders",
      name: `orders of ${day}`,
      purpose: "accounting",
      inputs: { orders },
      until: succeeded,
      shows: `a fan-out of ${orders.length} items, ${bad} of which failed`,
    };
  });
  return [
    {
      ...build,
      name: `build ${version(0)}`,
      inputs: { version: version(0), products },
      until: succeeded,
      shows: `artifacts, and a log of ${(products + 1).toLocaleString("en")} lines`,
    },
    {
      ...build,
      name: `build ${version(0)} again`,
      inputs: { version: version(0), products },
      until: succeeded,
      shows: "nothing done again: all of it is taken from the cache",
    },
    {
      ...build,
      name: `build ${version(1)}`,
      inputs: { version: version(1), products, missing: from(1, 5) },
      until: { status: "failed" },
      shows: "a failure, and why",
      next: ["maestro logs RUN --failed", "why a build failed"],
    },
    ...counted,
    {
      workflow: "stock-count",
      name: `count ${shelves.length} shelves`,
      purpose: "accounting",
      inputs: { shelves },
      until: { status: "failed" },
      shows: "a budget of 5 attempts that ran out",
    },
    {
      ...deploy(1),
      name: "deploy out of curiosity",
      purpose: "curiosity",
      inputs: { version: version(0) },
      until: { status: "denied" },
      shows: "denied by policy: nothing was started",
    },
    {
      ...deploy(2),
      name: `deploy ${version(2)} to staging`,
      inputs: { version: version(2), healthy: false },
      until: { status: "failed" },
      shows: "rolled back, after a second try",
    },
    {
      ...deploy(3),
      name: `deploy ${version(0)}`,
      inputs: { version: version(0), environment: "production" },
      acts: [
        [{ waiting: "approval" }, { kind: "answer", verdict: "deny", reason: "not before the newsletter is out" }],
        [{ status: "denied" }, { kind: "retry" }],
        [{ waiting: "approval" }, { kind: "answer", verdict: "approve", reason: "the newsletter is out" }],
      ],
      until: succeeded,
      shows: "denied by a person, retried, approved: two receipts",
    },
    {
      ...delivery(1),
      acts: [[{ waiting: "signal" }, { kind: "signal", name: "arrived", payload: { signedBy: courier } }]],
      until: succeeded,
      shows: "a signal, and what it carried",
    },
    {
      ...delivery(2),
      acts: [[{ waiting: "signal" }, { kind: "cancel", reason: `${driver} is ill` }]],
      until: { status: "cancelling" },
      shows: "cancelled, and not over before the parcel is back",
    },
    {
      workflow: "endurance",
      name: "endurance, first try",
      purpose: "testing",
      acts: [[{ task: "spell" }, { kind: "cancel", reason: "the wrong disk" }]],
      until: { status: "cancelled" },
      shows: "cancelled, with the reason",
    },
    {
      workflow: "endurance",
      name: "endurance",
      purpose: "testing",
      until: { task: "spell" },
      shows: "at work for eight hours, in steps of five minutes",
    },
    {
      ...deploy(4),
      name: `deploy ${version(3)}`,
      inputs: { version: version(3), environment: "production" },
      until: { waiting: "approval" },
      shows: "waits for you to approve",
      next: ["maestro approve RUN", "let a deploy go on, and the one queued behind it"],
    },
    {
      ...deploy(5),
      workflow: "release",
      name: `release ${version(4)}`,
      purpose: "release",
      inputs: { version: version(4) },
      until: { task: "deploy" },
      child: { workflow: "deploy", status: "queued" },
      shows: "two child runs: one succeeded, one queued behind a deploy",
    },
    {
      workflow: "night-report",
      name: "night report",
      purpose: "reporting",
      until: { waiting: "timer" },
      shows: "asleep for twelve hours",
    },
    {
      ...delivery(3),
      until: { waiting: "signal" },
      shows: "waits for the signal `arrived`",
      next: [`maestro signal RUN arrived '{"signedBy":"you"}'`, "the courier has been there"],
    },
    {
      workflow: "partner-prices",
      name: "prices, a petabyte of them",
      purpose: "pricing",
      inputs: { roomMiB: 1_000_000_000 },
      until: { waiting: "poll" },
      shows: "looks every hour whether there is room",
    },
    {
      workflow: "partner-prices",
      name: "prices",
      purpose: "pricing",
      until: { waiting: "retry" },
      shows: "tries again in six hours",
    },
  ];
}

const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
const SHELVES = [
  "art",
  "comics",
  "cookery",
  "crime",
  "gardens",
  "history",
  "maps",
  "music",
  "poetry",
  "science",
  "travel",
];
const PEOPLE = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Katherine", "Ken", "Margaret"];

/** Six to twelve, the last of which is good and the first of which is not. */
function ordersOf(first: number, chance: Chance): readonly { id: string; pieces: number; cents: number }[] {
  const count = 6 + Math.floor(chance.next() * 7);
  return Array.from({ length: count }, (_, index) => ({
    id: `A-${first + index}`,
    pieces: index === 0 ? 0 : Math.floor(chance.next() * 6) + (index === count - 1 ? 1 : 0),
    cents: 100 + Math.floor(chance.next() * 9900),
  }));
}

function shuffled<T>(values: readonly T[], chance: Chance): readonly T[] {
  return values
    .map((value) => ({ value, place: chance.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ value }) => value);
}
