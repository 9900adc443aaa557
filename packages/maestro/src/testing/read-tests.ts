import { basename, dirname, join } from "node:path";
import type { Diagnostic, Path } from "../core/diagnostic.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { DURATION_PATTERN, parseDuration } from "../core/duration.ts";
import type { RuleId } from "../core/rules.ts";
import type { SchemaIssue } from "../core/schema-check.ts";
import { checkValue } from "../core/schema-check.ts";
import { parseDateTime } from "../core/time.ts";
import { Locator } from "../manifest/locator.ts";
import type { LocatedDiagnostic } from "../manifest/report.ts";
import { readSource } from "../manifest/source.ts";
import type { Expect, TestCase } from "./case.ts";
import { WORKFLOW_TEST_SCHEMA } from "./case-schema.ts";
import { mergeCase } from "./merge-case.ts";
import { withoutWrong } from "./without-wrong.ts";

/** A case of a test file, with everything that it inherits. */
export interface ReadCase {
  readonly name: string;
  readonly test: TestCase;
  readonly expect: Expect;
  /** Where it stands in the file: `cases`, its number, and `rows` with a number. */
  readonly path: Path;
  readonly line: number;
  readonly column: number;
}

export interface TestFile {
  readonly file: string;
  /** Of the manifest, from the working folder or absolute, as `file` is. */
  readonly manifest: string;
  readonly cases: readonly ReadCase[];
  readonly value: JsonObject;
  readonly text: string;
  /** Gives diagnostics about this file their places. */
  locate(diagnostics: readonly Diagnostic[]): readonly LocatedDiagnostic[];
}

export type ReadResult =
  | { readonly file: TestFile }
  | {
      readonly diagnostics: readonly LocatedDiagnostic[];
      /** What is right in its form, to be looked at further; never to be run. */
      readonly rest?: TestFile;
    };

/** Reads the text of a test file: its form only; what names mean needs the manifest (check-tests.ts). Never throws. */
export function readTests(bytes: Uint8Array | string, file: string): ReadResult {
  const source = readSource(bytes);
  const locator = new Locator(source, file);
  const { value } = source;
  if (value === undefined) {
    const located = source.problems.map(({ offset, length, ...problem }) =>
      locator.at({ offset, length }, { severity: "error", path: [], ...problem, message: worded(problem.message) }),
    );
    return { diagnostics: locator.sort(located) };
  }
  const problems = formProblems(value);
  const fileOf = (content: JsonObject): TestFile => ({
    file,
    manifest: manifestOf(content, file),
    cases: casesOf(content).map((one) => {
      const place = source.locate([...one.path, one.firstKey], { key: true });
      const { line, column } = locator.at(place, { rule: "WF011", severity: "error", path: one.path, message: "" });
      return { ...one, line, column };
    }),
    value: content,
    text: source.text,
    locate: (diagnostics) => locator.finish(diagnostics),
  });
  if (problems.length === 0 && isJsonObject(value)) return { file: fileOf(value) };
  const diagnostics = locator.finish(problems);
  const rest = isJsonObject(value) ? withoutWrong(value, problems) : undefined;
  // Without its manifest named rightly it is anybody's guess what the names should be.
  const isNamed = !problems.some(({ path }) => path[0] === "manifest");
  return rest === undefined || !isNamed ? { diagnostics } : { diagnostics, rest: fileOf(rest) };
}

/** The reader speaks of manifests, which this is not. */
function worded(message: string): string {
  return message.replace("the manifest", "the test file").replace("a manifest", "a test file");
}

function manifestOf(value: JsonObject, file: string): string {
  const given = value["manifest"];
  const name = typeof given === "string" ? given : basename(file).replace(/\.test\.(ya?ml|json)$/, ".$1");
  return join(dirname(file), name);
}

interface Unplaced extends Omit<ReadCase, "line" | "column"> {
  /** A case is pointed at by its first line. */
  readonly firstKey: string;
}

