import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { AuditEntry } from "../provenance/audit.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { BREAK_GLASS_LIMITS } from "./break-glass.ts";
import { openDesk } from "./desk.ts";
import type { PolicyDesk } from "./desk.ts";

// That an emergency is over is told when it is, though nobody asks, and by one engine of all that come. The clock and what
// wakes the desk are the test's own.

const WHY = "the warehouse stands still, INC-17";
const FOR_MS = 600_000;
const anna = { subject: "user:anna", namespace: "shop", reason: WHY, forMs: FOR_MS };
const OVER = "nobody goes past the policy by this any more";

let folder = "";
let store: Store;
let now = 1_000_000;
let ids = 0;
/** What the desk waits for, and how long. */
let waits: { readonly ms: number; readonly look: () => void } | undefined;
const audited: AuditEntry[] = [];
const lines: string[] = [];
const desks: PolicyDesk[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "maestro-glass-"));
  store = await openSqlite({ path: join(folder, "maestro.db") });
  now = 1_000_000;
  waits = undefined;
  for (const list of [audited, lines]) list.length = 0;
});
afterEach(async () => {
  await closeAll();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function closeAll(): Promise<void> {
  for (const desk of desks.splice(0)) await desk.close();
}

async function open({ passive = false, wakes = true } = {}): Promise<PolicyDesk> {
  const desk = await openDesk({
    dataDir: folder,
    store,
    audit: { write: async (entry) => void audited.push(entry), note: (entry) => void audited.push(entry) },
    source: "urn:test",
    now: () => now,
    randomBytes: (length) => new Uint8Array(length).fill((ids += 1)),
    environment: () => undefined,
    log: (level, message, { breakGlass }) => lines.push(`${level} ${message} ${breakGlass}`),
    passive,
    ...(wakes
      ? {
          wake: (ms, look) => {
            const wait = { ms, look };
            waits = wait;
            return () => {
              if (waits === wait) waits = undefined;
            };
          },
        }
      : {}),
  });
  desks.push(desk);
  return desk;
}

/** The timer goes off after as much time as it was set to. */
function sleep(): void {
  const { ms, look } = waits ?? assert.fail("nothing is waited for");
  waits = undefined;
  now += ms;
  look();
}

const told = (): readonly (readonly [string, string, unknown])[] =>
  audited.map(({ action, resource, detail }) => [action, resource.id, detail?.["endedAt"]]);

describe("a break-glass whose time is over", () => {
  it("is told then, though nobody asks: in the log, in the audit and in the store", async () => {
    const desk = await open();
    const { id, until } = await desk.breakGlass.begin(anna);
    const later = await desk.breakGlass.begin({ ...anna, namespace: "bank", forMs: 2 * FOR_MS });
    let slept = 0;
    while (now < until) {
      assert.ok((waits?.ms ?? 0) <= BREAK_GLASS_LIMITS.lookMs);
      sleep();
      slept += 1;
    }
    assert.equal(slept, FOR_MS / BREAK_GLASS_LIMITS.lookMs);
    assert.deepEqual(
      desk.breakGlass.current.map((row) => row.id),
      [later.id],
    );
    while (now < later.until) sleep();
    assert.equal(waits, undefined, "nothing is open, so nothing is waited for");
    await closeAll();
    assert.deepEqual(
      lines.filter((line) => line.includes("any more")),
      [`error ${OVER} ${id}`, `error ${OVER} ${later.id}`],
    );
    assert.deepEqual(told(), [
      ["policy.break-glass-opened", id, null],
      ["policy.break-glass-opened", later.id, null],
      ["policy.break-glass-ended", id, until],
      ["policy.break-glass-ended", later.id, later.until],
    ]);
    const row = await store.breakGlass.get(id);
    assert.deepEqual([row?.endedAt, row?.endedBy], [until, null]);
  });

  it("is told by the next engine where none was there, and by no other again", async () => {
    const { id, until } = await (await open()).breakGlass.begin(anna);
    await closeAll();
    assert.equal(waits, undefined, "an engine that has gone looks at nothing");
    now = until + 86_400_000;
    await open({ passive: true });
    assert.equal(audited.length, 1, "whoever only looks leaves it to an engine");
    for (let engines = 0; engines < 3; engines++) {
      await open();
      await closeAll();
    }
    assert.deepEqual(told().slice(1), [["policy.break-glass-ended", id, until]]);
    assert.deepEqual(lines.slice(1), [`error ${OVER} ${id}`]);
  });

  it("goes on being looked at by the next engine while it is open", async () => {
    const { id, until } = await (await open()).breakGlass.begin(anna);
    await closeAll();
    now = until - 5_000;
    await open();
    assert.equal(waits?.ms, 5_000);
    sleep();
    await closeAll();
    await open();
    assert.deepEqual(told().slice(1), [["policy.break-glass-ended", id, until]]);
  });

  it("is told once where a question comes in the same moment, and not where it was ended by hand", async () => {
    const desk = await open();
    const { until } = await desk.breakGlass.begin(anna);
    const byHand = await desk.breakGlass.begin({ ...anna, namespace: "bank" });
    await desk.breakGlass.end(byHand.id, "user:bob");
    now = until;
    const question = {
      subject: { type: "user" as const, id: "anna", properties: { roles: [] } },
      action: { name: "run.start" },
      resource: { type: "run", id: "shop/orders", properties: { namespace: "shop" } },
      context: { purpose: "", authority: "" },
    };
    assert.equal((await desk.gate.decide(question, { at: now })).allow, false);
    sleep();
    await desk.gate.decide(question, { at: now });
    await closeAll();
    assert.equal(lines.filter((line) => line.includes("any more")).length, 2);
  });

  it("is sent to whom policy.yaml names when its own timer goes off", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    writeFileSync(join(folder, "policy.yaml"), "notify: { security: { file: told.jsonl } }\n");
    const desk = await open({ wakes: false });
    const { until } = await desk.breakGlass.begin({ ...anna, forMs: BREAK_GLASS_LIMITS.shortestMs });
    now = until;
    t.mock.timers.tick(BREAK_GLASS_LIMITS.shortestMs);
    t.mock.timers.reset();
    await closeAll();
    const types = readFileSync(join(folder, "told.jsonl"), "utf8").trim().split("\n");
    assert.match(types.at(-1) ?? "", /"type":"dev\.summit-maestro\.policy\.break-glass-ended"/);
  });
});
