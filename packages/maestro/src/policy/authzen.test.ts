import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isQuestion } from "../../test/support/authzen-messages.ts";
import { certificateFor } from "../../test/support/certificate.ts";
import { need } from "../../test/support/need.ts";
import { json, startPdp } from "../../test/support/pdp.ts";
import type { Pdp } from "../../test/support/pdp.ts";
import type { JsonObject } from "../core/json.ts";
import { authzenEvaluator } from "./authzen.ts";
import type { AuthzenSettings } from "./authzen.ts";
import { builtinEvaluator } from "./builtin.ts";
import { BASE } from "./contract-cases.ts";
import { decideWith, evaluatorContract } from "./contract.ts";
import type { Verdict } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";
import { opaEvaluator } from "./opa.ts";

/** Somebody else's decision point, which has the same policy and tells no more than a decision. */
const builtin = builtinEvaluator();
const answer: Pdp["answer"] = async ({ body }, response) => {
  const { allow, reasons, rules } = await decideWith(builtin, JSON.parse(body) as GateRequest);
  json(response, { decision: allow, context: { reason_user: { en: reasons.join("; ") }, rules } });
};
const open = (settings: Omit<AuthzenSettings, "timeoutMs">): ReturnType<typeof authzenEvaluator> =>
  authzenEvaluator({ timeoutMs: 10_000, ...settings }, () => 0);

evaluatorContract("an AuthZEN decision point", async () => {
  const pdp = await startPdp(answer);
  const evaluator = open({ url: pdp.url });
  return {
    evaluator,
    async close() {
      await evaluator.close?.();
      await pdp.close();
    },
  };
});

describe("an AuthZEN decision point", () => {
  let pdp: Pdp;
  before(async () => {
    pdp = await startPdp(answer);
  });
  after(async () => pdp.close());
  const says = async (value: unknown, settings: Partial<AuthzenSettings> = {}): Promise<Verdict> => {
    pdp.answer = (_, response) => json(response, value);
    const evaluator = open({ url: pdp.url, ...settings });
    const verdict = await decideWith(evaluator, BASE);
    await evaluator.close?.();
    return verdict;
  };

  it("is asked as the specification has it, with the moment beside the request", async () => {
    pdp.answer = (_, response) => json(response, { decision: true });
    const evaluator = open({ url: `${pdp.url}/tenants/shop/` });
    const at = Date.UTC(2026, 10, 21, 12);
    await evaluator.evaluate(BASE, { at, run: "r_1", task: "t[2]", request: "req-7", traceparent: "00-a-b-01" });
    await evaluator.close?.();
    const { method, path, headers, body } = pdp.asked.at(-1)!;
    assert.deepEqual([method, path], ["POST", "/tenants/shop/access/v1/evaluation"]);
    assert.deepEqual(
      [headers["content-type"], headers["x-request-id"], headers["traceparent"], headers["authorization"]],
      ["application/json", "req-7", "00-a-b-01", undefined],
    );
    isQuestion("evaluation", JSON.parse(body) as JsonObject);
    assert.deepEqual(JSON.parse(body), {
      ...BASE,
      context: { ...BASE.context, time: "2026-11-21T12:00:00.000Z", runId: "r_1", taskId: "t[2]" },
    });
  });

  it("gets nothing into a header that is none", async () => {
    pdp.answer = (_, response) => json(response, { decision: true });
    const evaluator = open({ url: pdp.url });
    await evaluator.evaluate(BASE, { at: 0, request: "a\r\nx-admin: 1", traceparent: "é" });
    await evaluator.close?.();
    const { headers } = pdp.asked.at(-1)!;
    assert.deepEqual(
      [headers["x-request-id"], headers["x-admin"], headers["traceparent"]],
      [undefined, undefined, undefined],
    );
  });

  it("may say why in each of the forms that there are", async () => {
    for (const [context, reasons] of [
      [{ reason_user: { en: "Ask Ben." } }, ["Ask Ben."]],
      [{ reason_admin: { 403: "no grant", 404: "no such" } }, ["no grant", "no such"]],
      [{ reason: "closed" }, ["closed"]],
      [{ reasons: ["one", "two"] }, ["one", "two"]],
      [{}, ["the policy does not allow run.start"]],
    ] as const)
      assert.deepEqual((await says({ decision: false, context })).reasons, reasons);
  });

  it("may ask for what Maestro can carry out, and for nothing else", async () => {
    const step = { id: "s", type: "step-up", properties: { acr_values: "urn:mfa" } };
    const notify = { id: "n", type: "notification", properties: { to: "ops" } };
    const { allow, obligations } = await says({ decision: true, context: { obligations: [step, notify] } });
    assert.equal(allow, true);
    assert.deepEqual(obligations, [step, { ...notify, type: "notify" }]);
    for (const [unknown, reason] of [
      [
        [{ id: "x", type: "session_termination", properties: {} }],
        /obligation session_termination, which Maestro cannot carry out/,
      ],
      [[{ id: "x", type: "constructor" }], /obligation constructor, which/],
      [[{ id: "x" }], /has no `type`/],
      [[step, null], /an obligation is not an object/],
      ["none", /`obligations` is not a list/],
      [Array.from({ length: 21 }, () => step), /more than 20 obligations/],
    ] as const) {
      const refused = await says({ decision: true, context: { obligations: unknown } });
      assert.equal(refused.allow, false);
      assert.match(refused.reasons.join("; "), reason);
    }
  });

  it("denies with a context that is none, and with reasons beyond measure", async () => {
    for (const [context, reason] of [
      ["fine", /`context` of the answer is not an object/],
      [{ reasons: Array.from({ length: 51 }, () => "x") }, /more than 50 reasons/],
      [{ reason: "x".repeat(2_001) }, /more than 2000 characters/],
      [{ rules: [1] }, /`rules` is not a list of texts/],
    ] as const) {
      const { allow, reasons } = await says({ decision: true, context });
      assert.equal(allow, false);
      assert.match(reasons.join("; "), reason);
    }
  });

  it("is found by its metadata, once", async () => {
    const found = await startPdp(async (asked, response) => {
      if (asked.method === "GET")
        json(response, { policy_decision_point: found.url, access_evaluation_endpoint: `${found.url}/pdp/v2/ask` });
      else await answer(asked, response);
    });
    const evaluator = open({ url: found.url, discover: true });
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
    assert.equal((await decideWith(evaluator, BASE)).allow, true);
    assert.deepEqual(
      found.asked.map(({ method, path }) => `${method} ${path}`),
      ["GET /.well-known/authzen-configuration", "POST /pdp/v2/ask", "POST /pdp/v2/ask"],
    );
    await evaluator.close?.();
    await found.close();
  });

  it("is not found by the metadata of somebody else", async () => {
    for (const [metadata, reason] of [
      [
        { policy_decision_point: "https://pdp.example", access_evaluation_endpoint: "https://pdp.example/x" },
        /those of another decision point/,
      ],
      [
        { policy_decision_point: pdp.url, access_evaluation_endpoint: "https://pdp.example/x" },
        /point to https:\/\/pdp\.example, which was not configured/,
      ],
      [{ policy_decision_point: pdp.url }, /name no access_evaluation_endpoint/],
      [{}, /those of another decision point/],
    ] as const) {
      const { allow, reasons } = await says({ ...metadata, decision: true }, { discover: true });
      assert.equal(allow, false);
      assert.match(reasons.join("; "), reason);
    }
  });
});

