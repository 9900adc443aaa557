import type { Digest } from "../core/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { STATEMENT_TYPE } from "../core/receipt.ts";
import { parseDateTime } from "../core/time.ts";
import { sealReceipt, type SealedReceipt } from "./receipts.ts";
import type { Signer } from "./signer.ts";

/** Predicate of the statement that a published version of a workflow comes with (docs/reference/receipt.md). */
export const WORKFLOW_STATEMENT = "https://summit-maestro.dev/attestation/workflow/v1";

/** What was published, by what it is. */
export interface WorkflowFacts {
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  /** Of the plan's canonical text. */
  readonly plan: Digest;
  /** Of the manifest's canonical form: comments and white space do not count. */
  readonly manifest: Digest;
  /** Of the manifest's bytes as they were given. */
  readonly source: Digest;
  /** Epoch milliseconds. */
  readonly publishedAt: number;
  readonly publishedBy: string;
}

export interface WorkflowClaims extends WorkflowFacts {
  /** `namespace/name@version`. */
  readonly workflow: string;
  readonly builder: string;
}

/** Binds a name and a version to what stands behind them, in the installation's name. */
export function sealWorkflow(facts: WorkflowFacts, signer: Signer, maestroVersion: string): SealedReceipt {
  const { namespace, name, version } = facts;
  return sealReceipt(
    {
      _type: STATEMENT_TYPE,
      subject: SUBJECTS.map((what) => ({
        name: subjectName(facts, what),
        digest: { sha256: facts[what].slice("sha256:".length) },
      })),
      predicateType: WORKFLOW_STATEMENT,
      predicate: {
        workflow: { namespace, name, version },
        publishedAt: new Date(facts.publishedAt).toISOString(),
        publishedBy: facts.publishedBy,
        builder: { id: signer.builder, version: maestroVersion },
      },
    },
    signer,
  );
}

const SUBJECTS = ["plan", "manifest", "source"] as const;

function subjectName(facts: Pick<WorkflowFacts, "namespace" | "name" | "version">, what: string): string {
  return `${facts.namespace}/${facts.name}@${facts.version}/${what}`;
}

/**
 * What a signed statement says, complete and with nothing beside it: what is not read could say something else to another
 * reader. Throws a SyntaxError.
 */
export function readWorkflowStatement(document: JsonValue): WorkflowClaims {
  const statement = objectOf(document, "the statement", ["_type", "subject", "predicateType", "predicate"]);
  if (statement["_type"] !== STATEMENT_TYPE) throw new SyntaxError(`_type is not ${STATEMENT_TYPE}`);
  if (statement["predicateType"] !== WORKFLOW_STATEMENT)
    throw new SyntaxError(`predicateType is not ${WORKFLOW_STATEMENT}`);
  const predicate = objectOf(statement["predicate"], "predicate", [
    "workflow",
    "publishedAt",
    "publishedBy",
    "builder",
  ]);
  const ref = objectOf(predicate["workflow"], "predicate.workflow", ["namespace", "name", "version"]);
  const builder = objectOf(predicate["builder"], "predicate.builder", ["id", "version"]);
  const publishedAt = parseDateTime(textOf(predicate, "publishedAt", "predicate"));
  if (publishedAt === undefined) throw new SyntaxError("predicate.publishedAt is not an RFC 3339 time");
  const named = {
    namespace: textOf(ref, "namespace", "predicate.workflow"),
    name: textOf(ref, "name", "predicate.workflow"),
    version: textOf(ref, "version", "predicate.workflow"),
  };
  const subjects = statement["subject"];
  if (!Array.isArray(subjects) || subjects.length !== SUBJECTS.length)
    throw new SyntaxError(`subject does not hold exactly ${SUBJECTS.join(", ")}`);
  const [plan, manifest, source] = SUBJECTS.map((what, i) =>
    subjectDigest(subjects[i], `subject[${i}]`, subjectName(named, what)),
  ) as [Digest, Digest, Digest];
  return {
    ...named,
    workflow: `${named.namespace}/${named.name}@${named.version}`,
    plan,
    manifest,
    source,
    publishedAt,
    publishedBy: textOf(predicate, "publishedBy", "predicate"),
    builder: textOf(builder, "id", "predicate.builder"),
  };
}

function subjectDigest(value: JsonValue | undefined, where: string, name: string): Digest {
  const subject = objectOf(value, where, ["name", "digest"]);
  if (subject["name"] !== name)
    throw new SyntaxError(`${where} is ${JSON.stringify(subject["name"])}, not ${JSON.stringify(name)}`);
  const hex = textOf(objectOf(subject["digest"], `${where}.digest`, ["sha256"]), "sha256", `${where}.digest`);
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new SyntaxError(`${where}.digest.sha256 is not a sha256 digest`);
  return `sha256:${hex}`;
}

function objectOf(value: JsonValue | undefined, where: string, names: readonly string[]): JsonObject {
  if (!isJsonObject(value)) throw new SyntaxError(`${where} is not an object`);
  for (const name of Object.keys(value))
    if (!names.includes(name)) throw new SyntaxError(`${where} has an unknown member ${JSON.stringify(name)}`);
  return value;
}

function textOf(object: JsonObject, name: string, where: string): string {
  const value = object[name];
  if (typeof value !== "string" || value === "") throw new SyntaxError(`${where}.${name} is not a text`);
  return value;
}
