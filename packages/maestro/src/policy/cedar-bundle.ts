import type * as Cedar from "@cedar-policy/cedar-wasm/nodejs";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { Obligation } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { messageOf } from "../core/problem.ts";
import type { CedarSchema } from "./cedar-schema.ts";
import { readCedarSchema } from "./cedar-schema.ts";
import { OBLIGATION_TYPES } from "./obligation-types.ts";
import type { PolicyFile } from "./policy-files.ts";
import { filesDocument, readPolicyFolder } from "./policy-files.ts";
import type { PolicySource } from "./evaluator.ts";
import { unusable } from "./unusable.ts";

export type CedarEngine = typeof Cedar;

/** What a folder holds: policies by their ids, checked against its schema. */
export interface CedarBundle {
  readonly digest: Digest;
  readonly source: PolicySource;
  readonly rules: ReadonlyMap<string, CedarRule>;
  readonly schemaText: Cedar.Schema;
  readonly schema: CedarSchema;
}

export interface CedarRule {
  readonly id: string;
  readonly effect: "permit" | "forbid";
  readonly text: string;
  /** The file it stands in. */
  readonly file: string;
  readonly why?: string;
  readonly fix?: string;
  readonly obligations: readonly Obligation[];
  /** `@shadow`: it is reported and decides nothing. */
  readonly shadow?: true;
}

export const CEDAR_LIMITS = { rules: 2_000 } as const;

const SCHEMAS = ["schema.cedarschema", "schema.cedarschema.json"] as const;
/** The form of names in decisions, receipts and reports. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Errors: `policy_unusable` with every fault of the folder. */
export async function loadCedarBundle(cedar: CedarEngine, folder: string): Promise<CedarBundle> {
  const files = await readPolicyFolder(
    folder,
    (name) => name.endsWith(".cedar") || SCHEMAS.some((schema) => name === schema),
  );
  return readCedarBundle(cedar, files, folder);
}

/** As `loadCedarBundle`, of texts. */
export async function readCedarBundle(
  cedar: CedarEngine,
  files: readonly PolicyFile[],
  folder: string,
): Promise<CedarBundle> {
  const schemas = files.filter(({ name }) => !name.endsWith(".cedar"));
  const [schemaFile] = schemas;
  if (schemaFile === undefined) throw unusable(folder, [`it has no ${SCHEMAS[0]}`]);
  if (schemas.length > 1) throw unusable(folder, [`it has both ${SCHEMAS.join(" and ")}`]);
  const { text: schemaText, schema } = readSchema(cedar, schemaFile, folder);
  const faults: string[] = [];
  const rules = new Map<string, CedarRule>();
  for (const file of files.filter(({ name }) => name.endsWith(".cedar")))
    for (const rule of await rulesOf(cedar, file, faults)) {
      const other = rules.get(rule.id);
      if (other !== undefined) faults.push(`${file.name} and ${other.file} both have a policy with the id ${rule.id}`);
      rules.set(rule.id, rule);
    }
  if (rules.size === 0 && faults.length === 0) faults.push("it has no policies, so that nothing would ever be allowed");
  if (rules.size > CEDAR_LIMITS.rules) faults.push(`it has more than ${CEDAR_LIMITS.rules} policies`);
  if (faults.length === 0) faults.push(...validate(cedar, rules, schemaText));
  if (faults.length > 0) throw unusable(folder, faults);
  const document = filesDocument(
    { engine: "cedar" },
    files.map(({ name, text }) => ({ name, bytes: text })),
  );
  return {
    digest: digestOf(document),
    source: { document, files: files.map(({ text }) => Buffer.from(text)) },
    rules,
    schemaText,
    schema,
  };
}

/** As Cedar takes them: an id each, since of one text it would make up `policy0`, `policy1`, ... */
export function policiesOf(rules: Iterable<CedarRule>): Cedar.PolicySet {
  return { staticPolicies: Object.fromEntries(Array.from(rules, ({ id, text }) => [id, text])) };
}

