import type { Digest } from "../core/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { BUILD_TYPE, RUN_RECEIPT, SLSA_EXTENSION, SLSA_PROVENANCE, STATEMENT_TYPE } from "../core/receipt.ts";
import { parseDateTime } from "../core/time.ts";

/** A received statement: in-toto Statement v1, its subjects unique and by sha256. */
export interface Statement {
  /** The first one is the run and its digest the head of the event chain. */
  readonly run: Subject;
  readonly artifacts: readonly Subject[];
  readonly predicateType: string;
  readonly predicate: JsonObject;
  /** All of it, as it was signed. */
  readonly document: JsonObject;
}

export interface Subject {
  readonly name: string;
  readonly digest: Digest;
}

/** What verification compares and reports, out of a run receipt. */
export interface ReceiptClaims {
  readonly run: string;
  readonly workflow: string;
  readonly workflowDigest: Digest;
  readonly status: string;
  readonly createdAt: number;
  readonly endedAt: number;
  readonly plan: Digest;
  readonly inputs: Digest;
  readonly events: number;
  readonly head: Digest;
  readonly asked: number;
  readonly denied: number;
  readonly tasks: number;
  /** Weakest measured isolation of any task that ran a command; null where none did. */
  readonly isolation: "strict" | "partial" | "none" | null;
  readonly builder: string;
  /** Maestro's, as the signer says. */
  readonly version: string;
  readonly previousReceipt: Digest | null;
  /** The correlation id of the request that it began with; null: it does not say. */
  readonly request: string | null;
}

/** Throws a SyntaxError that says which member is wrong. */
export function readStatement(document: JsonValue): Statement {
  const statement = objectOf(document, "the statement");
  const type = textOf(statement, "_type", "");
  if (type !== STATEMENT_TYPE) throw new SyntaxError(`_type is ${JSON.stringify(type)}, not ${STATEMENT_TYPE}`);
  const entries = listOf(statement, "subject", "");
  const subjects = entries.map((entry, index) => readSubject(entry, `subject[${index}]`));
  const [run, ...artifacts] = subjects;
  if (run === undefined) throw new SyntaxError("subject is empty");
  if (new Set(subjects.map((subject) => subject.name)).size !== subjects.length)
    throw new SyntaxError("two subjects have the same name");
  return {
    run,
    artifacts,
    predicateType: textOf(statement, "predicateType", ""),
    predicate: objectOf(statement["predicate"], "predicate"),
    document: statement,
  };
}

/**
 * The run receipt of a statement, from under either predicate. What is said twice must agree, so that a reader of the
 * SLSA fields and a reader of ours cannot be told different things. Throws a SyntaxError.
 */
export function readClaims(statement: Statement): ReceiptClaims {
  switch (statement.predicateType) {
    case RUN_RECEIPT:
      if (statement.artifacts.length > 0)
        throw new SyntaxError(`a receipt with artifacts has the predicate ${SLSA_PROVENANCE}`);
      return readReceipt(statement, statement.predicate, "predicate");
    case SLSA_PROVENANCE: {
      const claims = readReceipt(
        statement,
        objectOf(statement.predicate[SLSA_EXTENSION], `predicate.${SLSA_EXTENSION}`),
        `predicate.${SLSA_EXTENSION}`,
      );
      agreesWithSlsa(statement.predicate, claims);
      return claims;
    }
    default:
      throw new SyntaxError(
        `predicateType is ${JSON.stringify(statement.predicateType)}, neither ${RUN_RECEIPT} nor ${SLSA_PROVENANCE}`,
      );
  }
}

function readSubject(value: JsonValue, where: string): Subject {
  const subject = objectOf(value, where);
  const hex = textOf(objectOf(subject["digest"], `${where}.digest`), "sha256", `${where}.digest`);
  return { name: textOf(subject, "name", where), digest: asDigest(`sha256:${hex}`, `${where}.digest.sha256`) };
}

