import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { JsonObject } from "../src/core/json.ts";
import { verifyPackage } from "../src/provenance/disclosure/verify-package.ts";
import { asRead, BODY, Disclosing, filesOf, manifestOf } from "./support/disclosing.ts";

// Who may hand out what, and that it is kept who got it.

const SCHEMA = readFileSync(new URL("../policies/default/cedar/schema.cedarschema", import.meta.url), "utf8");
const POLICY = `
@id("all") permit (principal, action, resource);

@id("not-to-competitors")
@why("Competitors get nothing of ours.")
forbid (principal, action == Maestro::Action::"receipt.disclose", resource)
when { context has recipient && context.recipient like "*Competitor*" };

@id("mandate")
@why("Nothing goes out without a contract.")
forbid (principal, action == Maestro::Action::"receipt.disclose", resource)
unless { context.authority like "contract *" && context.purpose != "curiosity" && context has license && context.license == "internal" };

@id("hide-addresses")
@obligation("redact: { paths: ['/inputs/email'] }")
permit (principal, action == Maestro::Action::"receipt.disclose", resource)
when { context has recipient && context.recipient != "Inside" };

@id("impossible")
@obligation("redact: { paths: ['/plan'] }")
permit (principal, action == Maestro::Action::"receipt.disclose", resource)
when { context has recipient && context.recipient == "Impossible" };

@id("asked")
@obligation("approval: { count: 1 }")
permit (principal, action == Maestro::Action::"receipt.disclose", resource)
when { context has recipient && context.recipient == "Approved" };

@id("no-values")
@why("What was redacted stays redacted.")
forbid (principal, action == Maestro::Action::"receipt.disclose", resource)
when { context has values && context.values && context has recipient && context.recipient == "Never" };
`;

interface Row {
  readonly kind: string;
  readonly action: string;
  readonly allow: boolean;
  readonly run?: string;
  readonly detail?: JsonObject;
  readonly decision?: JsonObject;
}

describe("disclosing through the gate", () => {
  let place: Disclosing;
  let run = "";
  before(async () => {
    place = await Disclosing.open({
      "policy.yaml": "evaluator: [builtin, { cedar: { folder: policy } }]\n",
      "policy/schema.cedarschema": SCHEMA,
      "policy/disclosure.cedar": POLICY,
    });
    run = await place.run({ email: "ada@example.org", note: "private note" });
  });
  after(async () => place.close());

  /** Newest first. */
  const audit = async (): Promise<readonly Row[]> => {
    const { store } = place.plane.engine.parts;
    const rows = await store.audit.list({ action: "receipt.disclose", limit: 50 });
    return rows.map(({ text, kind, action, allow }) => ({ ...(JSON.parse(text) as Row), kind, action, allow }));
  };

  it("applies what the policy wants redacted, beside what was asked for", async () => {
    const { status, tar, digest } = await place.disclose([run], { redact: ["/inputs/note"] });
    assert.equal(status, 200);
    const files = await filesOf(tar);
    const manifest = manifestOf(files);
    assert.deepEqual(
      manifest.redactions.filter(({ path }) => path.endsWith("run.json")).map(({ pointer, by }) => [pointer, by]),
      [
        ["/inputs/email", "policy"],
        ["/inputs/note", "request"],
        ["/outputs/said", "request"],
      ],
    );
    for (const [path, bytes] of files) assert.ok(!/ada@example\.org|private note/.test(bytes.toString()), path);
    assert.equal(manifest.runs[0]?.decision.action, "receipt.disclose");
    assert.deepEqual(manifest.runs[0]?.decision.rules, ["role-owner", "all", "hide-addresses"]);
    const { verified, checks } = verifyPackage(await asRead(tar), { trustRoot: place.trustRoot });
    assert.equal(verified, true, JSON.stringify(checks.filter((check) => check.status === "failed")));
    // The built-in policy, the folder's, and what makes one of both.
    assert.match(checks.find(({ id }) => id === "policy")?.detail ?? "", /^sha256:\w+, made of 2 files$/);
    assert.equal(manifest.files.filter(({ path }) => path.endsWith("/policy.json")).length, 3);
    const [row] = await audit();
    assert.deepEqual([row?.kind, row?.allow, row?.run], ["evidence", true, run]);
    assert.deepEqual(
      [
        row?.detail?.["package"],
        row?.detail?.["recipient"],
        row?.detail?.["purpose"],
        row?.detail?.["authority"],
        row?.detail?.["runs"],
      ],
      [digest, BODY.recipient, BODY.purpose, BODY.authority, [run]],
    );
  });

  it("leaves out what it need not", async () => {
    const { tar } = await place.disclose([run], { recipient: "Inside" });
    assert.deepEqual(manifestOf(await filesOf(tar)).redactions, []);
  });

  for (const [what, more, says] of [
    [
      "to whom it must not go",
      { recipient: "The Competitor" },
      /receipt\.disclose on receipt shop\/refund is denied: .*Competitors get nothing of ours/,
    ],
    ["without a mandate", { authority: "a feeling" }, /Nothing goes out without a contract/],
    ["for another purpose", { purpose: "curiosity" }, /Nothing goes out without a contract/],
    [
      "where the policy wants what cannot be done",
      { recipient: "Approved" },
      /people can be asked before a task of a run, not before receipt\.disclose/,
    ],
    [
      "where the policy wants redacted what cannot be",
      { recipient: "Impossible" },
      /It may be disclosed only with what rule impossible wants redacted, and that cannot be done: A redaction means all of/,
    ],
  ] as const)
    it(`refuses it ${what}, tells why, and keeps that it was tried`, async () => {
      const { status, json, digest } = await place.disclose([run], more);
      assert.deepEqual([status, json["code"], digest], [403, "denied", ""]);
      assert.match(String(json["detail"]), says);
      await place.plane.engine.idle();
    });

  it("keeps the refusals", async () => {
    await place.reopen();
    const refused = (await audit()).filter(({ kind }) => kind === "refused");
    assert.ok(refused.length > 0);
    assert.ok(refused.every(({ allow }) => !allow));
  });

  it("is asked for the values by themselves", async () => {
    assert.equal((await place.disclose([run], { recipient: "Never" })).status, 200);
    const { status, json } = await place.salts([run], { recipient: "Never" });
    assert.deepEqual([status, json["code"]], [403, "denied"]);
    assert.match(String(json["detail"]), /What was redacted stays redacted/);
  });

  it("has salts for the package that the same request makes, and for no other", async () => {
    const more = { redact: ["/inputs/note"] };
    const [{ tar, digest }, { json }] = [await place.disclose([run], more), await place.salts([run], more)];
    assert.equal(json["package"], digest);
    const salts = json as unknown as NonNullable<Parameters<typeof verifyPackage>[1]["salts"]>;
    const { verified, claims, checks } = verifyPackage(await asRead(tar), { trustRoot: place.trustRoot, salts });
    assert.equal(verified, true);
    assert.match(checks.find(({ id }) => id === "evidence")?.detail ?? "", /^all \d+ events by their chain$/);
    assert.ok(claims?.revealed.some(({ value }) => value === "private note"));
    const { json: others } = await place.salts([run], { ...more, recipient: "Somebody Else" });
    const theirs = new Set((others["fields"] as typeof salts.fields).map(({ salt }) => salt));
    assert.ok(
      salts.fields.every(({ salt }) => !theirs.has(salt)),
      "another recipient, other salts",
    );
  });
});

