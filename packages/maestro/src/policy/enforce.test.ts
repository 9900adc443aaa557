import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Decision, Obligation } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { BreakGlass } from "./break-glass.ts";
import type { BreakGlassEvent } from "./break-glass.ts";
import { openChannels } from "./channels.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import type { GateRequest, Occasion } from "./gate.ts";
import { Notices } from "./notices.ts";
import { openGate } from "./open-gate.ts";
import { Shadows } from "./shadow.ts";

const AT: Occasion = { at: 1_000_000 };

function ask(action: string, roles: readonly string[] = ["operator"], properties: JsonObject = {}): GateRequest {
  return {
    subject: { type: "user", id: "anna", properties: { ...properties, roles } },
    action: { name: action },
    resource: { type: "run", id: "shop/orders", properties: { namespace: "shop" } },
    context: { purpose: "", authority: "" },
  };
}

function saying(
  verdict: Verdict | Promise<Verdict> | (() => Verdict | Promise<Verdict>),
  engine = "test@1",
): Evaluator {
  return {
    engine,
    policyDigest: "sha256:policy",
    repeatable: false,
    evaluate: () => (typeof verdict === "function" ? verdict() : verdict),
  };
}

const YES: Verdict = { allow: true, rules: ["may"], reasons: ["it may"] };
const NO: Verdict = { allow: false, rules: ["freeze"], reasons: ["nothing changes this week"] };
const owing = (type: string, properties: JsonObject): Verdict => ({
  ...YES,
  obligations: [{ id: "careful", type, properties } satisfies Obligation],
});

let ids = 0;
const newId = (): string => `d_${(ids += 1)}`;

async function decide(
  evaluator: Evaluator,
  request: GateRequest,
  parts: Partial<Parameters<typeof openGate>[0]> = {},
  occasion = AT,
): Promise<Decision> {
  return openGate({ evaluator, newId, ...parts }).decide(request, occasion);
}

describe("what an allow depends on", () => {
  it("is a deny that names it where it cannot be carried out", async () => {
    const cases: readonly (readonly [Verdict, string, RegExp])[] = [
      [
        owing("approval", {}),
        "run.start",
        /careful wants approval: people can be asked before a task of a run, not before run.start/,
      ],
      [owing("approval", { count: "two" }), "task.execute", /neither its count nor its roles can be understood/],
      [owing("redact", { paths: ["/a"] }), "artifact.read", /nothing can be taken out of what artifact.read gives/],
      [owing("redact", { paths: [] }), "run.read", /it names no `paths`/],
      [owing("redact", { paths: ["a"] }), "run.read", /does not begin with a slash/],
      [owing("notify", { to: "security" }), "run.start", /there is no channel security in `notify` of policy.yaml/],
      [owing("notify", {}), "run.start", /it does not say `to` whom/],
      [owing("step-up", {}), "run.start", /it names neither `acr_values` nor `amr_values`/],
      [owing("burn", {}), "run.start", /careful wants burn: it is none of approval, step-up, redact, notify/],
    ];
    for (const [verdict, action, reason] of cases) {
      const { allow, reasons, obligations } = await decide(saying(verdict), ask(action));
      assert.equal(allow, false, action);
      assert.match(reasons[0] ?? "", reason);
      assert.equal(obligations?.length, 1, "what it was is recorded");
    }
  });

  it("is left to who asks where that one can: people for tasks, hiding in what is read", async () => {
    assert.equal((await decide(saying(owing("approval", { count: 2 })), ask("task.execute"))).allow, true);
    const hide = saying(owing("redact", { paths: ["/run/inputs/*"] }));
    assert.equal((await decide(hide, ask("run.read"), {}, { ...AT, redacts: true })).allow, true);
  });

  it("is a stronger login, which some have", async () => {
    const wants = saying(owing("step-up", { acr_values: ["gold"], amr_values: ["otp", "pwd"] }));
    const weak = await decide(wants, ask("run.start", [], { acr: "silver", amr: ["pwd"] }));
    assert.equal(weak.allow, false);
    assert.match(weak.reasons[0] ?? "", /log in again with acr gold, amr otp and pwd/);
    assert.equal((await decide(wants, ask("run.start", [], { acr: "gold", amr: ["pwd"] }))).allow, false);
    assert.equal((await decide(wants, ask("run.start", [], { acr: "gold", amr: ["pwd", "otp"] }))).allow, true);
    assert.equal((await decide(wants, ask("run.start", [], { acr: ["gold"], amr: "otp pwd" }))).allow, false);
  });
});