describe("a decision point behind TLS", need("openssl"), () => {
  let dir: string;
  let pdp: Pdp;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "maestro-pdp-"));
    const { key, cert } = certificateFor("127.0.0.1", dir);
    pdp = await startPdp((_, response) => json(response, { result: true }), { key, cert });
  });
  after(async () => {
    await pdp.close();
    rmSync(dir, { recursive: true });
  });
  const ask = async (files: { caFile?: string; tokenFile?: string }): Promise<Verdict> => {
    const evaluator = opaEvaluator({ url: pdp.url, path: "a", timeoutMs: 10_000, ...files }, () => 0);
    const verdict = await decideWith(evaluator, BASE);
    await evaluator.close?.();
    return verdict;
  };

  it("is believed with the certificate that was named, and with no other", async () => {
    const { allow, reasons } = await ask({});
    assert.equal(allow, false);
    assert.match(reasons.join("; "), /certificate/i);
    assert.equal((await ask({ caFile: join(dir, "127.0.0.1.pem") })).allow, true);
    const other = certificateFor("localhost", dir);
    assert.equal((await ask({ caFile: other.path })).allow, false);
    assert.equal((await ask({ caFile: join(dir, "missing.pem") })).allow, false);
  });

  it("gets the token of the file, also after it was exchanged", async () => {
    const [caFile, tokenFile] = [join(dir, "127.0.0.1.pem"), join(dir, "token")];
    const evaluator = opaEvaluator({ url: pdp.url, path: "a", timeoutMs: 10_000, caFile, tokenFile }, () => 0);
    const asked = pdp.asked.length;
    for (const token of ["first", "second"]) {
      writeFileSync(tokenFile, `${token}\n`);
      assert.equal((await decideWith(evaluator, BASE)).allow, true);
      assert.equal(pdp.asked.at(-1)!.headers.authorization, `Bearer ${token}`);
    }
    for (const broken of ["", "two words", "line\nline"]) {
      writeFileSync(tokenFile, broken);
      const { allow, reasons } = await decideWith(evaluator, BASE);
      assert.deepEqual([allow, /does not hold a token/.test(reasons.join())], [false, true]);
    }
    assert.equal(pdp.asked.length - asked, 2);
    await evaluator.close?.();
  });
});
