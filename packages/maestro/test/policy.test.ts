import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "./support/maestro.ts";

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
    up.child.kill("SIGTERM");
    assert.equal((await up.ended).code, 0);
  });
});