function casesOf(value: JsonObject): Unplaced[] {
  const defaults = (value["defaults"] ?? {}) as JsonObject;
  return (value["cases"] as readonly JsonObject[]).flatMap((given, i) => {
    const { name, rows, ...fields } = given;
    const base = mergeCase(defaults, fields);
    const title = typeof name === "string" ? name : "";
    const firstKey = Object.keys(given)[0] ?? "name";
    if (rows === undefined) return [caseOf(title, base, ["cases", i], firstKey)];
    return (rows as readonly JsonObject[]).map((row, n) => {
      const { name: own, ...over } = row;
      const full = `${title} (${typeof own === "string" ? own : n + 1})`;
      return caseOf(full, mergeCase(base, over), ["cases", i, "rows", n], Object.keys(row)[0] ?? firstKey);
    });
  });
}

/** What has passed the schema has this form. */
function caseOf(name: string, { expect, ...test }: JsonObject, path: Path, firstKey: string): Unplaced {
  return { name, test, expect: (expect ?? {}) as unknown as Expect, path, firstKey };
}

/** Forms of which a value may have one or another; which one shows in its type, so that what is wrong in it can be told. */
const FORMS: Readonly<Record<string, (value: JsonValue) => string>> = {
  fake: (value) => (Array.isArray(value) ? "behaviours" : "behaviour"),
  answer: (value) => (Array.isArray(value) ? "votes" : isJsonObject(value) ? "vote" : "answerWord"),
  person: (value) => (isJsonObject(value) ? "personFields" : "personName"),
  expectTask: (value) => (isJsonObject(value) ? "expectTaskFields" : "expectTaskStatus"),
  error: (value) => (isJsonObject(value) ? "errorFields" : "errorWord"),
  fail: (value) => (isJsonObject(value) ? "failure" : "failCode"),
  took: (value) => (isJsonObject(value) ? "tookBounds" : "tookExactly"),
};

/** The published schema in one place with the alternatives of its forms taken apart. */
const DEFS = WORKFLOW_TEST_SCHEMA["$defs"] as Readonly<Record<string, JsonObject>>;
function alternative(form: string, i: number): JsonObject {
  const forms = DEFS[form]?.["anyOf"];
  return (Array.isArray(forms) ? (forms as readonly JsonObject[])[i] : undefined) ?? {};
}

const PARTS: Readonly<Record<string, JsonObject>> = {
  ...DEFS,
  behaviours: alternative("fake", 1),
  votes: alternative("answer", 2),
  answerWord: alternative("answer", 0),
  personFields: alternative("person", 1),
  personName: alternative("person", 0),
  expectTaskStatus: alternative("expectTask", 0),
  failCode: alternative("fail", 0),
  tookExactly: alternative("took", 0),
  errorWord: { type: ["string", "null"], minLength: 1 },
};

/** Everything in a test file that its schema does not allow. */
export function formProblems(value: JsonValue): Diagnostic[] {
  const opened: { readonly form: string; readonly value: JsonValue; readonly path: Path }[] = [];
  const check = (part: JsonValue, schema: JsonObject, base: Path): Diagnostic[] => {
    const open = openForms(
      schema,
      (form, member, path) => opened.push({ form, value: member, path: [...base, ...path] }),
      part,
    );
    return checkValue(part, open, { root: OPEN_ROOT }).map((issue) => pointed(toDiagnostic(issue, base), value));
  };
  const problems = check(value, WORKFLOW_TEST_SCHEMA, []);
  for (let next = opened.shift(); next !== undefined; next = opened.shift()) {
    const name = FORMS[next.form]?.(next.value) ?? next.form;
    problems.push(...check(next.value, PARTS[name] ?? {}, next.path));
  }
  return [...problems, ...timeProblems(value, [])];
}

/** Where a schema refers to one of the forms anything goes at first; the values there are told, to be checked by themselves. */
const OPEN_ROOT: JsonObject = {
  $defs: { ...DEFS, ...Object.fromEntries(Object.keys(FORMS).map((form) => [form, {}] as const)) },
};

