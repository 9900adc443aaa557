import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compile } from "./compile.ts";
import { digestOf } from "./digest.ts";
import { inferType } from "./expression-type.ts";
import { parseExpression } from "./expression.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { parseManifest } from "./manifest.ts";
import type { Plan } from "./plan.ts";
import { link } from "./program.ts";
import type { TaskDescription } from "./task-description.ts";
import type { Workflow } from "./workflow.ts";

const base = {
  version: 1,
  title: "For tests",
  docs: "For tests.",
  effects: [],
  runs: "inline",
  example: {},
  input: { type: "object" },
  output: { type: "object" },
} as const;
const types: readonly TaskDescription[] = [
  { ...base, name: "exec", effects: ["process"], runs: "process" },
  {
    ...base,
    name: "npm/inventory",
    output: { type: "object", properties: { packages: { type: "array", items: { type: "object" } } } },
  },
  { ...base, name: "license/check" },
  { ...base, name: "artifacts/compare", output: { type: "object", properties: { digest: { type: "string" } } } },
  { ...base, name: "notify", effects: ["network"] },
];
const env = { taskTypes: new Map(types.map((type) => [`${type.name}@1`, type])), runbook: () => undefined };

function workflowOf(spec: JsonObject): Workflow {
  const parsed = parseManifest({
    apiVersion: "maestro/v1",
    kind: "Runbook",
    metadata: { name: "example" },
    spec: { purposes: ["test"], ...spec },
  });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.workflow;
}

function planOf(spec: JsonObject): Plan {
  const result = compile(workflowOf(spec), digestOf(spec), env);
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return result.plan;
}

function tasks(given: Readonly<Record<string, JsonObject>>): JsonObject {
  return Object.fromEntries(Object.entries(given).map(([id, task]) => [id, { uses: "license/check@1", ...task }]));
}

const example = {
  type: "cicd",
  purposes: ["release", "audit"],
  authority: { required: true },
  inputs: {
    path: { type: "string", default: "." },
    licences: { type: "array", items: { type: "string" }, default: ["MIT"] },
  },
  budget: { wall: "30m", tasks: 5000, usd: 2.1 },
  concurrency: { key: "inputs.path", max: 1, onConflict: "queue" },
  tasks: {
    inventory: { uses: "npm/inventory@1", with: { path: "${{ inputs.path }}" } },
    check: {
      forEach: { items: "tasks.inventory.output.packages", as: "pkg", max: 20, onItemFailure: "continue" },
      uses: "license/check@1",
      with: { package: "${{ pkg }}", allow: "${{ inputs.licences }}" },
      retry: { attempts: 3, backoff: { initial: "1s", max: "30s" }, on: 'error.code in ["TIMEOUT"]' },
      timeout: { run: "20s" },
    },
    pack: {
      forEach: { items: "[1, 2]", as: "n" },
      uses: "exec@1",
      with: { argv: ["npm", "pack", "${{ task.dir }}"] },
      runner: { sandbox: "strict", limits: { memory: "1GiB", cpu: "1500ms" } },
      artifacts: ["*.tgz"],
    },
    compare: {
      when: "tasks.check.failed == 0",
      uses: "artifacts/compare@1",
      with: { left: "${{ tasks.pack[0].artifacts }}" },
    },
    publish: {
      needs: ["compare"],
      uses: "exec@1",
      sensitive: true,
      approvals: { count: 2, roles: ["release-manager"] },
      secrets: { NPM_TOKEN: "npm-publish" },
      identity: { audiences: ["vault", "sts.amazonaws.com"] },
      with: { argv: ["npm", "publish", "${{ tasks.pack[0].artifacts[0].path }}"] },
      undo: { uses: "exec@1", with: { argv: ["npm", "deprecate"] } },
    },
  },
  finally: { tell: { uses: "notify@1", with: { text: "${{ run.name }} ${{ tasks.check.failed }}" } } },
  onFailure: "rollback",
  outputs: { digest: "${{ tasks.compare.output.digest }}" },
} as const satisfies JsonObject;

