import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { parse } from "yaml";
import { manifestDocs } from "../../../../scripts/generate-manifest-docs.ts";
import { CALLABLE } from "../core/cel-functions.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { parseManifest } from "../core/manifest.ts";
import { MANIFEST_SCHEMA } from "../core/manifest-schema.ts";
import { EXPRESSION_LIMITS } from "../core/meter.ts";

const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  ownProperties: true,
});
ajv.addKeyword("x-maestro");
const validate = ajv.compile(MANIFEST_SCHEMA);

/** Whether the parser takes it; throws for what only the parser says, because then the two cannot agree. */
function parses(value: JsonValue): boolean {
  return "workflow" in parseManifest(value);
}

const full = `
apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: platform, name: release-evidence, version: 1.4.0-rc.1+b2, description: d, labels: { team: a.b/c } }
spec:
  type: cicd
  purposes: [release, audit]
  authority: { required: true }
  license: internal
  inputs:
    path: { type: string, default: ".", description: Folder }
    list: { type: array, items: { type: object, properties: { a: { type: [string, "null"] } }, required: [a] }, minItems: 1 }
    tag: { type: string, optional: true, pattern: "^v", enum: [v1] }
  budget: { wall: 1h30m, tasks: 5000, usd: 2.5 }
  concurrency: { key: inputs.path, max: 1, onConflict: cancel-running }
  tasks:
    a:
      description: first
      uses: npm/inventory@1
      needs: []
      with: { path: "\${{ inputs.path }}" }
      forEach: { items: inputs.list, as: pkg, max: 20, onItemFailure: continue }
      when: "true"
      retry: { attempts: 3, backoff: { initial: 1s, factor: 1.5, max: 30s, jitter: equal }, on: 'error.code == "X"', onLost: fail }
      timeout: { queue: 1m, run: 20s, heartbeat: 5s }
      until: { condition: task.output.ok, every: 10s, max: 3 }
      continueOnError: true
      cache: { key: { a: 1 }, ttl: 7d, files: [a.lock] }
      approvals: { count: 2, roles: [r], notRequester: false, expires: 2d, message: "ok?" }
      secrets: { NPM_TOKEN: npm/publish.prod }
      identity: { audiences: [sts.amazonaws.com, "https://vault.example:8200"] }
      sensitive: true
      runner: { kind: process, sandbox: strict, limits: { memory: 1GiB, cpu: 10m, file: 100MB, processes: 5 } }
      artifacts: ["*.tgz"]
      undo: { uses: "runbook:team/clean@2", with: {} }
    b: { uses: "runbook:sha256:${"a".repeat(64)}" }
  finally: { tell: { uses: notify@1 } }
  onFailure: rollback
  outputs: { digest: "\${{ tasks.a.output }}" }
  triggers:
    - { schedule: { cron: "0 3 * * 1-5", timezone: Europe/Berlin, catchUp: all, overlap: allow, jitter: 2m }, inputs: { path: x }, purpose: audit }
`;

