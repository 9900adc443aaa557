import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Place } from "./support/maestro.ts";

// The policy commands as a user calls them.

const DEFAULT = fileURLToPath(new URL("../policies/default/", import.meta.url));
const FREEZE = `@id("freeze") @why("Nothing starts this week.") @fix("Wait until Monday.")
forbid (principal, action == Maestro::Action::"run.start", resource);
`;
const SAYS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: says, version: 1.0.0 }
spec:
  type: demo
  purposes: [test]
  tasks:
    say: { uses: noop@1, with: { value: hello } }
`;

describe("maestro policy", { concurrency: true }, () => {
  /** A folder with a runbook, and in `next` the default policy with its cases. */
  const inPlace =
    (test: (place: Place, write: (name: string, text: string) => void) => Promise<void>) => async (): Promise<void> => {
      const place = await Place.make({ "says.yaml": SAYS });
      try {
        cpSync(join(DEFAULT, "cedar"), join(place.dir, "next"), { recursive: true });
        cpSync(join(DEFAULT, "cases.yaml"), join(place.dir, "next/cases.yaml"));
        await test(place, (name, text) => writeFileSync(join(place.dir, name), text));
      } finally {
        await place.remove();
      }
    };

  it(
    "test says which cases fail, which rules decide none, and which nobody would miss",
    inPlace(async (place, write) => {
      const good = await place.run(["policy", "test", "next", "--mutate", "--junit", "out.xml"]);
      assert.equal(good.code, 0, good.out + good.err);
      assert.match(good.out, /\d+ cases, 0 failed\n10 of 10 rules decide a case\n10 of 10 rules are missed/);
      assert.match(
        readFileSync(join(place.dir, "out.xml"), "utf8"),
        /<testsuite name="cases\.yaml" tests="\d+" failures="0"/,
      );

      write(
        "next/more.cedar",
        '@id("never") forbid (principal, action, resource) when { resource.namespace == "nowhere" };',
      );
      const idle = await place.run(["policy", "test", "next", "--mutate"]);
      assert.equal(idle.code, 1);
      assert.match(idle.out, /rule never decides no case/);
      assert.match(idle.out, /rule never could be left out, and no case would notice/);

      write("next/more.cedar", FREEZE);
      const frozen = await place.run(["policy", "test", "next", "-o", "json"]);
      assert.equal(frozen.code, 1);
      const report = JSON.parse(frozen.out) as {
        readonly cases: readonly { readonly ok: boolean; readonly message?: string }[];
      };
      assert.match(
        report.cases.find(({ ok }) => !ok)?.message ?? "",
        /expected an allow, and it is denied: Nothing starts this week\./,
      );

      write("next/more.cases.yaml", "cases:\n  - case: x\n    allow: maybe\n    wiht: {}\n");
      const broken = await place.run(["policy", "test", "next"]);
      assert.equal(broken.code, 2);
      assert.match(
        broken.err,
        /cases\[0\] has no wiht; there are case, with, allow, rules; cases\[0\]\.allow is neither true nor false/,
      );
      rmSync(join(place.dir, "next"), { recursive: true });
      assert.equal((await place.run(["policy", "test", "next"])).code, 2);
    }),
  );

  it(
    "test takes compiled Rego, whose rules cannot be left out",
    inPlace(async (place) => {
      cpSync(join(DEFAULT, "rego"), join(place.dir, "rego"), { recursive: true });
      cpSync(join(DEFAULT, "cases.yaml"), join(place.dir, "rego/cases.yaml"));
      const good = await place.run(["policy", "test", "rego"]);
      assert.equal(good.code, 0, good.out + good.err);
      assert.match(good.out, /cases, 0 failed/);
      const mutate = await place.run(["policy", "test", "rego", "--mutate"]);
      assert.equal(mutate.code, 2);
      assert.match(mutate.err, /The rules of a compiled policy cannot be left out one by one/);
    }),
  );

  it(
    "list, can-i, who-can and what-if answer about the policy in force, and what-if about another one",
    inPlace(async (place, write) => {
      const list = await place.run(["policy", "list"]);
      assert.match(list.out, /^purpose-declared\tforbid\tenforced\tbuilt in\tA run says why it happens/m);
      assert.match(list.err, /builtin@1 sha256:/);
      assert.equal((await place.run(["run", "says.yaml"])).code, 0);

      const can = await place.run(["policy", "can-i", "run.start", "runbook:shop/says", "--purpose", "test"]);
      assert.deepEqual([can.code, can.out], [0, "yes\n"], can.err);
      const cannot = await place.run(["policy", "can-i", "run.start", "runbook:shop/says@1.0.0", "--purpose", "fun"]);
      assert.deepEqual([cannot.code, cannot.out], [3, "no\n"]);
      assert.match(cannot.err, /purpose fun is not one of test/);

      const who = await place.run(["policy", "who-can", "approval.give", "--namespace", "shop"]);
      assert.match(who.out, /^role:approver\t/m);
      assert.match(who.err, /not known: whoever has not been here yet/);

      const asked = ["policy", "what-if", "--as", "anna", "--role", "operator", "--action", "run.start"];
      const about = ["--resource", "runbook:shop/says@1.0.0", "--purpose", "test"];
      const yes = await place.run([...asked, ...about]);
      assert.equal(yes.code, 0, yes.out + yes.err);
      assert.match(yes.out, /user anna may do run\.start on runbook shop\/says@1\.0\.0, by rule role-operator/);
      write("next/freeze.cedar", FREEZE);
      const no = await place.run([...asked, ...about, "--policy", "next"]);
      assert.equal(no.code, 3);
      assert.match(no.out, /may not do run\.start .*by rule freeze/);
      assert.match(
        no.out,
        /rule +freeze \(forbid, freeze\.cedar\)\n +Nothing starts this week\.\n +Wait until Monday\./,
      );
      write(
        "ask.yaml",
        "subject: { type: user, id: bob }\naction: { name: run.read }\nresource: { type: namespace, id: shop }\n",
      );
      assert.equal((await place.run(["policy", "what-if", "--request", "ask.yaml"])).code, 3);
      assert.equal((await place.run(["policy", "what-if", "--action", "run.read", "--resource", "shop"])).code, 2);
      const misspelt = await place.run(["policy", "what-if", "--role", "oprator", "--action", "run.read"]);
      assert.match(misspelt.err, /knows no role oprator; did you mean operator\?/);
    }),
  );

  it(
    "what-if and can-i say that a runbook is not stored, what the answer lacks by that, and what to do",
    inPlace(async (place) => {
      const lacks =
        "not known: the runbook shop/says@1.0.0 is not stored here, and this is the answer for one of unknown license, purposes, effects, need of an authority. " +
        "Publish it, `maestro catalog publish FILE`, or say what it is: " +
        `--property license=MIT --property 'purposes=["reporting"]' --property 'effects=["write"]' --property authorityRequired=false\n`;
      const can = ["policy", "can-i", "run.start", "runbook:shop/says@1.0.0", "--purpose", "test"];
      const unsure = await place.run(can);
      assert.deepEqual([unsure.code, unsure.out], [3, "no\n"]);
      assert.ok(unsure.err.endsWith(lacks), unsure.err);
      const data = await place.run([...can, "-o", "json"]);
      assert.equal(data.err, "", "it is in the answer");
      assert.match(data.out, /"unknown":\s*\["the runbook shop\/says@1\.0\.0 is not stored here/);
      const asked = ["policy", "what-if", "--role", "operator", "--action", "run.start", "--purpose", "test"];
      const about = [...asked, "--resource", "runbook:shop/says@1.0.0", "--property", "license=MIT"];
      const named = ["--property", 'purposes=["test"]', "--property", "authorityRequired=false"];
      const some = await place.run([...about, ...named]);
      assert.equal(some.code, 0, some.err);
      assert.match(some.err, /one of unknown effects\. Publish it, .* --property 'effects=\["write"\]'\n$/);
      assert.equal((await place.run(["catalog", "publish", "says.yaml"])).code, 0);
      assert.deepEqual(await place.run(can), { code: 0, out: "yes\n", err: "" });
    }),
  );

  it(
    "diff lists what another policy would have answered otherwise",
    inPlace(async (place, write) => {
      assert.equal((await place.run(["run", "says.yaml"])).code, 0);
      const same = await place.run(["policy", "diff", "--policy", "next"]);
      assert.equal(same.code, 0, same.out + same.err);
      write("next/freeze.cedar", FREEZE);
      const flips = await place.run(["policy", "diff", "--policy", "next", "--over", "1h"]);
      assert.equal(flips.code, 1);
      assert.match(flips.out, /^allow -> deny\t1\trun\.start\tuser:\S+\trunbook:shop\/says@1\.0\.0\tfreeze$/m);
      assert.match(flips.err, /1 would be denied and 0 allowed that were not/);
      assert.equal((await place.run(["policy", "diff", "--policy", "next", "--over", "soon"])).code, 2);
    }),
  );

  it(
    "explain and break-glass: what to do when denied, and in an emergency",
    inPlace(async (place, write) => {
      assert.equal((await place.run(["policy", "init"])).code, 0);
      write("data/policy/freeze.cedar", FREEZE);
      const denied = await place.run(["run", "says.yaml"]);
      assert.equal(denied.code, 3);
      assert.match(denied.err, /next +maestro policy explain \S+/);
      const told = await place.run(["policy", "explain", "@last"]);
      assert.match(told.out, /Nothing starts this week\.\n +Wait until Monday\./);
      assert.match(told.out, /next +Wait until Monday\. Ask whoever owns the rule freeze where that does not help\.$/m);
      const id = /decision +(d_\w+)/.exec(told.out)?.[1] ?? "";
      assert.match((await place.run(["policy", "explain", id])).out, new RegExp(`decision +${id}`));

      const glass = ["policy", "break-glass"];
      assert.equal((await place.run([...glass, "--for", "30m", "--reason", "urgent"])).code, 2);
      const open = await place.run([...glass, "--for", "30m", "--reason", "INC-17: nobody gets their orders"]);
      assert.equal(open.code, 0, open.err);
      const ran = await place.run(["run", "says.yaml"]);
      assert.equal(ran.code, 0, ran.err);
      assert.match(ran.err, /engine error: the policy was gone past/);
      assert.match((await place.run(["policy", "explain", "@last"])).out, /went past the policy to do run\.start/);
      assert.match(
        (await place.run(["doctor"])).out,
        /warning +break-glass +user:\S+ goes past the policy everywhere until \S+ by b_/,
      );
      const ended = await place.run([...glass, "end", open.out.trim()]);
      assert.equal(ended.code, 0, ended.err);
      assert.doesNotMatch(ended.err, /uses=0/, "another process went past it");
      assert.equal((await place.run(["run", "says.yaml"])).code, 3);
      assert.match((await place.run([...glass, "list"])).out, /ended by user:\S+\tINC-17: nobody gets their orders/);
    }),
  );
});