describe("compile()", () => {
  it("makes the plan of the example", () => {
    const plan = planOf(example);
    assert.deepEqual(
      plan.tasks.map((task) => [task.id, task.phase, task.needs]),
      [
        ["inventory", "main", []],
        ["check", "main", ["inventory"]],
        ["pack", "main", []],
        ["compare", "main", ["check", "pack"]],
        ["publish", "main", ["pack", "compare"]],
        ["tell", "finally", ["check"]],
      ],
    );
    assert.deepEqual(plan.budget, { wallMs: 1_800_000, tasks: 5000, usdMicros: 2_100_000 });
    const [inventory, check, pack, compare, publish] = plan.tasks;
    assert.deepEqual(inventory?.uses, {
      kind: "type",
      name: "npm/inventory",
      version: 1,
      digest: digestOf(types[1] as unknown as JsonValue),
    });
    assert.deepEqual(check?.retry, {
      attempts: 3,
      initialMs: 1000,
      factor: 2,
      maxMs: 30_000,
      jitter: "full",
      on: 'error.code in ["TIMEOUT"]',
      onLost: "retry",
    });
    assert.deepEqual([check?.usesDir, pack?.usesDir], [undefined, true]);
    assert.deepEqual(pack?.runner, {
      kind: "process",
      sandbox: "strict",
      limits: { memoryBytes: 2 ** 30, cpuSeconds: 2 },
    });
    assert.deepEqual([check?.whenReadsStatus, compare?.whenReadsStatus], [undefined, true]);
    assert.deepEqual(publish?.effects, ["deploy", "process", "secret"]);
    assert.deepEqual(publish.identity, { audiences: ["sts.amazonaws.com", "vault"] });
    assert.deepEqual(publish?.approvals, {
      count: 2,
      roles: ["release-manager"],
      notRequester: true,
      expiresMs: 86_400_000,
    });
    assert.deepEqual(pack?.effects, ["process"]);
  });

  it("makes plans that are JSON and can be linked", () => {
    const plan = planOf(example);
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
    assert.equal(link(plan, digestOf(plan as unknown as JsonValue), () => "inline").mainCount, 5);
  });

  it("is deterministic", () =>
    assert.equal(digestOf(planOf(example) as unknown as JsonValue), digestOf(planOf(example) as unknown as JsonValue)));

  it("keeps the manifest's order where the graph leaves it open", () => {
    const plan = planOf({
      tasks: tasks({ e: { needs: ["a"] }, d: {}, c: { needs: ["d"] }, b: {}, a: { needs: ["b"] } }),
    });
    assert.deepEqual(
      plan.tasks.map((task) => task.id),
      ["d", "c", "b", "a", "e"],
    );
  });

  const reads: readonly (readonly [string, boolean])[] = [
    ["tasks.a.failed == 0", true],
    ["tasks.a.status == 'failed'", true],
    ["tasks.a.succeeded > 0", true],
    ["tasks.f.items.all(i, i.status == 'x')", true],
    ["tasks.f[0].status == 'x'", true],
    ["run.status == 'failed'", true],
    ["tasks.a.output.x == 1", false],
    ["tasks.f[0].output == 1", false],
    ["size(tasks.a.artifacts) > 0", false],
  ];
  for (const [when, expected] of reads) {
    it(`${expected ? "sees" : "does not see"} that ${when} asks for a status`, () => {
      const plan = planOf({ tasks: tasks({ a: {}, f: { forEach: { items: "[1]" } }, z: { when } }) });
      assert.equal(plan.tasks.at(-1)?.whenReadsStatus ?? false, expected);
    });
  }

  const implied: readonly (readonly [string, JsonObject])[] = [
    ["when", { when: "tasks.a.output.x == 1" }],
    ["forEach.items", { forEach: { items: "tasks.a.output.x" } }],
    ["with", { with: { deep: [{ text: "x ${{ tasks.a.output.x }}" }] } }],
    ["retry.on", { retry: { on: "tasks.a.output.x == error.code" } }],
    ["until.condition", { until: { condition: "tasks.a.output.x == task.output" } }],
    ["cache.key", { cache: { key: "${{ tasks.a.output.x }}" } }],
    ["approvals.message", { approvals: { message: "${{ tasks.a.output.x }}" } }],
    ["undo.with", { undo: { uses: "exec@1", with: { x: "${{ tasks.a.output.x }} ${{ tasks.z.output.y }}" } } }],
  ];
  for (const [field, task] of implied) {
    it(`takes what ${field} reads as a need`, () =>
      assert.deepEqual(planOf({ tasks: tasks({ a: {}, z: task }) }).tasks.at(-1)?.needs, ["a"]));
  }

  it("tells problems of every kind at once", () => {
    const result = compile(
      workflowOf({
        inputs: { n: { type: "integer", default: "x" } },
        tasks: tasks({ a: { uses: "exce@1", needs: ["c"] }, b: { when: "inputs.m" }, d: { when: "1 +" } }),
      }),
      digestOf(null),
      env,
    );
    assert.ok("problems" in result);
    assert.deepEqual(
      new Set(result.problems.map((problem) => problem.rule)),
      new Set(["WF040", "WF012", "WF032", "WF030", "WF044", "WF050"]),
    );
  });

  it("takes a chain of 5,000 tasks, and stops listing after a hundred or so mistakes", () => {
    const chain = (name: (i: number) => string): JsonObject =>
      tasks(
        Object.fromEntries(
          Array.from({ length: 5000 }, (_, i) => [
            `t${i}`,
            i === 0 ? {} : { when: `tasks.${name(i - 1)}.failed == 0` },
          ]),
        ),
      );
    assert.equal(planOf({ tasks: chain((i) => `t${i}`) }).tasks.length, 5000);
    const result = compile(workflowOf({ tasks: chain((i) => `q${i}`) }), digestOf(null), env);
    assert.ok("problems" in result && result.problems.length > 90 && result.problems.length < 200);
  });
});

