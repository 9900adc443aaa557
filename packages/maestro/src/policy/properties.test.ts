import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { digestOf } from "../core/digest.ts";
import type { BreakGlassRow, BreakGlassStore } from "../store/break-glass.ts";
import { BreakGlass, BREAK_GLASS_LIMITS } from "./break-glass.ts";
import { builtinEvaluator } from "./builtin.ts";
import { flipsOf } from "./difference.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { openGate } from "./open-gate.ts";
import type { RecordedQuestion } from "./recorded.ts";

const ROLE = fc.constantFrom("viewer", "operator", "approver", "auditor", "admin", "owner", "nobody");
const ACTION = fc.constantFrom("run.read", "run.cancel", "approval.give", "audit.read", "policy.manage", "none.such");
const NAMESPACE = fc.constantFrom("shop", "bank");

const request: fc.Arbitrary<GateRequest> = fc
  .record({
    who: fc.constantFrom("anna", "bob"),
    roles: fc.uniqueArray(ROLE, { maxLength: 3 }),
    name: ACTION,
    namespace: NAMESPACE,
  })
  .map(({ who, roles, name, namespace }) => ({
    subject: { type: "user", id: who, properties: { roles } },
    action: { name },
    resource: { type: "run", id: `${namespace}/orders`, properties: { namespace } },
    context: { purpose: "", authority: "" },
  }));

/** Also denies a set of actions in a namespace. */
function stricter(actions: readonly string[], namespace: string): Evaluator {
  const base = builtinEvaluator();
  return {
    ...base,
    policyDigest: digestOf({ actions, namespace }),
    evaluate(asked, occasion) {
      const verdict = base.evaluate(asked, occasion) as Verdict;
      const frozen = asked.resource.properties.namespace === namespace && actions.includes(asked.action.name);
      return frozen ? { allow: false, rules: ["freeze"], reasons: ["frozen"] } : verdict;
    },
  };
}

describe("what a comparison of policies tells", () => {
  let ids = 0;
  const newId = (): string => `d_${(ids += 1)}`;

  it("is what the other policy says when it is asked, and nothing of the same policy", async () => {
    const ability = { channels: new Set<string>(), redacts: true };
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(request, { maxLength: 25, selector: (one) => JSON.stringify(one) }),
        fc.uniqueArray(ACTION, { maxLength: 4 }),
        NAMESPACE,
        async (requests, frozen, namespace) => {
          const gate = openGate({ evaluator: builtinEvaluator(), newId });
          const questions: RecordedQuestion[] = [];
          for (const one of requests) {
            const { allow, rules, requestDigest, id } = await gate.decide(one, { at: 0 });
            questions.push({ digest: requestDigest, request: one, allow, rules, count: 1, lastAt: 0, decision: id });
          }
          const answersOf = async (evaluator: Evaluator): Promise<readonly Verdict[]> =>
            Promise.all(requests.map(async (one) => evaluator.evaluate(one, { at: 0 })));
          assert.deepEqual(flipsOf(questions, await answersOf(builtinEvaluator()), ability), []);
          const other = stricter(frozen, namespace);
          const flipped = new Set(flipsOf(questions, await answersOf(other), ability).map(({ decision }) => decision));
          const whatIf = openGate({ evaluator: other, newId });
          for (const question of questions) {
            const { allow } = await whatIf.consider(question.request, { at: 0 });
            assert.equal(flipped.has(question.decision), allow !== question.allow);
            // What only forbids more never allows what was denied.
            assert.ok(question.allow || !allow);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("break-glass, in whatever order things happen", () => {
  type Step =
    | { readonly kind: "open"; readonly subject: "anna" | "bob"; readonly namespace: string; readonly minutes: number }
    | { readonly kind: "end"; readonly which: number }
    | { readonly kind: "pass"; readonly minutes: number }
    | { readonly kind: "ask"; readonly request: GateRequest };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constant("open" as const),
      subject: fc.constantFrom("anna" as const, "bob" as const),
      namespace: fc.constantFrom("shop", "bank", "*"),
      minutes: fc.integer({ min: 1, max: 60 }),
    }),
    fc.record({ kind: fc.constant("end" as const), which: fc.nat(5) }),
    fc.record({ kind: fc.constant("pass" as const), minutes: fc.integer({ min: 0, max: 45 }) }),
    fc.record({ kind: fc.constant("ask" as const), request }),
  );
  const NEVER = ["approval.give", "audit.read", "policy.manage"];

  it("allows exactly what the policy allows, and what one that is open then covers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        let now = 1_000_000_000;
        let ids = 0;
        const rows: BreakGlassRow[] = [];
        const breakGlass = await BreakGlass.open({
          store: memory(rows),
          now: () => now,
          newId: () => `b_${(ids += 1)}`,
          longestMs: BREAK_GLASS_LIMITS.defaultLongestMs,
          told: () => undefined,
          failed: (error) => assert.fail(String(error)),
        });
        const policy = builtinEvaluator();
        const gate = openGate({ evaluator: policy, newId: () => "d_1", breakGlass });
        const isOpen = (row: BreakGlassRow): boolean => row.endedAt === null && row.from <= now && now < row.until;
        for (const one of steps) {
          if (one.kind === "pass") now += one.minutes * 60_000;
          else if (one.kind === "open") {
            const subject = `user:${one.subject}`;
            const taken = rows.some((row) => row.subject === subject && row.namespace === one.namespace && isOpen(row));
            const begun = breakGlass.begin({
              subject,
              namespace: one.namespace,
              reason: "the reason of a property that holds",
              forMs: one.minutes * 60_000,
            });
            await (taken ? assert.rejects(begun, { code: "conflict" }) : begun);
          } else if (one.kind === "end") {
            const row = rows[one.which];
            if (row?.endedAt === null) await breakGlass.end(row.id, "user:admin");
          } else {
            const { subject, action, resource } = one.request;
            const decision = await gate.decide(one.request, { at: now });
            const byPolicy = (await policy.evaluate(one.request, { at: now })).allow;
            const covered = rows.some(
              (row) =>
                isOpen(row) &&
                row.subject === `user:${subject.id}` &&
                ["*", resource.properties.namespace].includes(row.namespace),
            );
            assert.equal(decision.allow, byPolicy || (covered && !NEVER.includes(action.name)));
            assert.equal(decision.mode === "break-glass", decision.allow && !byPolicy);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** What the interface promises, in a list. */
function memory(rows: BreakGlassRow[]): BreakGlassStore {
  return {
    put: async (row) => void rows.push(row),
    async end(id, { at, by }) {
      const i = rows.findIndex((row) => row.id === id);
      const ended = { ...rows[i]!, endedAt: at, endedBy: by };
      rows[i] = ended;
      return ended;
    },
    get: async (id) => rows.find((row) => row.id === id),
    list: async () => rows,
    open: async (now) => rows.filter((row) => row.endedAt === null && now < row.until),
    over: async (now) => rows.filter((row) => row.endedAt === null && now >= row.until),
  };
}