function openForms(
  schema: JsonObject,
  found: (form: string, value: JsonValue, path: Path) => void,
  value: JsonValue,
  path: Path = [],
): JsonObject {
  const reference = typeof schema["$ref"] === "string" ? schema["$ref"].slice("#/$defs/".length) : undefined;
  if (reference !== undefined && FORMS[reference] !== undefined) {
    found(reference, value, path);
    return schema;
  }
  const target = reference === undefined ? schema : (DEFS[reference] ?? schema);
  const { properties, additionalProperties, items } = target;
  if (Array.isArray(value) && isJsonObject(items))
    (value as readonly JsonValue[]).forEach((member, i) => openForms(items, found, member, [...path, i]));
  if (isJsonObject(value)) {
    const known = isJsonObject(properties) ? properties : {};
    for (const [key, member] of Object.entries(value)) {
      const sub = Object.hasOwn(known, key) ? known[key] : additionalProperties;
      if (isJsonObject(sub)) openForms(sub, found, member, [...path, key]);
    }
  }
  return schema;
}

/** An element that lacks something has no key to point at; its first one is where it begins. */
function pointed(diagnostic: Diagnostic, root: JsonValue): Diagnostic {
  const { rule, path } = diagnostic;
  if (rule !== "WF013" || typeof path.at(-1) !== "number") return diagnostic;
  const element = path.reduce<JsonValue | undefined>(
    (at, name) => (Array.isArray(at) ? (at as JsonValue[])[Number(name)] : isJsonObject(at) ? at[name] : undefined),
    root,
  );
  const [first] = isJsonObject(element) ? Object.keys(element) : [];
  return first === undefined ? diagnostic : { ...diagnostic, path: [...path, first], key: true };
}

function toDiagnostic(issue: SchemaIssue, base: Path): Diagnostic {
  const path = [...base, ...issue.path];
  const isVersion = path.length === 1 && (path[0] === "apiVersion" || path[0] === "kind");
  const rule: RuleId =
    issue.kind === "unknown" ? "WF010" : issue.kind === "missing" ? "WF013" : isVersion ? "WF014" : "WF011";
  const last = path.at(-1);
  const name =
    last === undefined
      ? "the test file"
      : typeof last === "number"
        ? `element ${last} of \`${String(path.at(-2))}\``
        : `\`${last}\``;
  const fix =
    issue.name === undefined
      ? undefined
      : issue.kind === "missing"
        ? `add \`${issue.name}\``
        : `did you mean \`${issue.name}\`?`;
  return {
    rule,
    severity: "error",
    path,
    ...(issue.kind === "unknown" ? { key: true } : {}),
    message: issue.kind === "unknown" ? issue.message : `${name} ${issue.message}`,
    ...(fix === undefined ? {} : { fix }),
  };
}

const DURATIONS: ReadonlySet<string> = new Set(["takes", "after", "time", "real", "took", "atLeast", "atMost"]);
/** Below these, keys are the author's own. */
const FREE: ReadonlySet<string> = new Set([
  "inputs",
  "output",
  "outputs",
  "payload",
  "files",
  "artifacts",
  "input",
  "details",
]);

const FORM = new RegExp(DURATION_PATTERN);

/** Durations of the right form that are too long, and times that no calendar has. */
function timeProblems(value: JsonValue, path: Path): Diagnostic[] {
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).flatMap((member, i) => timeProblems(member, [...path, i]));
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]): Diagnostic[] => {
    if (FREE.has(key)) return [];
    const at = [...path, key];
    if (typeof member !== "string") return timeProblems(member, at);
    const message = wrongTime(key, member, path);
    return message === undefined ? [] : [{ rule: "WF011", severity: "error", path: at, message }];
  });
}

function wrongTime(key: string, text: string, path: Path): string | undefined {
  if (DURATIONS.has(key))
    return parseDuration(text) === undefined && FORM.test(text) ? `\`${key}\` is longer than 100 years` : undefined;
  // Elsewhere it is a name of the author's, such as a task's.
  const ofCase = path.length === 1 || typeof path.at(-1) === "number";
  return key === "at" && ofCase && (parseDateTime(text) ?? -1) < 0
    ? `\`at\` must be a time since 1970 with its offset, such as 2026-03-29T00:30:00Z; is ${JSON.stringify(text)}`
    : undefined;
}