describe("compile(), given too much", () => {
  it("stops reading after 25,000 expressions", () => {
    const argv = Array.from({ length: 25_001 }, () => "${{1}}");
    const result = compile(workflowOf({ tasks: tasks({ a: { with: { argv } } }) }), digestOf(null), env);
    assert.ok("problems" in result);
    assert.deepEqual(
      result.problems.map((problem) => problem.rule),
      ["WF002"],
    );
  });
});

describe("inferType()", () => {
  const known: Readonly<Record<string, JsonObject>> = {
    n: { type: "integer" },
    d: { type: "number" },
    s: { type: "string" },
    l: { type: "array", items: { type: "string" } },
  };
  const table: readonly (readonly [string, JsonObject | undefined])[] = [
    ["n > 1 && s == 'x'", { type: "boolean" }],
    ["n + 1", { type: "integer" }],
    ["n + d", { type: "number" }],
    ["s + 'x'", { type: "string" }],
    ["n + x", undefined],
    ["-n", { type: "integer" }],
    ["size(l)", { type: "integer" }],
    ["l.all(x, x == 's')", { type: "boolean" }],
    ["l.exists_one(x, x == 's')", { type: "boolean" }],
    ["l.map(x, x + '!')", { type: "array" }],
    ["l.filter(x, x != '')", { type: "array" }],
    ["[s, s]", { type: "array", items: { type: ["string"] } }],
    ["[s, n]", { type: "array" }],
    ["{'a': 1}", { type: "object" }],
    ["n > 1 ? 'a' : 2", { type: ["string", "integer"] }],
    ["n > 1 ? 'a' : x", undefined],
    ["has(x.y)", { type: "boolean" }],
    ["null", { type: "null" }],
    ["1.5", { type: "number" }],
    ["'a'", { type: "string", const: "a" }],
    ["s.split(',')", { type: "array", items: { type: "string" } }],
    ["now - duration('1h')", undefined],
  ];
  for (const [source, expected] of table)
    it(source, () =>
      assert.deepEqual(
        inferType(parseExpression(source).ast, (path) => known[path.join(".")]),
        expected,
      ),
    );
});