function readReceipt(statement: Statement, receipt: JsonObject, where: string): ReceiptClaims {
  const run = objectOf(receipt["run"], `${where}.run`);
  const workflow = objectOf(receipt["workflow"], `${where}.workflow`);
  const decisions = objectOf(receipt["decisions"], `${where}.decisions`);
  const builder = objectOf(receipt["builder"], `${where}.builder`);
  const tasks = listOf(receipt, "tasks", where);
  const id = textOf(run, "id", `${where}.run`);
  if (statement.run.name !== `run/${id}`)
    throw new SyntaxError(`the first subject is ${JSON.stringify(statement.run.name)}, not "run/${id}"`);
  return {
    run: id,
    workflow: textOf(workflow, "ref", `${where}.workflow`),
    workflowDigest: digestOf(workflow, "digest", `${where}.workflow`),
    status: textOf(run, "status", `${where}.run`),
    createdAt: timeOf(run, "createdAt", `${where}.run`),
    endedAt: timeOf(run, "endedAt", `${where}.run`),
    plan: digestOf(receipt, "plan", where),
    inputs: digestOf(receipt, "inputs", where),
    events: countOf(receipt, "events", where),
    head: statement.run.digest,
    asked: countOf(decisions, "asked", `${where}.decisions`),
    denied: countOf(decisions, "denied", `${where}.decisions`),
    tasks: tasks.length,
    isolation: weakestIsolation(tasks),
    builder: textOf(builder, "id", `${where}.builder`),
    version: textOf(builder, "version", `${where}.builder`),
    previousReceipt: receipt["previousReceipt"] === undefined ? null : digestOf(receipt, "previousReceipt", where),
    request: run["request"] === undefined ? null : textOf(run, "request", `${where}.run`),
  };
}

/** SLSA v1, "Verifying artifacts": known buildType, no unknown external parameters, the builder that signed. */
function agreesWithSlsa(predicate: JsonObject, claims: ReceiptClaims): void {
  const definition = objectOf(predicate["buildDefinition"], "buildDefinition");
  const details = objectOf(predicate["runDetails"], "runDetails");
  const external = objectOf(definition["externalParameters"], "externalParameters");
  for (const name of Object.keys(external)) {
    if (!EXTERNAL_PARAMETERS.includes(name))
      throw new SyntaxError(`externalParameters has an unknown member ${JSON.stringify(name)}`);
  }
  const said: readonly (readonly [what: string, found: string, expected: string])[] = [
    ["buildType", textOf(definition, "buildType", "buildDefinition"), BUILD_TYPE],
    ["externalParameters.workflow", textOf(external, "workflow", "externalParameters"), claims.workflow],
    ["externalParameters.inputs", textOf(external, "inputs", "externalParameters"), claims.inputs],
    [
      "builder.id",
      textOf(objectOf(details["builder"], "runDetails.builder"), "id", "runDetails.builder"),
      claims.builder,
    ],
    [
      "invocationId",
      textOf(objectOf(details["metadata"], "runDetails.metadata"), "invocationId", "runDetails.metadata"),
      claims.run,
    ],
  ];
  for (const [what, found, expected] of said) {
    if (found !== expected)
      throw new SyntaxError(`${what} is ${JSON.stringify(found)}, but the receipt says ${JSON.stringify(expected)}`);
  }
}

const EXTERNAL_PARAMETERS: readonly string[] = ["workflow", "inputs", "purpose", "authority"];

function weakestIsolation(tasks: readonly JsonValue[]): ReceiptClaims["isolation"] {
  let weakest = -1;
  for (const task of tasks) {
    const isolation = isJsonObject(task) ? task["isolation"] : undefined;
    const measured = isJsonObject(isolation) ? isolation["measured"] : undefined;
    if (measured === undefined) continue;
    const rank = STRENGTHS.findIndex((strength) => strength === measured);
    // What this version does not know counts as none.
    weakest = Math.max(weakest, rank === -1 ? STRENGTHS.length - 1 : rank);
  }
  return STRENGTHS[weakest] ?? null;
}

const STRENGTHS = ["strict", "partial", "none"] as const;

function objectOf(value: JsonValue | undefined, where: string): JsonObject {
  if (!isJsonObject(value)) throw new SyntaxError(`${where} is not an object`);
  return value;
}

function listOf(object: JsonObject, name: string, where: string): readonly JsonValue[] {
  const value = object[name];
  if (!Array.isArray(value)) throw new SyntaxError(`${path(where, name)} is not a list`);
  return value as readonly JsonValue[];
}

function textOf(object: JsonObject, name: string, where: string): string {
  const value = object[name];
  if (typeof value !== "string" || value === "") throw new SyntaxError(`${path(where, name)} is not a text`);
  return value;
}

function countOf(object: JsonObject, name: string, where: string): number {
  const value = object[name];
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new SyntaxError(`${path(where, name)} is not a count`);
  return value as number;
}

function timeOf(object: JsonObject, name: string, where: string): number {
  const value = parseDateTime(textOf(object, name, where));
  if (value === undefined) throw new SyntaxError(`${path(where, name)} is not an RFC 3339 time`);
  return value;
}

function digestOf(object: JsonObject, name: string, where: string): Digest {
  return asDigest(textOf(object, name, where), path(where, name));
}

function asDigest(value: string, where: string): Digest {
  if (!/^sha256:[0-9a-f]{64}$/.test(value)) throw new SyntaxError(`${where} is not a sha256 digest`);
  return value as Digest;
}

function path(where: string, name: string): string {
  return where === "" ? name : `${where}.${name}`;
}
