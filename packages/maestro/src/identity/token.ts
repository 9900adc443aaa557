import { sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Actor, Isolation } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import type { Sandbox, WorkflowRef } from "../core/plan.ts";

/** How long a token is good for. Long enough to be exchanged for what the other side gives out, and for nothing else. */
export const TOKEN_SECONDS = 300;
/** How long others may keep the key set. */
export const JWKS_SECONDS = 300;

/** What a token says: who its holder is, in the words of its run. Times are epoch milliseconds. */
export interface TokenFacts {
  readonly issuer: string;
  readonly audience: string;
  readonly id: string;
  readonly issuedAt: number;
  readonly run: string;
  readonly namespace: string;
  readonly workflow: WorkflowRef;
  readonly planDigest: string;
  readonly task: string;
  /** -1: no fan-out. */
  readonly item: number;
  readonly attempt: number;
  readonly environment: string;
  readonly purpose: string;
  readonly actor: Actor;
  /** `measured` as it was found, where it was. */
  readonly runner: { readonly name: string; readonly sandbox: Sandbox; readonly isolation?: Isolation };
}

/**
 * `run:NAMESPACE:WORKFLOW:env:ENVIRONMENT:task:TASK`, for trust policies that compare it as a whole. Each part is
 * percent-encoded where it has other characters than names have, so that no name can pass for two parts.
 */
export function subjectOf(facts: Pick<TokenFacts, "namespace" | "workflow" | "environment" | "task">): string {
  const { namespace, workflow, environment, task } = facts;
  const [inNamespace, name, env, id] = [namespace, workflow.name, environment, task].map(encodeURIComponent);
  return `run:${inNamespace}:${name}:env:${env}:task:${id}`;
}

export function claimsOf(facts: TokenFacts): JsonObject {
  const { workflow, runner, item, actor } = facts;
  const issuedAt = Math.floor(facts.issuedAt / 1000);
  return {
    iss: facts.issuer,
    aud: facts.audience,
    sub: subjectOf(facts),
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + TOKEN_SECONDS,
    jti: facts.id,
    namespace: facts.namespace,
    run_id: facts.run,
    task_id: facts.task,
    ...(item === -1 ? {} : { item }),
    attempt: facts.attempt,
    workflow_ref: `${workflow.namespace}/${workflow.name}@${workflow.version}`,
    workflow_sha: workflow.digest,
    plan_sha: facts.planDigest,
    actor: `${actor.type}:${actor.id}`,
    environment: facts.environment,
    purpose: facts.purpose,
    runner: {
      name: runner.name,
      sandbox: runner.sandbox,
      ...(runner.isolation === undefined ? {} : { isolation: runner.isolation.measured }),
    },
  };
}

/** Names of the claims, for the discovery document. */
export const CLAIMS: readonly string[] = [
  "iss",
  "aud",
  "sub",
  "iat",
  "nbf",
  "exp",
  "jti",
  "namespace",
  "run_id",
  "task_id",
  "item",
  "attempt",
  "workflow_ref",
  "workflow_sha",
  "plan_sha",
  "actor",
  "environment",
  "purpose",
  "runner",
];

/** RFC 7515 in compact form, ES256: RFC 7518 3.4 wants the two numbers as they are, not as DER. */
export function signToken(claims: JsonObject, { kid, key }: { readonly kid: string; readonly key: KeyObject }): string {
  const text = `${part({ alg: "ES256", kid, typ: "JWT" })}.${part(claims)}`;
  return `${text}.${sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

function part(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
