import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { MaestroError } from "../core/problem.ts";
import { cedarEvaluator } from "./cedar.ts";
import { readCedarSchema } from "./cedar-schema.ts";
import { BASE, DEFAULT_POLICY, patched } from "./contract-cases.ts";
import { decideWith } from "./contract.ts";
import type { Evaluator, Verdict } from "./evaluator.ts";

const SCHEMA = readFileSync(join(DEFAULT_POLICY, "cedar/schema.cedarschema"), "utf8");
const ALL = '@id("all") permit (principal, action, resource);';

const dirs: string[] = [];
after(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true });
});

async function load(files: Readonly<Record<string, string>>): Promise<Evaluator> {
  const dir = mkdtempSync(join(tmpdir(), "maestro-cedar-"));
  dirs.push(dir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return cedarEvaluator(dir);
}

const policies = async (text: string, schema = SCHEMA): Promise<Evaluator> =>
  load({ "a.cedar": text, "schema.cedarschema": schema });
const ask = async (text: string, schema?: string, patch = {}): Promise<Verdict> =>
  decideWith(await policies(text, schema), patched(patch));

/** A schema with one type of everything. */
const small = (context: string, resource = ""): string => `namespace Maestro {
  entity User { id: String };
  entity Runbook { ${resource} };
  action "run.start" appliesTo { principal: [User], resource: [Runbook], context: { ${context} } };
}`;

describe("a folder of policies in Cedar", () => {
  it("is refused for all that is wrong with it, with the file and the place", async () => {
    for (const [files, ...faults] of [
      [{}, /it has no schema\.cedarschema/],
      [{ "a.cedar": ALL }, /it has no schema\.cedarschema/],
      [{ "schema.cedarschema": SCHEMA }, /it has no policies, so that nothing would ever be allowed/],
      [{ "schema.cedarschema": SCHEMA, "a.cedar": "// nothing yet" }, /it has no policies/],
      [{ "schema.cedarschema": SCHEMA, "schema.cedarschema.json": "{}", "a.cedar": ALL }, /it has both/],
      [{ "schema.cedarschema": "namespace {", "a.cedar": ALL }, /schema\.cedarschema:1: /],
      [{ "schema.cedarschema.json": "{", "a.cedar": ALL }, /schema\.cedarschema\.json: /],
      [{ "schema.cedarschema": SCHEMA, "a.cedar": `${ALL}\n\npermit (` }, /a\.cedar:3: unexpected end of input/],
      [
        { "schema.cedarschema": SCHEMA, "a.cedar": "permit (principal, action, resource);" },
        /a\.cedar: a policy has no @id; write @id/,
      ],
      [
        { "schema.cedarschema": SCHEMA, "a.cedar": '@id("my rule") permit (principal, action, resource);' },
        /@id\("my rule"\) is no name/,
      ],
      [
        { "schema.cedarschema": SCHEMA, "a.cedar": ALL, "b.cedar": ALL },
        /b\.cedar and a\.cedar both have a policy with the id all/,
      ],
      [
        { "schema.cedarschema": SCHEMA, "a.cedar": '@id("t") permit (principal == ?principal, action, resource);' },
        /has a slot/,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") permit (principal, action, resource) when { principal.rank > 3 };',
        },
        /a\.cedar: t: attribute `rank` .* not found|a\.cedar: t: .*rank/,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") permit (principal, action == Maestro::Action::"run.strat", resource);',
        },
        /a\.cedar: t: unrecognized action `Maestro::Action::"run\.strat"`/,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") forbid (principal, action, resource) when { resource.purposes.contains("x") };',
        },
        /a\.cedar: t: /,
      ],
      // It could never apply.
      [
        { "schema.cedarschema": SCHEMA, "a.cedar": '@id("t") permit (principal, action, resource) when { 1 == 2 };' },
        /a\.cedar: t: /,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") @obligation("call: { who: me }") permit (principal, action, resource);',
        },
        /t: call is no obligation; there are approval, step-up, redact, notify/,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") @obligation("notify") permit (principal, action, resource);',
        },
        /t: @obligation is not of the form/,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") @obligation("notify: [ops]") permit (principal, action, resource);',
        },
        /t: what the obligation notify says is no mapping/,
      ],
      [
        {
          "schema.cedarschema": SCHEMA,
          "a.cedar": '@id("t") @obligation("notify: {") permit (principal, action, resource);',
        },
        /t: @obligation is not readable/,
      ],
      [
        { "schema.cedarschema": SCHEMA, "a.cedar": '@id("t") @id("u") permit (principal, action, resource);' },
        /duplicate annotation/,
      ],
    ] as const)
      await assert.rejects(load(files), (error) => {
        assert.ok(error instanceof MaestroError);
        assert.equal(error.code, "policy_unusable");
        for (const fault of faults) assert.match(error.message, fault);
        return true;
      });
  });

  it("has a digest of its names and contents, and of nothing else", async () => {
    const one = await load({ "a.cedar": ALL, "schema.cedarschema": SCHEMA });
    assert.equal(
      (await load({ "schema.cedarschema": SCHEMA, "a.cedar": ALL, "cases.yaml": "x" })).policyDigest,
      one.policyDigest,
    );
    assert.notEqual((await load({ "b.cedar": ALL, "schema.cedarschema": SCHEMA })).policyDigest, one.policyDigest);
    assert.notEqual(
      (await load({ "a.cedar": `${ALL} `, "schema.cedarschema": SCHEMA })).policyDigest,
      one.policyDigest,
    );
    assert.notEqual(
      (await load({ "a.cedar": ALL, "schema.cedarschema": `${SCHEMA} ` })).policyDigest,
      one.policyDigest,
    );
  });

  it("may have its schema as JSON", async () => {
    const schema = {
      Maestro: {
        entityTypes: { User: {}, Runbook: { shape: { type: "Record", attributes: { license: { type: "String" } } } } },
        actions: { "run.start": { appliesTo: { principalTypes: ["User"], resourceTypes: ["Runbook"] } } },
      },
    };
    const text = '@id("mit") permit (principal, action, resource) when { resource.license == "MIT" };';
    const evaluator = await load({ "a.cedar": text, "schema.cedarschema.json": JSON.stringify(schema) });
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
  });
});

