import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RunStatus } from "../core/event.ts";
import { MaestroError } from "../core/problem.ts";
import { accepts, everyPage, isActive } from "./contract-lists.ts";
import type { StorePlace } from "./contract-place.ts";
import { begin, goOn, goOnQuietly, sampleEvents, sampleRun, START } from "./sample.ts";
import type { RunAppend, RunQuery, RunRow, Store } from "./store.ts";
import { ASLEEP_FOREVER } from "./store.ts";

/** What a store should be: two maps. */
interface Model {
  readonly rows: Map<string, RunRow>;
  readonly events: Map<string, string[]>;
}

type Change = Partial<Pick<RunRow, "status" | "waiting" | "wakeAt" | "tasksDone" | "error" | "priority">>;
type Identity = Partial<
  Pick<RunRow, "namespace" | "workflow" | "labels" | "createdAt" | "concurrencyKey" | "parentRun" | "initiator">
>;

const RUNS = 12;
const id = (n: number): string => sampleRun(n).id;

/** Random histories against the model: the store must answer as the maps do, whatever was asked before. */
export function testModel(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name}: against a model`, () => {
    it("answers as two maps would, after any commits, conflicts and reopenings", async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands([batch, check, list, reopen], { maxCommands: 40 }), async (commands) => {
          const place = await makePlace();
          const real: Real = { place, store: await place.open() };
          try {
            await fc.asyncModelRun(() => ({ model: { rows: new Map(), events: new Map() }, real }), commands);
          } finally {
            await real.store.close();
            await place.remove();
          }
        }),
        { numRuns: 25 },
      );
    });
  });
}

interface Real {
  readonly place: StorePlace;
  store: Store;
}

interface Step {
  readonly run: number;
  readonly kind: "begin" | "row" | "quiet" | "stale" | "gap";
  readonly events: number;
  readonly change: Change;
  readonly identity: Identity;
}

class Command implements fc.AsyncCommand<Model, Real> {
  readonly #what: string;
  readonly #act: (model: Model, real: Real) => Promise<void>;

  constructor(what: string, act: (model: Model, real: Real) => Promise<void>) {
    this.#what = what;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, real: Real): Promise<void> {
    return this.#act(model, real);
  }

  toString(): string {
    return this.#what;
  }
}

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
const status = fc.constantFrom<RunStatus>(
  "queued",
  "running",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "denied",
);
const step: fc.Arbitrary<Step> = fc.record({
  run: fc.nat({ max: RUNS - 1 }),
  kind: fc.constantFrom("begin", "begin", "row", "row", "quiet", "quiet", "stale", "gap"),
  events: fc.nat({ max: 3 }),
  change: fc.record(
    {
      status,
      waiting: maybe(fc.constantFrom("timer", "approval")),
      wakeAt: maybe(fc.constantFrom(START, START + 7, START + 8, ASLEEP_FOREVER)),
      tasksDone: fc.nat({ max: 9 }),
      error: maybe(fc.constantFrom("EXIT: 1", "Straße")),
      priority: fc.integer({ min: -100, max: 100 }),
    },
    { requiredKeys: [] },
  ),
  identity: fc.record(
    {
      namespace: fc.constantFrom("a", "b"),
      workflow: fc.constantFrom("x", "y"),
      initiator: fc.constantFrom("local:i", "local:j"),
      labels: fc.dictionary(fc.constantFrom("env", "team"), fc.constantFrom("p", "q"), { noNullPrototype: true }),
      createdAt: fc.constantFrom(START, START + 1, START + 2),
      concurrencyKey: maybe(fc.constantFrom("k", "l")),
      parentRun: maybe(fc.constantFrom(id(0), id(1))),
    },
    { requiredKeys: [] },
  ),
});

const batch = fc.array(step, { minLength: 1, maxLength: 6 }).map(
  (steps) =>
    new Command(`commit ${JSON.stringify(steps)}`, async (model, real) => {
      const next: Model = { rows: new Map(model.rows), events: new Map(model.events) };
      let conflict: string | undefined;
      const runs: RunAppend[] = [];
      for (const one of steps) {
        const append = appendOf(next, one);
        if (append === undefined) continue;
        runs.push(append);
        const before = next.rows.get(append.id);
        if (append.firstSeq !== (before?.seq ?? 0) + 1 || (before === undefined && !("id" in append.row))) {
          conflict = append.id;
          break;
        }
        next.rows.set(append.id, "id" in append.row ? append.row : ({ ...before, ...append.row } as RunRow));
        next.events.set(append.id, [...(next.events.get(append.id) ?? []), ...append.events]);
      }
      if (conflict === undefined) {
        await real.store.commit({ runs });
        for (const [key, row] of next.rows) model.rows.set(key, row);
        for (const [key, events] of next.events) model.events.set(key, events);
        return;
      }
      const error: unknown = await real.store.commit({ runs }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof MaestroError && error.code === "run_conflict", String(error));
      assert.equal(error.facts["run"], conflict);
    }),
);

function appendOf(model: Model, one: Step): RunAppend | undefined {
  const row = model.rows.get(id(one.run));
  if (row === undefined) {
    if (one.kind === "begin")
      return begin(sampleRun(one.run, { ...one.identity, ...one.change }), sampleEvents(1, one.events + 1));
    const never = sampleRun(one.run, { seq: 3 });
    return one.kind === "gap" ? goOnQuietly(never, sampleEvents(4, 1)) : undefined;
  }
  const events = sampleEvents(row.seq + 1, one.events);
  switch (one.kind) {
    case "begin":
      return begin(row, sampleEvents(1, 1));
    case "row":
      return goOn(row, events, one.change);
    case "quiet":
      return goOnQuietly(row, events);
    case "stale":
      return goOnQuietly({ ...row, seq: row.seq - 1 }, events);
    case "gap":
      return goOn({ ...row, seq: row.seq + 1 }, events);
  }
}

const check = fc.nat({ max: RUNS - 1 }).map(
  (n) =>
    new Command(`check ${n}`, async (model, { store }) => {
      const rows = [...model.rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      assert.deepEqual(await store.runGet(id(n)), model.rows.get(id(n)));
      const events = await store.runEvents(id(n), { afterSeq: 0, limit: 1_000 });
      assert.deepEqual(
        events,
        (model.events.get(id(n)) ?? []).map((text, i) => ({ seq: i + 1, text })),
      );
      assert.deepEqual(
        await store.runActive({ afterId: "", limit: RUNS }),
        rows.filter((row) => isActive(row) && row.wakeAt === null),
      );
      const asleep = rows
        .filter((row) => isActive(row) && row.wakeAt !== null && row.wakeAt < ASLEEP_FOREVER)
        .map((row) => ({ wakeAt: Number(row.wakeAt), id: row.id }));
      asleep.sort((a, b) => a.wakeAt - b.wakeAt || (a.id < b.id ? -1 : 1));
      assert.deepEqual(
        await store.runDue({ after: { wakeAt: 0, id: "" }, until: START + 7, limit: RUNS }),
        asleep.filter((key) => key.wakeAt <= START + 7),
      );
      assert.equal(await store.nextWake(START), asleep.find((key) => key.wakeAt > START)?.wakeAt);
      const holders = rows
        .filter((row) => isActive(row) && row.concurrencyKey === "k")
        .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
      assert.deepEqual(await store.runByConcurrencyKey("k"), holders);
    }),
);

const query: fc.Arbitrary<RunQuery> = fc.record(
  {
    namespace: fc.constantFrom("a", "b"),
    namespaces: fc.subarray(["a", "b", "c"]),
    status: fc.uniqueArray(status, { maxLength: 3 }),
    workflow: fc.constantFrom("x", "y"),
    label: fc.record({ key: fc.constantFrom("env", "team"), value: fc.constantFrom("p", "q") }),
    initiator: fc.constantFrom("local:i", "local:j"),
    parentRun: fc.constantFrom(id(0), id(1), null),
    from: fc.constantFrom(START, START + 1),
    to: fc.constantFrom(START + 1, START + 2),
    text: fc.constantFrom("run 1", "STRASSE", "straße", "exit", ""),
    limit: fc.integer({ min: 1, max: 4 }),
  },
  { requiredKeys: ["limit"] },
);

const list = query.map(
  (one) =>
    new Command(`list ${JSON.stringify(one)}`, async (model, { store }) => {
      const expected = [...model.rows.values()].filter((row) => accepts(one, row));
      expected.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
      assert.deepEqual(await everyPage(store, one), expected);
    }),
);

const reopen = fc.constant(
  new Command("reopen", async (_, real) => {
    await real.store.close();
    real.store = await real.place.open();
  }),
);