function readSchema(
  cedar: CedarEngine,
  { name, text }: PolicyFile,
  folder: string,
): { readonly text: string; readonly schema: CedarSchema } {
  let written = text;
  if (name.endsWith(".json")) {
    let json: Cedar.Schema;
    try {
      json = JSON.parse(text) as Cedar.Schema;
    } catch (error) {
      throw unusable(folder, [`${name}: ${messageOf(error)}`], error);
    }
    const answer = cedar.schemaToText(json);
    if (answer.type === "failure") throw unusable(folder, answer.errors.map(said(name)));
    written = answer.text;
  }
  const resolved = cedar.schemaToJsonWithResolvedTypes(written);
  if (resolved.type === "failure") throw unusable(folder, resolved.errors.map(said(name, written)));
  return { text: written, schema: readCedarSchema(resolved.json as unknown as JsonObject) };
}

async function rulesOf(
  cedar: CedarEngine,
  { name, text }: PolicyFile,
  faults: string[],
): Promise<readonly CedarRule[]> {
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === "failure") {
    faults.push(...parts.errors.map(said(name, text)));
    return [];
  }
  if (parts.policy_templates.length > 0)
    faults.push(`${name}: a policy has a slot (?principal, ?resource); templates are not filled in here`);
  const rules: CedarRule[] = [];
  for (const policy of parts.policies) {
    const parsed = cedar.policyToJson(policy);
    if (parsed.type === "failure") {
      faults.push(...parsed.errors.map(said(name)));
      continue;
    }
    const { effect, annotations = {} } = parsed.json;
    const { id, why, fix, obligation, shadow } = annotations;
    if (id === undefined || !ID.test(id)) {
      const what = id === undefined ? "a policy has no @id" : `@id(${JSON.stringify(id)}) is no name`;
      faults.push(`${name}: ${what}; write @id("letters-digits-and-hyphens") before: ${firstLine(policy)}`);
      continue;
    }
    const obligations = obligation === undefined ? [] : await obligationsOf(obligation, id, `${name}: ${id}`, faults);
    rules.push({
      id,
      effect,
      text: policy,
      file: name,
      obligations,
      ...(why === undefined ? {} : { why }),
      ...(fix === undefined ? {} : { fix }),
      ...(shadow === undefined ? {} : { shadow: true as const }),
    });
  }
  return rules;
}

/** `@obligation("notify: { to: security }")`: types and their properties, as YAML, since quotes in quotes are hard to read. */
async function obligationsOf(
  text: string,
  id: string,
  where: string,
  faults: string[],
): Promise<readonly Obligation[]> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { uniqueKeys: true, merge: false });
  if (document.errors.length > 0) {
    faults.push(`${where}: @obligation is not readable: ${document.errors[0]?.message.split("\n")[0] ?? ""}`);
    return [];
  }
  const value = document.toJS({ maxAliasCount: 0 }) as JsonValue;
  if (!isJsonObject(value)) {
    faults.push(`${where}: @obligation is not of the form "notify: { to: security }"`);
    return [];
  }
  return Object.entries(value).flatMap(([type, properties]) => {
    if (!OBLIGATION_TYPES.some((known) => known === type))
      faults.push(`${where}: ${type} is no obligation; there are ${OBLIGATION_TYPES.join(", ")}`);
    else if (properties !== null && !isJsonObject(properties))
      faults.push(`${where}: what the obligation ${type} says is no mapping`);
    else return [{ id, type, properties: properties ?? {} }];
    return [];
  });
}

function validate(cedar: CedarEngine, rules: ReadonlyMap<string, CedarRule>, schema: Cedar.Schema): readonly string[] {
  const answer = cedar.validate({
    schema,
    policies: policiesOf(rules.values()),
    validationSettings: { mode: "strict" },
  });
  if (answer.type === "failure") return answer.errors.map(({ message }) => message);
  // A warning is a policy that can never apply, or one that looks like another: in a policy that is a mistake.
  return [...answer.validationErrors, ...answer.validationWarnings].map(({ policyId, error }) => {
    const help = error.help === null || error.help === "" ? "" : ` (${error.help})`;
    return `${rules.get(policyId)?.file ?? ""}: ${policyId}: ${error.message.replace(`for policy \`${policyId}\`, `, "")}${help}`;
  });
}

/** A fault in a file; with its text also the line. */
function said(name: string, text?: string): (error: Cedar.DetailedError) => string {
  return ({ message, sourceLocations = [] }) => {
    const [place] = sourceLocations;
    if (text === undefined || place === undefined) return `${name}: ${message}`;
    // Cedar counts bytes.
    const line = Buffer.from(text).subarray(0, place.start).toString().split("\n").length;
    const label = place.label === null ? "" : ` (${place.label})`;
    return `${name}:${line}: ${message}${label}`;
  };
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