describe("a policy in Cedar", () => {
  it("is named by its @id, and speaks by its @why and @fix", async () => {
    const text = `${ALL}
      @id("no-friday") @why("Nothing starts on a Friday.") @fix("Start it on Monday.")
      forbid (principal, action, resource) when { context.purpose == "reporting" };
      @id("bare") forbid (principal, action, resource) when { resource.namespace == "shop" };`;
    assert.deepEqual(await ask(text), {
      allow: false,
      rules: ["bare", "no-friday"],
      reasons: ["policy bare forbids it", "Nothing starts on a Friday. Start it on Monday."],
    });
  });

  it("says whom and what it does not permit, where none permits", async () => {
    const text = '@id("ben") permit (principal == Maestro::User::"ben", action, resource);';
    const { allow, rules, reasons } = await ask(text);
    assert.deepEqual(
      [allow, rules, reasons],
      [false, [], ["no policy permits user anna to do run.start on runbook shop/nightly@1.0.0"]],
    );
    assert.equal((await ask(text, SCHEMA, { subject: { id: "ben" } })).allow, true);
  });

  it("asks for what its @obligation says, also beside another one that permits", async () => {
    const text = `${ALL}
      @id("sensitive") @obligation("approval: { count: 2, roles: [approver] }\\nnotify: { to: security }")
      permit (principal, action, resource) when { resource is Maestro::Runbook && resource has effects && resource.effects.contains("write") };`;
    const { allow, obligations } = await ask(text);
    assert.equal(allow, true);
    assert.deepEqual(obligations, [
      { id: "sensitive", type: "approval", properties: { count: 2, roles: ["approver"] } },
      { id: "sensitive", type: "notify", properties: { to: "security" } },
    ]);
    assert.equal(
      (await ask(text, SCHEMA, { resource: { properties: { effects: ["network"] } } })).obligations,
      undefined,
    );
  });

  it("that cannot be evaluated denies, whatever the others say", async () => {
    // Cedar leaves out what fails: a rule that forbids would be gone exactly when it is needed.
    const schema = small("a: Long, purpose: String");
    const text = `${ALL} @id("most") forbid (principal, action, resource) when { context.a * 9223372036854775807 == 0 };`;
    const patch = { context: { a: 2 } };
    const { allow, rules, reasons } = await ask(text, schema, patch);
    assert.deepEqual([allow, rules], [false, []]);
    assert.match(reasons.join("; "), /policy most could not be evaluated: .*overflow/);
    assert.equal((await ask(text, schema, { context: { a: 1 } })).allow, true);
  });

  it("sees the parts of a request that its schema knows, in their types", async () => {
    const schema = small(
      "purpose: String, rate?: decimal, from?: datetime, tags?: Set<String>, more?: { deep?: Long }",
      "license?: String, n?: Long",
    );
    const allows = async (condition: string, patch: object): Promise<boolean | string> => {
      const { allow, reasons } = await ask(
        `@id("c") permit (principal, action, resource) when { ${condition} };`,
        schema,
        patch,
      );
      return allow || /does not fit/.test(reasons.join()) ? allow || "does not fit" : false;
    };
    assert.equal(
      await allows('context has rate && context.rate.lessThan(decimal("1.5"))', { context: { rate: 1.25 } }),
      true,
    );
    assert.equal(
      await allows("context has rate", { context: { rate: 1.23456 } }),
      "does not fit",
      "rounded it could pass a limit",
    );
    assert.equal(
      await allows('context has from && context.from < datetime("2026-01-02")', { context: { from: "2026-01-01" } }),
      true,
    );
    assert.equal(
      await allows('context has tags && context.tags.contains("a")', { context: { tags: ["a", "b"] } }),
      true,
    );
    assert.equal(await allows("context has tags", { context: { tags: [1] } }), "does not fit");
    assert.equal(
      await allows("context has more && context.more has deep && context.more.deep == 3", {
        context: { more: { deep: 3, unknown: [] } },
      }),
      true,
    );
    assert.equal(
      await allows("context has more && context.more has deep", { context: { more: { deep: 1.5 } } }),
      "does not fit",
    );
    assert.equal(await allows("resource has n && resource.n > 1", { resource: { properties: { n: 2 } } }), true);
    assert.equal(await allows("resource has n", { resource: { properties: { n: "2" } } }), "does not fit");
    assert.equal(await allows("!(resource has license)", { resource: { properties: { license: null } } }), true);
    assert.equal(
      await allows("true", { context: { purpose: null } }),
      "does not fit",
      "what the schema needs has to be there",
    );
  });

  it("knows the time only if its schema wants it, and then nothing is remembered", async () => {
    const text = '@id("office") permit (principal, action, resource) when { context.time.toTime() < duration("12h") };';
    const evaluator = await policies(text, small("purpose: String, time: datetime"));
    assert.equal(evaluator.repeatable, false);
    const at = (hour: number): unknown => evaluator.evaluate(BASE, { at: Date.UTC(2026, 0, 1, hour) });
    assert.equal((at(9) as Verdict).allow, true);
    assert.equal((at(15) as Verdict).allow, false);
    assert.equal((await policies(ALL)).repeatable, true);
  });

  it("does not take what somebody says of themselves for the time, the type or the id", async () => {
    const text =
      '@id("t") permit (principal, action, resource) when { context.time == datetime("2026-01-01") && principal.id == "anna" };';
    const evaluator = await policies(text, small("time: datetime"));
    const told = patched({ context: { time: "2026-01-01" }, subject: { id: "ben", properties: { id: "anna" } } });
    assert.equal((evaluator.evaluate(told, { at: 0 }) as Verdict).allow, false);
  });

  it("tells a run that asks from a run that is asked about", async () => {
    const text = '@id("w") permit (principal is Maestro::Workload, action, resource is Maestro::Run);';
    const patch = {
      subject: { type: "run", id: "r_1" },
      action: { name: "run.read" },
      resource: { type: "run", id: "r_1" },
    };
    assert.equal((await ask(text, SCHEMA, patch)).allow, true);
  });

  it("takes a resource whose type the schema does not name for a Resource, if there is such", async () => {
    const text =
      '@id("r") permit (principal, action, resource is Maestro::Resource) when { resource.type == "new-thing" };';
    const patch = { action: { name: "run.read" }, resource: { type: "new-thing", id: "x" } };
    assert.equal((await ask(text, SCHEMA, patch)).allow, true);
    const { allow, reasons } = await ask(
      '@id("c") permit (principal, action, resource);',
      small("purpose: String"),
      patch,
    );
    assert.equal(allow, false);
    assert.match(reasons.join(), /does not fit the policy's schema/);
  });

  it("finds a namespace to be in itself, and what the action does not name to be a Resource", async () => {
    const inShop = '@id("ns") permit (principal, action, resource in Maestro::Namespace::"shop");';
    const list = { action: { name: "run.list" }, resource: { type: "namespace", id: "shop" } };
    assert.equal((await ask(inShop, SCHEMA, list)).allow, true);
    // A schema that has namespaces only above resources.
    const schema = `namespace Maestro {
      entity User; entity Namespace; entity Resource in [Namespace] { type: String };
      action "run.list" appliesTo { principal: [User], resource: [Resource], context: {} };
    }`;
    assert.equal((await ask(inShop, schema, list)).allow, true);
  });

  it("finds the namespace of a resource above it", async () => {
    const text = '@id("ns") permit (principal, action, resource in Maestro::Namespace::"shop");';
    assert.equal((await ask(text)).allow, true);
    assert.equal((await ask(text, SCHEMA, { resource: { properties: { namespace: "bank" } } })).allow, false);
  });
});

it("a schema's named types are followed to what they stand for", () => {
  const schema = readCedarSchema({
    Maestro: {
      commonTypes: {
        Money: { type: "decimal" },
        Bill: { type: "Record", attributes: { sum: { type: "Maestro::Money" } } },
      },
      entityTypes: {
        A: { shape: { type: "Record", attributes: { bills: { type: "Set", element: { type: "Maestro::Bill" } } } } },
      },
      actions: {},
    },
  });
  const { attributes } = schema.entities.get("Maestro::A")!;
  assert.ok(attributes.kind === "record");
  const bills = attributes.attributes.get("bills");
  assert.ok(bills?.kind === "set" && bills.element.kind === "record");
  assert.deepEqual(bills.element.attributes.get("sum"), { kind: "decimal" });
});