describe("the published schema", () => {
  it("is valid JSON Schema 2020-12 and takes a manifest that uses every field", () => {
    assert.deepEqual([validate(parse(full)), validate.errors], [true, null]);
    assert.ok(parses(parse(full) as JsonValue));
  });

  it("has a description and an example on every key", () => {
    const bare: string[] = [];
    visit(MANIFEST_SCHEMA, "");
    assert.deepEqual(bare, []);

    function visit(schema: JsonValue, at: string): void {
      if (!isJsonObject(schema)) return;
      const properties = schema["properties"];
      if (isJsonObject(properties)) {
        for (const [name, field] of Object.entries(properties)) {
          if (!isJsonObject(field) || typeof field["description"] !== "string" || !Array.isArray(field["examples"]))
            bare.push(`${at}/${name}`);
          visit(field, `${at}/${name}`);
        }
      }
      for (const key of ["items", "additionalProperties"]) visit(schema[key] ?? null, `${at}/${key}`);
      if (isJsonObject(schema["$defs"]))
        for (const [name, part] of Object.entries(schema["$defs"])) visit(part, `${at}/$defs/${name}`);
    }
  });

  it("has examples that fit it", () => {
    const wrong: string[] = [];
    visit(MANIFEST_SCHEMA, "");
    assert.deepEqual(wrong, []);

    function visit(schema: JsonValue, at: string): void {
      if (!isJsonObject(schema)) return;
      const { $id: _, ...anonymous } = schema;
      const check = ajv.compile({ ...anonymous, $defs: MANIFEST_SCHEMA["$defs"] });
      for (const example of [
        ...((schema["examples"] ?? []) as readonly JsonValue[]),
        ...(schema["default"] === undefined ? [] : [schema["default"]]),
      ]) {
        if (!check(example)) wrong.push(`${at}: ${JSON.stringify(example)}: ${ajv.errorsText(check.errors)}`);
      }
      for (const [name, field] of Object.entries((schema["properties"] ?? {}) as JsonObject))
        visit(field, `${at}/${name}`);
      for (const key of ["items", "additionalProperties"]) visit(schema[key] ?? null, `${at}/${key}`);
      if (at === "")
        for (const [name, part] of Object.entries(schema["$defs"] as JsonObject)) visit(part, `${at}/$defs/${name}`);
    }
  });

  /** Changes that break a manifest: a path and its new value; undefined removes the member. */
  const breaks: readonly (readonly [string, JsonValue | undefined])[] = [
    ["apiVersion", "maestro/v2"],
    ["kind", undefined],
    ["extra", 1],
    ["metadata.name", "Not A Name"],
    ["metadata.name", undefined],
    ["metadata.version", "1.0"],
    ["metadata.version", 1],
    ["metadata.labels", { "-": "x" }],
    ["spec.type", "other"],
    ["spec.purposes", []],
    ["spec.purposes", ["a", "a"]],
    ["spec.purposes", undefined],
    ["spec.authority.required", "yes"],
    ["spec.inputs.path.type", "text"],
    ["spec.inputs.path.type", ["string", "string"]],
    ["spec.inputs.list.items.properties.a.typo", 1],
    ["spec.inputs.bad-name", { type: "string" }],
    ["spec.budget.wall", "1 h"],
    ["spec.budget.wall", ""],
    ["spec.budget.tasks", 0],
    ["spec.budget.tasks", 1.5],
    ["spec.budget.usd", -1],
    ["spec.concurrency.key", undefined],
    ["spec.concurrency.onConflict", "wait"],
    ["spec.tasks", {}],
    ["spec.tasks", []],
    ["spec.tasks.a.uses", "exec"],
    ["spec.tasks.a.uses", "Exec@1"],
    ["spec.tasks.a.uses", undefined],
    ["spec.tasks.a.needs", "b"],
    ["spec.tasks.a.needs", ["a b"]],
    ["spec.tasks.a.with", []],
    ["spec.tasks.a.forEach", { as: "x" }],
    ["spec.tasks.a.forEach.max", 1001],
    ["spec.tasks.a.forEach.as", "1x"],
    ["spec.tasks.a.when", true],
    ["spec.tasks.a.when", ""],
    ["spec.tasks.a.when", "x".repeat(4097)],
    ["spec.tasks.a.retry.backoff.factor", 0.5],
    ["spec.tasks.a.retry.backoff.jitter", "some"],
    ["spec.tasks.a.timeout", "5m"],
    ["spec.tasks.a.timeout.run", 5],
    ["spec.tasks.a.until.condition", undefined],
    ["spec.tasks.a.cache.files", [""]],
    ["spec.tasks.a.approvals.count", 0],
    ["spec.tasks.a.secrets", { "1A": "x" }],
    ["spec.tasks.a.secrets.NPM_TOKEN", "has space"],
    ["spec.tasks.a.runner.kind", "vm"],
    ["spec.tasks.a.runner.limits.memory", "1G"],
    ["spec.tasks.a.artifacts", "x"],
    ["spec.tasks.a.undo.uses", undefined],
    ["spec.finally.tell.unknown", null],
    ["spec.onFailure", "retry"],
    ["spec.outputs", { "a-b": 1 }],
    ["spec.triggers", [{}]],
    ["spec.triggers", [{ schedule: { cron: "x" } }]],
    ["spec", null],
  ];
  for (const [path, value] of breaks) {
    it(`and the parser both refuse ${path} = ${JSON.stringify(value)?.slice(0, 40) ?? "nothing"}`, () => {
      const manifest = changed(parse(full) as JsonObject, path.split("."), value);
      assert.equal(validate(manifest), false);
      assert.equal(parses(manifest), false);
    });
  }

  it("agrees with the parser about manifests with parts of any kind", () => {
    const paths = [...new Set(breaks.map(([path]) => path))];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 }), (path, json) => {
        const manifest = changed(
          parse(full) as JsonObject,
          path.split("."),
          JSON.parse(JSON.stringify(json)) as JsonValue,
        );
        assert.equal(parses(manifest), validate(manifest));
      }),
      { numRuns: 150 },
    );
  });
});

describe("the reference pages", () => {
  for (const [path, text] of manifestDocs()) {
    it(`${relative(new URL("../../../..", import.meta.url).pathname, path)} is what its table says (npm run docs)`, () =>
      assert.equal(readFileSync(path, "utf8"), text));
  }

  it("expressions.md names every function and every limit", () => {
    const page = readFileSync(new URL("../../../../docs/reference/expressions.md", import.meta.url), "utf8");
    const missing = [
      ...CALLABLE.filter((name) => !page.includes(`\`${name}\``)),
      ...Object.values(EXPRESSION_LIMITS)
        .map(String)
        .filter((limit) => !page.includes(limit)),
    ];
    assert.deepEqual(missing, []);
  });
});

function changed(manifest: JsonObject, path: readonly string[], value: JsonValue | undefined): JsonObject {
  const [name = "", ...rest] = path;
  const { [name]: old, ...others } = manifest;
  if (rest.length > 0) return { ...manifest, [name]: changed(isJsonObject(old) ? old : {}, rest, value) };
  return value === undefined ? others : { ...manifest, [name]: value };
}
