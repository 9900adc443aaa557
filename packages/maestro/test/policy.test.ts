import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  dataPath,
  policyData,
  policyPage,
  policyPath,
  policySchema,
  schemaPath,
} from "../../../scripts/generate-policies.ts";
import { readCedarBundle } from "../src/policy/cedar-bundle.ts";
import { loadCedar } from "../src/policy/cedar.ts";
import { readPolicySettings } from "../src/policy/policy-file.ts";
import { Place } from "./support/maestro.ts";
import { needOpa, startOpa } from "./support/opa.ts";
import { blocksOf } from "./support/pages.ts";

const CEDAR = fileURLToPath(new URL("../policies/default/cedar", import.meta.url));
const FREEZE =
  '@id("freeze") @why("Nothing starts before the audit is over.") forbid (principal, action == Maestro::Action::"run.start", resource);';
const SAYS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: t, name: says, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  budget: { wall: 5m }
  tasks:
    say: { uses: noop@1, with: { value: hello } }
`;

describe("maestro with a policy of its own", () => {
  let place: Place;
  beforeEach(async () => {
    place = await Place.make({ "says.yaml": SAYS });
    assert.equal((await place.run(["run", "says.yaml"])).code, 0);
  });
  afterEach(async () => place.remove());
  const file = (name: string, text: string): void => writeFileSync(join(place.dir, "data", name), text);
  const useCedar = (): void => {
    cpSync(CEDAR, join(place.dir, "data/policy"), { recursive: true });
    file("policy.yaml", "evaluator: { cedar: { folder: policy } }\n");
  };

  it("does what the policy says, and tells whoever is denied why", async () => {
    useCedar();
    const allowed = await place.run(["run", "says.yaml"]);
    assert.equal(allowed.code, 0, allowed.err);
    file("policy/freeze.cedar", FREEZE);
    const denied = await place.run(["run", "says.yaml"]);
    assert.equal(denied.code, 3, denied.err);
    assert.match(denied.err, /Nothing starts before the audit is over\./);
  });

  it("does not start with a policy that cannot be used", async () => {
    useCedar();
    file("policy/freeze.cedar", FREEZE.replace("run.start", "run.strat"));
    for (const args of [["up"], ["run", "says.yaml"]]) {
      const { code, err } = await place.run(args);
      assert.equal(code, 2, err);
      assert.match(
        err,
        /error\[policy_unusable\]: The policy .* cannot be used: freeze\.cedar: freeze: unrecognized action/,
      );
    }
    file("policy.yaml", "evaluator: { cedr: { folder: policy } }\n");
    const { code, err } = await place.run(["up"]);
    assert.equal(code, 2, err);
    assert.match(err, /error\[policy_unusable\]: .*did you mean cedar\?/);
  });

  it("reads it again by SIGHUP, and keeps the old one where the new one cannot be used", async () => {
    useCedar();
    const up = place.start(["up"]);
    await up.shows(/is up: process \d+/);
    file("policy/freeze.cedar", FREEZE);
    assert.equal((await place.run(["run", "says.yaml"])).code, 0, "nobody said that it is to be read");
    up.child.kill("SIGHUP");
    await up.shows(/another policy is in force/);
    const denied = await place.run(["run", "says.yaml"]);
    assert.equal(denied.code, 3, denied.err);
    file("policy/freeze.cedar", "forbid (");
    up.child.kill("SIGHUP");
    await up.shows(/the policy could not be read again; the one before stays in force/);
    assert.equal((await place.run(["run", "says.yaml"])).code, 3);
    const refused = await place.run(["policy", "reload"]);
    assert.equal(refused.code, 2, refused.err);
    assert.match(refused.err, /error\[policy_unusable\]: .*freeze\.cedar/);
    rmSync(join(place.dir, "data/policy/freeze.cedar"));
    const reloaded = await place.run(["policy", "reload"]);
    assert.equal(reloaded.code, 0, reloaded.err);
    assert.match(reloaded.out, /^cedar@4\S* sha256:[0-9a-f]{64}$/m);
    assert.match(reloaded.err, /It is in force now, in place of sha256:/);
    assert.equal((await place.run(["run", "says.yaml"])).code, 0);
    up.child.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
  });
});

it("asks an OPA server before everything, and does nothing when that is gone", needOpa(), async () => {
  const place = await Place.make({ "says.yaml": SAYS });
  const rego = fileURLToPath(new URL("../policies/default/rego", import.meta.url));
  const server = await startOpa([join(rego, "authz.rego"), join(rego, "data.json")]);
  try {
    mkdirSync(join(place.dir, "data"), { mode: 0o700 });
    writeFileSync(
      join(place.dir, "data/policy.yaml"),
      `evaluator: { opa: { url: "${server.url}", path: maestro/authz/decision, timeoutMs: 10000 } }\n`,
    );
    const allowed = await place.run(["run", "says.yaml"]);
    assert.equal(allowed.code, 0, allowed.err);
    const denied = await place.run(["run", "says.yaml", "--purpose", "other"]);
    assert.equal(denied.code, 3, denied.err);
    assert.match(denied.err, /A run says why it happens, in a word its runbook knows\./);
  } finally {
    await server.close();
  }
  const gone = await place.run(["run", "says.yaml"]);
  assert.equal(gone.code, 3, gone.err);
  assert.match(gone.err, /the policy decision point failed: .*ECONNREFUSED/);
  await place.remove();
});

it("says of a policy that does not answer that nothing is allowed until it does, and how to go on", async () => {
  const place = await Place.make({ "says.yaml": SAYS });
  mkdirSync(join(place.dir, "data"), { mode: 0o700 });
  writeFileSync(
    join(place.dir, "data/policy.yaml"),
    "evaluator: { opa: { url: 'http://127.0.0.1:1', path: maestro/authz/decision, timeoutMs: 10000 } }\n",
  );
  const denied = await place.run(["run", "says.yaml"]);
  assert.equal(denied.code, 3);
  assert.match(denied.err, /fix: Nothing is allowed until the policy answers: see `maestro doctor`/);
  const told = await place.run(["doctor"]);
  assert.equal(told.code, 1);
  assert.match(told.out, /failed +policy +opa@\S+ gives no answer, so everything is denied: .*ECONNREFUSED/);
  await place.remove();
});

it("has a reference of policy.yaml whose example is one", async () => {
  const page = readFileSync(fileURLToPath(new URL("../../../docs/reference/policy-file.md", import.meta.url)), "utf8");
  const example = blocksOf(page).find(({ words }) => words.includes("settings=policy"));
  const settings = await readPolicySettings(example!.text, "docs/reference/policy-file.md");
  assert.deepEqual([settings.evaluators.length, settings.shadow.length, settings.environment], [2, 1, "production"]);
  const guide = readFileSync(fileURLToPath(new URL("../../../docs/guides/policies.md", import.meta.url)), "utf8");
  const examples = blocksOf(guide).filter(({ language, text }) => language === "yaml" && text.startsWith("evaluator:"));
  assert.equal(examples.length, 5);
  for (const { text } of examples) await readPolicySettings(text, "docs/guides/policies.md");
});

it("has a guide whose policies can be used", async () => {
  const guide = readFileSync(fileURLToPath(new URL("../../../docs/guides/policies.md", import.meta.url)), "utf8");
  const files = blocksOf(guide)
    .filter(({ language }) => language === "cedar")
    .map(({ text }, i) => ({ name: `${i}.cedar`, text }));
  assert.equal(files.length, 2);
  const schema = { name: "schema.cedarschema", text: readFileSync(join(CEDAR, "schema.cedarschema"), "utf8") };
  const { rules } = await readCedarBundle(await loadCedar(), [...files, schema], "docs/guides/policies.md");
  assert.deepEqual(
    rules.get("writes-in-production")?.obligations.map(({ type }) => type),
    ["approval", "notify"],
  );
});

it("has a page of the default policy, a schema and data that are its tables: npm run docs", () => {
  assert.equal(readFileSync(schemaPath, "utf8"), policySchema());
  assert.equal(readFileSync(dataPath, "utf8"), policyData());
  assert.equal(readFileSync(policyPath, "utf8"), policyPage());
});