describe("notices, break-glass and trials", () => {
  let folder = "";
  let store: Store;
  let now = 1_000_000;
  const events: BreakGlassEvent[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "maestro-gate-"));
    store = await openSqlite({ path: join(folder, "maestro.db") });
    now = 1_000_000;
    events.length = 0;
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const open = async (): Promise<BreakGlass> =>
    BreakGlass.open({
      store: store.breakGlass,
      now: () => now,
      newId: () => `b_${(ids += 1)}`,
      longestMs: 3_600_000,
      told: (event) => events.push(event),
      failed: (error) => assert.fail(String(error)),
    });
  const WHY = "the warehouse stands still, INC-17";
  const anna = { subject: "user:anna", namespace: "shop", reason: WHY, forMs: 600_000 };

  it("a notice goes where the policy says, on an allow and on a deny", async () => {
    const channels = openChannels(
      { journal: { file: "notices.jsonl" } },
      { dataDir: folder, now: () => now, environment: () => undefined },
    );
    const notices = new Notices({
      channels,
      spool: join(folder, "notices"),
      source: "urn:test",
      now: () => now,
      newId: () => `n_${(ids += 1)}`,
      failed: ({ why }) => assert.fail(why),
    });
    const yes = saying(owing("notify", { to: "journal", body: "somebody looked" }));
    assert.equal((await decide(yes, ask("run.read"), { notices })).allow, true);
    assert.equal(
      (await decide(saying({ ...owing("notify", { to: ["journal"] }), allow: false }), ask("run.read"), { notices }))
        .allow,
      false,
    );
    await notices.close();
    const lines = readFileSync(join(folder, "notices.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; data: JsonObject });
    const told = lines.map(({ type, data }) => JSON.stringify([type, data["allow"], data["body"], data["action"]]));
    assert.deepEqual(told.toSorted(), [
      '["dev.summit-maestro.policy.notice",false,"","run.read"]',
      '["dev.summit-maestro.policy.notice",true,"somebody looked","run.read"]',
    ]);
  });

  it("a no becomes a yes for who broke the glass, there, until the time is over by the clock", async () => {
    const breakGlass = await open();
    const row = await breakGlass.begin(anna);
    const parts = { breakGlass };
    const past = await decide(saying(NO), ask("run.start"), parts);
    assert.deepEqual([past.allow, past.mode, past.rules], [true, "break-glass", ["freeze"]]);
    assert.equal(past.reasons[0], `break-glass ${row.id}, opened by user:anna: ${WHY}`);
    assert.ok(past.reasons.includes("nothing changes this week"));
    // What fails is the emergency that this is for.
    const failing = saying(() => {
      throw new Error("nobody answers");
    });
    assert.equal((await decide(failing, ask("run.start"), parts)).allow, true);
    assert.equal((await decide(saying(YES), ask("run.start"), parts)).mode, undefined);
    const other = { ...ask("run.start"), subject: { ...ask("").subject, id: "bob" } };
    const service = { ...ask("run.start"), subject: { ...ask("").subject, type: "service" as const } };
    const elsewhere = { ...ask("run.start"), resource: { type: "run", id: "x", properties: { namespace: "bank" } } };
    for (const request of [other, service, elsewhere])
      assert.equal((await decide(saying(NO), request, parts)).allow, false);
    now = row.until - 1;
    assert.equal((await decide(saying(NO), ask("run.start"), parts)).allow, true);
    now = row.until;
    assert.equal((await decide(saying(NO), ask("run.start"), parts)).allow, false);
    now = row.from - 1;
    assert.equal((await decide(saying(NO), ask("run.start"), parts)).allow, false);
  });

  it("is over for good when it was ended, and open again for the next engine when it was not", async () => {
    const breakGlass = await open();
    const row = await breakGlass.begin(anna);
    const next = await open();
    assert.equal((await decide(saying(NO), ask("run.start"), { breakGlass: next })).allow, true);
    await next.end(row.id, "user:bob");
    assert.equal((await decide(saying(NO), ask("run.start"), { breakGlass: next })).allow, false);
    assert.equal((await decide(saying(NO), ask("run.start"), { breakGlass: await open() })).allow, false);
    await assert.rejects(next.end(row.id, "user:bob"), { code: "conflict" });
  });

  it("never covers what a second person or the proof is for", async () => {
    const breakGlass = await open();
    await breakGlass.begin({ ...anna, namespace: "*" });
    const never = ["approval.give", "policy.break-glass", "policy.manage", "ledger.read", "audit.read", "audit.export"];
    for (const action of [...never, "hold.manage", "retention.run", "session.manage", "receipt.disclose"])
      assert.equal((await decide(saying(NO), ask(action), { breakGlass })).allow, false, action);
    for (const action of ["run.read", "policy.read", "task.execute", "receipt.read", "session.own"])
      assert.equal((await decide(saying(NO), ask(action), { breakGlass })).allow, true, action);
  });

  it("asks for a reason, a time within the limit, and nothing twice", async () => {
    const breakGlass = await open();
    await assert.rejects(breakGlass.begin({ ...anna, reason: "because" }), /it takes 20 to 1000/);
    await assert.rejects(breakGlass.begin({ ...anna, reason: " ".repeat(40) }), { code: "invalid_request" });
    for (const forMs of [0, 59_999, 3_600_001, Number.NaN, Infinity, 90_000.5])
      await assert.rejects(breakGlass.begin({ ...anna, forMs }), { code: "invalid_request" });
    await breakGlass.begin(anna);
    await assert.rejects(breakGlass.begin(anna), { code: "conflict" });
  });

  it("is told of when it is opened, when it is used, once a minute however often, and when it is over", async () => {
    const breakGlass = await open();
    const row = await breakGlass.begin(anna);
    for (let i = 0; i < 50; i++) await decide(saying(NO), ask("run.start"), { breakGlass });
    now += 60_000;
    await decide(saying(NO), ask("run.start"), { breakGlass });
    await breakGlass.end(row.id, "user:anna");
    assert.deepEqual(
      events.map(({ kind, uses }) => [kind, uses]),
      [
        ["opened", 0],
        ["used", 1],
        ["used", 50],
        ["ended", 51],
      ],
    );
  });

  it("can always be begun by the owner, unless a rule says no", async () => {
    const nothing = saying({ allow: false, rules: [], reasons: ["no policy permits it"] });
    assert.equal((await decide(nothing, ask("policy.break-glass", ["owner"]))).allow, true);
    assert.equal((await decide(nothing, ask("policy.break-glass", ["admin"]))).allow, false);
    assert.equal((await decide(nothing, ask("run.start", ["owner"]))).allow, false);
    assert.equal((await decide(saying(NO), ask("policy.break-glass", ["owner"]))).allow, false);
  });

  it("a policy on trial is recorded with the decision, decides nothing and holds up nobody", async () => {
    const late: string[] = [];
    const shadows = (evaluator: Evaluator): Shadows =>
      new Shadows({ evaluators: () => [evaluator], late: ({ reasons }) => late.push(...reasons) });
    const beside = shadows(saying(NO, "cedar@1"));
    const { allow, shadow } = await decide(saying(YES), ask("run.start"), { shadows: beside });
    assert.equal(allow, true);
    assert.deepEqual(shadow, [{ ...NO, engine: "cedar@1", policyDigest: "sha256:policy" }]);
    assert.deepEqual(beside.counts.get("cedar@1"), { agreed: 0, differed: 1, failed: 0, late: 0 });

    const failing = shadows(saying(Promise.reject(new Error("down")), "opa@1"));
    assert.equal((await decide(saying(Promise.resolve(YES)), ask("run.start"), { shadows: failing })).allow, true);

    let answer: (verdict: Verdict) => void = () => assert.fail();
    const slow = shadows(saying(new Promise<Verdict>((resolve) => (answer = resolve)), "opa@2"));
    const decision = await decide(saying(YES), ask("run.start"), { shadows: slow });
    assert.equal(decision.shadow, undefined);
    answer(NO);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(slow.counts.get("opa@2"), { agreed: 0, differed: 1, failed: 0, late: 1 });
    assert.deepEqual(late, NO.reasons);
  });

  it("can be asked what it would say, and then carries out and tells nothing", async () => {
    const breakGlass = await open();
    await breakGlass.begin(anna);
    const told: Decision[] = [];
    const gate = openGate({ evaluator: saying(NO), newId, breakGlass, decided: (decision) => told.push(decision) });
    assert.equal((await gate.consider(ask("run.start"), AT)).allow, false);
    const depends = openGate({ evaluator: saying(owing("notify", { to: "nobody" })), newId });
    const { allow, obligations } = await depends.consider(ask("run.start"), AT);
    assert.deepEqual([allow, obligations?.[0]?.type], [true, "notify"]);
    assert.deepEqual(told, []);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["opened"],
    );
  });
});
