import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { canonical } from "../../core/canonical.ts";
import type { JsonObject } from "../../core/json.ts";
import type { StoredAuditRow } from "../../store/audit.ts";
import { auditCloudEvent } from "./cloudevents.ts";
import { auditOcsf } from "./ocsf.ts";
import { decisionInAudit, decisionInLedger, opaDecision } from "./opa.ts";
import { readRecord } from "./record.ts";

const PLACE = { source: "https://example.com/installations/one", version: "1.2.3" };
const AT = 1_763_700_000_000;

const row = (more: Partial<StoredAuditRow> & { readonly said?: JsonObject } = {}): StoredAuditRow => {
  const { said, ...columns } = more;
  const base = {
    at: AT,
    kind: "change",
    actor: "idp:ada",
    action: "run.start",
    namespace: "shop",
    allow: true,
  } as const;
  const whole: JsonObject = {
    id: "e_1",
    at: AT,
    kind: "change",
    actor: { type: "user", id: "idp:ada", roles: ["operator"] },
    action: columns.action ?? base.action,
    resource: { type: "runbook", id: "shop/release" },
    namespace: "shop",
    allow: true,
    request: "req-1",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    from: "192.0.2.7",
    ...said,
  };
  return { place: 4, resource: "runbook/shop/release", ...base, ...columns, text: canonical(whole) };
};

describe("the audit as CloudEvents", () => {
  it("is CloudEvents 1.0, structured, with the order as its extension has it", () => {
    const event = auditCloudEvent(readRecord(row()), PLACE);
    const { data, ...head } = event;
    assert.deepEqual(head, {
      specversion: "1.0",
      id: "e_1",
      source: PLACE.source,
      type: "dev.summit-maestro.audit.entry",
      subject: "runbook/shop/release",
      time: "2025-11-21T04:40:00.000Z",
      datacontenttype: "application/json",
      sequence: "000000000000004",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    });
    assert.equal(canonical(data as JsonObject), row().text);
    for (const name of Object.keys(head)) assert.match(name, /^[a-z0-9]{1,20}$/);
  });
});

describe("the audit as OCSF 1.8.0", () => {
  const schema = JSON.parse(readFileSync(new URL("../../../test/support/ocsf-1.8.json", import.meta.url), "utf8")) as {
    readonly classes: Readonly<Record<string, JsonObject>>;
    readonly $defs: JsonObject;
  };
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const CLASSES: Readonly<Record<number, string>> = {
    6003: "api_activity",
    3003: "authorize_session",
    2004: "detection_finding",
  };
  const validators = new Map(
    Object.entries(schema.classes).map(([name, body]) => [name, ajv.compile({ ...body, $defs: schema.$defs })]),
  );
  const check = (event: JsonObject): string => {
    const name = CLASSES[event["class_uid"] as number] ?? "";
    const validate = validators.get(name);
    assert.ok(validate !== undefined, `class ${JSON.stringify(event["class_uid"])}`);
    assert.ok(validate(event), JSON.stringify(validate.errors));
    return name;
  };

  for (const [what, made, expected] of [
    ["a change", row(), ["api_activity", 1, 1]],
    ["a read", row({ kind: "read", action: "run.read" }), ["api_activity", 2, 1]],
    ["a cancel", row({ action: "run.cancel" }), ["api_activity", 3, 1]],
    ["a removal", row({ action: "task.remove" }), ["api_activity", 4, 1]],
    ["an action that the schema has no word for", row({ action: "audit.rest" }), ["api_activity", 99, 1]],
    [
      "a refusal by a stranger on the socket, many times",
      row({
        kind: "refused",
        allow: false,
        actor: "",
        namespace: null,
        said: {
          actor: { type: "unknown", id: "" },
          resource: { type: "installation", id: "" },
          namespace: null,
          allow: false,
          count: 900,
          lastAt: AT + 5_000,
          code: "unauthorized",
        },
      }),
      ["api_activity", 1, 2],
    ],
    [
      "a session that begins",
      row({ action: "session.start", said: { detail: { session: "s_1", via: "oidc" } } }),
      ["authorize_session", 1, 1],
    ],
    [
      "a witness that refuses",
      row({
        kind: "security",
        allow: false,
        action: "ledger.witness",
        said: { actor: { type: "service", id: "maestro" }, detail: { detail: "it has seen another history" } },
      }),
      ["detection_finding", 1, 2],
    ],
  ] as const) {
    it(`says ${what}, as the published schema wants it`, () => {
      const event = auditOcsf(readRecord(made), PLACE);
      assert.deepEqual([check(event), event["activity_id"], event["status_id"]], expected);
      assert.equal(event["type_uid"], (event["class_uid"] as number) * 100 + (event["activity_id"] as number));
      assert.deepEqual(event["unmapped"], JSON.parse(made.text), "nothing is lost");
    });
  }

  it("would not pass with a member that the schema does not have", () => {
    const event = { ...auditOcsf(readRecord(row()), PLACE), invented: true };
    assert.throws(() => check(event), /additionalProperties/);
  });
});

describe("decisions as OPA logs them", () => {
  const data = {
    action: "run.start",
    allow: false,
    engine: "opa@https://pdp.example",
    policy: "sha256:p",
    request: "sha256:r",
    rules: ["purpose-declared"],
  };
  const entry = {
    type: "dev.summit-maestro.decision",
    id: "d_1",
    subject: "run/r_1",
    time: "2025-11-21T04:40:00.000Z",
    data,
  };

  it("come from the ledger, and say what is not kept any more", () => {
    const found = decisionInLedger(entry);
    assert.ok(found !== undefined);
    assert.deepEqual(opaDecision({ ...found, input: undefined }, PLACE), {
      decision_id: "d_1",
      labels: { id: PLACE.source, version: "1.2.3", app: "summit-maestro", action: "run.start" },
      bundles: { policy: { revision: "sha256:p" } },
      path: "maestro/authz",
      result: { allow: false, rules: ["purpose-declared"] },
      timestamp: "2025-11-21T04:40:00.000Z",
      metrics: {},
      erased: ["/input"],
      policyDigest: "sha256:p",
      inputDigest: "sha256:r",
      engine: { name: "opa", version: "https://pdp.example" },
      mode: "enforce",
      run: "r_1",
    });
    assert.equal(decisionInLedger({ ...entry, type: "dev.summit-maestro.receipt" }), undefined);
  });

  it("come from the audit, with what was asked and what of it was masked", () => {
    const found = decisionInAudit(
      {
        id: "d_2",
        allow: true,
        rules: [],
        reasons: ["why"],
        policyDigest: "sha256:p",
        requestDigest: "sha256:r",
        engine: "builtin@1",
        mode: "break-glass",
        masked: ["/context/ip"],
      },
      {
        at: AT,
        action: "run.read",
        requestId: "req-1",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        from: "192.0.2.7",
      },
    );
    const logged = opaDecision({ ...found, input: { action: { name: "run.read" } } }, PLACE);
    assert.deepEqual(logged["masked"], ["/input/context/ip"]);
    assert.equal("erased" in logged, false);
    assert.deepEqual(
      [logged["mode"], logged["requested_by"], logged["req_id"], logged["trace_id"], logged["span_id"]],
      ["break-glass", "192.0.2.7", "req-1", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"],
    );
    assert.deepEqual(logged["input"], { action: { name: "run.read" } });
  });
});