describe("what cannot be disclosed", () => {
  let place: Disclosing;
  let run = "";
  before(async () => {
    place = await Disclosing.open();
    run = await place.run({ email: "ada@example.org", account: { iban: "DE00 1234" } });
  });
  after(async () => place.close());

  for (const [what, runs, more, status, code, says] of [
    ["a run that is not there", ["r_nobody"], {}, 404, "not_found", /No run's id is/],
    ["no run", [], {}, 400, "invalid_request", /runs names no run/],
    ["nobody as a recipient", ["@last"], { recipient: "" }, 400, "invalid_request", /recipient/],
    [
      "a mistyped pointer",
      ["@last"],
      { redact: ["/inputs/emial"] },
      400,
      "invalid_request",
      /The nearest place is \/inputs\/email\./,
    ],
    ["a rule that is none", ["@last"], { redact: ["everything"] }, 400, "invalid_request", /is neither a JSON Pointer/],
    [
      "a value that the receipt has",
      ["@last"],
      { redact: ["/run/workflow"] },
      409,
      "conflict",
      /A value that is to be redacted also stands in the name or the license of the workflow/,
    ],
    [
      "a value that the package says",
      ["@last"],
      { redact: ["/inputs/email"], recipient: "ada@example.org" },
      409,
      "conflict",
      /also stands in what the package says of itself/,
    ],
  ] as const)
    it(`says so of ${what}`, async () => {
      const made = await place.disclose(runs, more);
      assert.deepEqual([made.status, made.json["code"]], [status, code], JSON.stringify(made.json));
      assert.match(String(made.json["detail"]), says);
    });

  it("says so of a value that stands in a log or an artifact", async () => {
    const id = await place.run({ email: "kept\n", note: "" });
    assert.ok(id.startsWith("r_"));
    const telling = await place.run(
      { email: "eve@example.org" },
      `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: tells, version: 1.0.0 }
spec:
  type: ops
  purposes: [refund]
  inputs: { email: { type: string } }
  tasks:
    tell:
      uses: exec@1
      runner: { sandbox: none }
      with: { argv: [sh, -c, 'printf %s "$1" | base64; printf "x %s" "$1" > told.txt', sh, "\${{ inputs.email }}"] }
      artifacts: [told.txt]
`,
    );
    for (const [more, says] of [
      [{ logs: true }, /also stands in evidence\/r_\w+\/logs\/1\.tell\.log\./],
      [{ artifacts: true }, /also stands in evidence\/r_\w+\/artifacts\/\w{64}\./],
    ] as const) {
      const made = await place.disclose([telling], { redact: ["/inputs/email"], ...more });
      assert.deepEqual([made.status, made.json["code"]], [409, "conflict"], JSON.stringify(made.json));
      assert.match(String(made.json["detail"]), says);
    }
    const { tar } = await place.disclose([telling], { logs: true, artifacts: true });
    assert.equal(verifyPackage(await asRead(tar), { trustRoot: place.trustRoot }).verified, true);
  });

  it("says so of a run that has not ended, and of one whose parts retention took", async () => {
    const waiting = await place.call("POST", "/v1/runs", {
      manifest: `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: waits, version: 1.0.0 }
spec: { type: ops, purposes: [refund], tasks: { hold: { uses: wait@1, with: { signal: go } } } }
`,
    });
    const { id } = waiting.json["run"] as { readonly id: string };
    const made = await place.disclose([id]);
    assert.deepEqual([made.status, made.json["code"]], [409, "conflict"]);
    assert.match(String(made.json["detail"]), /Run r_\w+ is \w+; a package is about runs that have ended\./);
    assert.equal(run.startsWith("r_"), true);
  });
});
