import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { ACTIONS, ALLOWED, builtinEvaluator } from "./builtin.ts";
import { readCedarBundle } from "./cedar-bundle.ts";
import { cedarEvaluator, evaluatorOf, loadCedar } from "./cedar.ts";
import { CASES, DEFAULT_POLICY, MAY, patched, policyCases, resourceOf } from "./contract-cases.ts";
import { decideWith, evaluatorContract } from "./contract.ts";
import type { Evaluator } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { wasmEvaluator } from "./rego-wasm.ts";

const CEDAR = join(DEFAULT_POLICY, "cedar");
const ENTRYPOINT = "maestro/authz/decision";
const openWasm = async (data = join(DEFAULT_POLICY, "rego/data.json")): Promise<Evaluator> =>
  wasmEvaluator({ file: join(DEFAULT_POLICY, "rego/policy.wasm"), entrypoint: ENTRYPOINT, data });

evaluatorContract("the built-in policy", async () => ({ evaluator: builtinEvaluator() }));
evaluatorContract("Cedar", async () => ({ evaluator: await cedarEvaluator(CEDAR) }));
evaluatorContract("compiled Rego", async () => ({ evaluator: await openWasm() }));

describe("the default policy", () => {
  let all: readonly Evaluator[];
  before(async () => {
    all = [builtinEvaluator(), await cedarEvaluator(CEDAR), await openWasm()];
  });

  it("has a row of cases for every action, and none for others", () => {
    assert.deepEqual(
      Object.keys(MAY).toSorted(),
      [...ACTIONS].toSorted(),
      `correct \`may\` in ${CASES}, then npm run docs`,
    );
  });

  it("decides alike in all three forms", async () => {
    await fc.assert(
      fc.asyncProperty(requests(), async (request) => {
        const [native, ...others] = await Promise.all(all.map(async (one) => decideWith(one, request)));
        for (const [i, other] of others.entries()) {
          assert.equal(other.allow, native!.allow, `${all[i + 1]!.engine}: ${other.reasons.join("; ")}`);
          // By the same rules, too; natively the first role that may do it is enough.
          if (native!.allow) assert.ok(native!.rules.every((rule) => other.rules.includes(rule)));
          else assert.deepEqual([...other.rules].sort(), [...native!.rules].sort());
        }
      }),
      { numRuns: 400 },
    );
  });

  it("never allows more when an attribute is taken away", async () => {
    await fc.assert(
      fc.asyncProperty(requests(), fc.nat(), async (request, which) => {
        const paths = pathsOf(request);
        const poorer = without(request, paths[which % paths.length]!) as unknown as GateRequest;
        for (const one of all) {
          const [whole, less] = [await decideWith(one, request), await decideWith(one, poorer)];
          assert.ok(
            whole.allow || !less.allow,
            `${one.engine} allows it without ${paths[which % paths.length]!.join(".")}`,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("never allows more when a policy of Cedar forbids something besides", async () => {
    const cedar = await loadCedar();
    const files = ["default.cedar", "schema.cedarschema"].map((name) => ({
      name,
      text: readFileSync(join(CEDAR, name), "utf8"),
    }));
    const plain = all[1]!;
    const conditions = [
      'principal.roles.contains("owner")',
      'context.purpose == "reporting"',
      'context has environment && context.environment == "production"',
      'resource.namespace == "shop"',
      "true",
    ];
    for (const condition of conditions) {
      const more = {
        name: "more.cedar",
        text: `@id("more") forbid (principal, action, resource) when { ${condition} };`,
      };
      const stricter = evaluatorOf(cedar, await readCedarBundle(cedar, [...files, more], CEDAR), CEDAR);
      let flips = 0;
      for (const { request, name } of policyCases().filter((_, i) => i % 3 === 0)) {
        const [before, now] = [await decideWith(plain, request), await decideWith(stricter, request)];
        assert.ok(before.allow || !now.allow, `${condition} allows ${name}`);
        if (before.allow !== now.allow) flips += 1;
      }
      assert.ok(flips > 0, `${condition} forbids nothing`);
    }
  });
});

describe("a rule that is left out of the default policy", () => {
  it("changes the answer to a case: policies of Cedar", async () => {
    const cedar = await loadCedar();
    const schema = { name: "schema.cedarschema", text: readFileSync(join(CEDAR, "schema.cedarschema"), "utf8") };
    const whole = await readCedarBundle(
      cedar,
      [{ name: "default.cedar", text: readFileSync(join(CEDAR, "default.cedar"), "utf8") }, schema],
      CEDAR,
    );
    assert.ok(whole.rules.size >= 10);
    for (const dropped of whole.rules.keys()) {
      const text = [...whole.rules.values()]
        .filter(({ id }) => id !== dropped)
        .map((rule) => rule.text)
        .join("\n");
      const mutant = evaluatorOf(
        cedar,
        await readCedarBundle(cedar, [{ name: "default.cedar", text }, schema], CEDAR),
        CEDAR,
      );
      assert.ok(await isCaught(mutant), `no case needs ${dropped}`);
    }
  });

  it("changes the answer to a case: actions of a role, which Rego has as data", async () => {
    const dir = mkdtempSync(join(tmpdir(), "maestro-policy-"));
    try {
      const path = join(dir, "data.json");
      for (const [role, actions] of Object.entries(ALLOWED))
        for (const dropped of actions) {
          const roles = { ...ALLOWED, [role]: actions.filter((one) => one !== dropped) };
          writeFileSync(path, JSON.stringify({ maestro: { roles } }));
          assert.ok(await isCaught(await openWasm(path), dropped), `no case needs ${dropped} of ${role}`);
        }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

/** Whether a case has another answer than it should; of an action, if it is known which one it is about. */
async function isCaught(mutant: Evaluator, action?: string): Promise<boolean> {
  for (const { request, allow } of policyCases())
    if ((action ?? request.action.name) === request.action.name && (await decideWith(mutant, request)).allow !== allow)
      return true;
  return false;
}

/** Questions of the right types, as Maestro asks them, with everything that may be missing missing now and then. */
function requests(): fc.Arbitrary<GateRequest> {
  const word = fc.constantFrom("reporting", "audit", "marketing", "", "x");
  const some = <T extends JsonValue>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
    fc.option(value, { nil: null, freq: 6 });
  const role = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...Object.keys(ALLOWED), "owner") },
    { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
  );
  const action = fc.oneof(
    { weight: 3, arbitrary: fc.constant("run.start") },
    { weight: 3, arbitrary: fc.constantFrom(...ACTIONS) },
    { weight: 1, arbitrary: fc.constantFrom("run.erase", "viewer", "owner", "Run.start") },
  );
  return fc
    .record({
      type: fc.constantFrom("user", "service", "schedule", "run"),
      id: fc.string({ minLength: 1, maxLength: 20 }),
      roles: fc.array(role, { maxLength: 4 }),
      org: some(fc.string({ maxLength: 8 })),
      action,
      purposes: some(fc.array(word, { maxLength: 3 })),
      authorityRequired: some(fc.boolean()),
      license: some(fc.string({ maxLength: 8 })),
      purpose: word,
      authority: fc.constantFrom("", "CHG-1", "§ 6"),
      environment: some(fc.constantFrom("local", "production")),
      usdMicros: some(fc.nat()),
    })
    .map(
      ({
        type,
        id,
        roles,
        org,
        action: name,
        purposes,
        authorityRequired,
        license,
        purpose,
        authority,
        environment,
        usdMicros,
      }) =>
        patched({
          subject: { type, id, properties: { roles, org } },
          action: { name },
          resource: {
            ...resourceOf(name),
            properties: {
              ...(resourceOf(name)["properties"] as JsonObject | undefined),
              license,
              ...(name === "run.start" ? { purposes, authorityRequired } : {}),
            },
          },
          context: { purpose, authority, environment, budget: { usdMicros } },
        }),
    );
}

function pathsOf(value: JsonObject, at: readonly string[] = []): readonly (readonly string[])[] {
  return Object.entries(value).flatMap(([name, one]) => {
    const path = [...at, name];
    return typeof one === "object" && one !== null && !Array.isArray(one)
      ? [path, ...pathsOf(one as JsonObject, path)]
      : [path];
  });
}

function without(value: JsonObject, [first, ...rest]: readonly string[]): JsonObject {
  if (rest.length > 0) return { ...value, [first!]: without(value[first!] as JsonObject, rest) };
  const { [first!]: _, ...others } = value;
  return others;
}
