import assert from "node:assert/strict";
import type { TestOptions } from "node:test";
import { after, before, describe, it } from "node:test";
import type { JsonValue } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import { BASE, patched, policyCases } from "./contract-cases.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";
import { UNKNOWN_POLICY } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { openGate } from "./open-gate.ts";

/** The default policy in one form, on one engine. */
export interface Stand {
  readonly evaluator: Evaluator;
  close?(): Promise<void>;
}

/** What every evaluator with the default policy has to do. */
export function evaluatorContract(name: string, open: () => Promise<Stand>, options: TestOptions = {}): void {
  describe(`${name}, as every evaluator,`, options, () => {
    let stand: Stand;
    const decide = async (request: GateRequest): Promise<Verdict> => decideWith(stand.evaluator, request);
    before(async () => {
      stand = await open();
    });
    after(async () => stand.close?.());

    it("answers each case of the default policy", async () => {
      const wrong: string[] = [];
      for (const one of policyCases()) {
        const { allow, rules, reasons } = await decide(one.request);
        const isRight =
          allow === one.allow &&
          (one.rules === undefined || [...rules].sort().join() === one.rules.join()) &&
          (allow ? rules.length > 0 : reasons.length > 0);
        if (!isRight)
          wrong.push(`${one.name}: ${allow ? "allowed" : "denied"} by ${rules.join(", ")}: ${reasons.join("; ")}`);
      }
      assert.deepEqual(wrong, []);
    });

    it("says which policy answers, and on which engine", async () => {
      const { evaluator } = stand;
      const { policyDigest = evaluator.policyDigest } = await decide(BASE);
      assert.match(policyDigest, /^sha256:[0-9a-f]{64}$/);
      assert.match(evaluator.engine, /^[a-z-]+@/);
      // What may be remembered must be known by its digest.
      if (evaluator.repeatable) assert.notEqual(policyDigest, UNKNOWN_POLICY);
    });

    it("allows nothing that is not asked properly, and throws at nobody", async () => {
      const allowed: string[] = [];
      const gate = openGate({ evaluator: stand.evaluator, newId: () => "d_0" });
      for (const [what, request] of STRANGE) {
        const { allow, reasons } = await gate.decide(request, { at: 0 });
        if (allow) allowed.push(what);
        else assert.ok(reasons.length > 0, `${what} is denied without a reason`);
      }
      assert.deepEqual(allowed, []);
      assert.equal((await decide(BASE)).allow, true, "and it still answers");
    });
  });
}

/** The answer as the gate takes it: whatever is thrown is a no. */
export async function decideWith(evaluator: Evaluator, request: GateRequest): Promise<Verdict> {
  try {
    return await evaluator.evaluate(request, { at: 0 });
  } catch (error) {
    return { allow: false, rules: [], reasons: [messageOf(error)] };
  }
}

const roles = (value: JsonValue): GateRequest => patched({ subject: { properties: { roles: value } } });
const long = "x".repeat(100_000);

const STRANGE: readonly (readonly [string, GateRequest])[] = [
  ["no roles at all", patched({ subject: { properties: { roles: null } } })],
  ["roles as a text", roles("owner")],
  ["roles as an object", roles({ 0: "owner", length: 1 })],
  ["roles that hold more than texts", roles(["owner", 1])],
  ["roles in a list in a list", roles([["owner"]])],
  ["a role that is a member of every object", roles(["constructor", "__proto__", "toString"])],
  ["a role with a zero byte", roles(["owner\0"])],
  ["a role in other letters", roles(["OWNER", "οwner", "owner​"])],
  ["an endless role", roles([long])],
  ["no subject", patched({ subject: null })],
  ["a subject without properties", patched({ subject: { properties: null } })],
  ["a subject of no type", patched({ subject: { type: null, properties: { roles: [] } } })],
  ["no action", patched({ action: null })],
  ["an action without a name", patched({ action: { name: null } })],
  ["an action that is a number", patched({ action: { name: 1 } })],
  ["an action that is a list", patched({ action: { name: ["run.start"] } })],
  ["an action in other letters", patched({ action: { name: "RUN.START" } })],
  ["an action with a blank", patched({ action: { name: "run.start " } })],
  ["an action that is a member of every object", patched({ action: { name: "__proto__" } })],
  ["an endless action", patched({ action: { name: long } })],
  ["no resource", patched({ resource: null })],
  ["purposes as a text", patched({ resource: { properties: { purposes: "reporting" } } })],
  ["purposes as an object", patched({ resource: { properties: { purposes: { a: "reporting" } } } })],
  ["purposes that hold more than texts", patched({ resource: { properties: { purposes: ["reporting", 1] } } })],
  ["a mandate that may be needed", patched({ resource: { properties: { authorityRequired: "false" } } })],
  [
    "an owner in a word, who would go past the policy",
    patched({ subject: { properties: { roles: "owner" } }, action: { name: "policy.break-glass" } }),
  ],
  ["no context", patched({ context: null })],
  ["no purpose", patched({ context: { purpose: null } })],
  ["a purpose as a list", patched({ context: { purpose: ["reporting"] } })],
  ["a purpose in other letters", patched({ context: { purpose: "Reporting" } })],
];
