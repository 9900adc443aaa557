import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { canonical } from "../../src/core/canonical.ts";
import { digestOf, sha256, type Digest } from "../../src/core/digest.ts";
import type { Decision, EventBody, RunEvent } from "../../src/core/event.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { Plan, PlanTask } from "../../src/core/plan.ts";
import { link } from "../../src/core/program.ts";
import { receiptFacts } from "../../src/core/receipt-facts.ts";
import { statement, type ReceiptFacts } from "../../src/core/receipt.ts";
import { replay } from "../../src/core/replay.ts";
import { headOf } from "../../src/provenance/events.ts";
import type { Check } from "../../src/provenance/ladder.ts";
import { sealReceipt } from "../../src/provenance/receipts.ts";
import { createSigner, type Signer } from "../../src/provenance/signer.ts";
import type { TrustedKey, TrustRoot } from "../../src/provenance/trust.ts";
import type { Verification } from "../../src/provenance/verify.ts";

export const BUILDER = "https://maestro.example/builder/1";
export const STARTED_AT = Date.UTC(2026, 10, 21, 9, 30);
/** What the artifact of the sample holds. */
export const ARTIFACT = "a package\n";

/** A run that really can have happened: its receipt is read off the replayed events. */
export interface Sample {
  readonly plan: Plan;
  readonly planText: string;
  readonly events: readonly string[];
  readonly facts: ReceiptFacts;
}

/**
 * `tasks` plain tasks one after the other; the first is a command that leaves an artifact when `artifact` is set.
 * `path` is the one input and part of every output.
 */
export function sampleRun(
  options: {
    readonly tasks?: number;
    readonly artifact?: boolean;
    readonly run?: string;
    readonly path?: string;
    readonly status?: "succeeded" | "denied";
    /** The correlation id that its history has. */
    readonly request?: string;
  } = {},
): Sample {
  const { tasks = 2, artifact = false, run = "r_1k7q0c9g0abcdefghjk", path = ".", status = "succeeded" } = options;
  const plan = samplePlan(tasks);
  const planDigest = digestOf(plan as unknown as JsonValue);
  const allow = status !== "denied";
  const bodies: EventBody[] = [
    {
      kind: "run_created",
      run,
      name: plan.workflow.name,
      namespace: plan.workflow.namespace,
      planDigest,
      inputs: { path },
      purpose: "release",
      authority: "TICKET-1234",
      initiator: { type: "user", id: "local", roles: ["owner"] },
      labels: {},
      priority: 0,
      ...(options.request === undefined ? {} : { origin: { request: options.request } }),
    },
    { kind: "policy_decided", action: "run.start", decision: decision("d_1k7q0c9g0abcdefghjk", allow) },
    ...(allow
      ? ([
          { kind: "run_started" },
          ...plan.tasks.flatMap((task, index) => attempt(task.id, path, artifact && index === 0)),
        ] satisfies EventBody[])
      : []),
    { kind: "run_ended", status, outputs: {} },
  ];
  const history = bodies.map((body, index): RunEvent => ({ seq: index + 1, at: STARTED_AT + index, ...body }));
  const events = history.map((event) => JSON.stringify(event));
  const program = link(plan, planDigest, () => "inline");
  const facts = receiptFacts(program, replay(program, history), {
    head: headOf(events) as Digest,
    builder: { id: BUILDER, version: "0.1.0" },
  });
  return { plan, planText: canonical(plan as unknown as JsonValue), events, facts };
}

/** A receipt whose statement was changed before it was sealed, with the real key: a signer that lies or is broken. */
export function sealChanged(
  key: SampleKey,
  facts: ReceiptFacts,
  change: (statement: Record<string, unknown>) => void,
): Buffer {
  const changed = structuredClone(statement(facts)) as Record<string, unknown>;
  change(changed);
  return Buffer.from(sealReceipt(changed as JsonObject, key.signer).bundle);
}

/** The one check that failed, if any. */
export function failedCheck(verification: Verification): Check | undefined {
  return verification.checks.find((check) => check.status === "failed");
}

export interface SampleKey {
  readonly signer: Signer;
  readonly trusted: TrustedKey;
  readonly trustRoot: TrustRoot;
}

export function sampleKey(): SampleKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = createSigner(privateKey, BUILDER);
  const trusted: TrustedKey = {
    keyid: signer.keyid,
    fingerprint: signer.fingerprint,
    publicKey: createPublicKey(privateKey),
    builder: BUILDER,
    validFrom: STARTED_AT - 60_000,
    validUntil: null,
  };
  return { signer, trusted, trustRoot: { keys: [trusted] } };
}

function attempt(task: string, path: string, artifact: boolean): EventBody[] {
  const isolation = {
    declared: "preferred",
    measured: "partial",
    backend: "bubblewrap",
    network: true,
    writableRoot: false,
    capabilities: false,
    ownProcesses: true,
    uid: 1000,
  } as const;
  const file = { name: "a.tgz", path: "/tmp/a.tgz", digest: sha256(ARTIFACT), size: ARTIFACT.length };
  return [
    { kind: "attempt_started", task, item: -1, attempt: 1, input: digestOf({}) },
    {
      kind: "attempt_finished",
      task,
      item: -1,
      attempt: 1,
      result: artifact
        ? { ok: true, output: { task, path }, artifacts: [file], isolation, runner: "process@host" }
        : { ok: true, output: { task, path } },
    },
  ];
}

function decision(id: string, allow: boolean): Decision {
  return {
    id,
    allow,
    reasons: ["the owner may"],
    rules: ["owner"],
    policyDigest: sha256("policy"),
    requestDigest: sha256("request"),
    engine: "builtin",
  };
}

function samplePlan(count: number): Plan {
  const uses = { kind: "type", name: "transform", version: 1, digest: sha256("transform@1") } as const;
  const tasks = Array.from({ length: count }, (_, index): PlanTask => {
    const needs = index === 0 ? [] : [`step-${index - 1}`];
    return { id: `step-${index}`, phase: "main", uses, needs, with: {}, effects: [] };
  });
  return {
    format: "maestro.plan/v1",
    workflow: { namespace: "platform", name: "release-evidence", version: "1.4.0", digest: sha256("manifest") },
    type: "cicd",
    purposes: ["release"],
    authority: { required: true },
    license: "internal",
    inputs: { type: "object" },
    onFailure: "stop",
    tasks,
    outputs: {},
    triggers: [],
  };
}
