import { checkCelInputs } from "./compile-cel-input.ts";
import type { Checked } from "./compile-expressions.ts";
import { pathOfTask, type Place } from "./compile-places.ts";
import type { ResolvedUse } from "./compile-uses.ts";
import type { Diagnostic, Path } from "./diagnostic.ts";
import { hasInterpolation, split } from "./interpolation.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import type { RuleId } from "./rules.ts";
import { checkValue, type SchemaIssue } from "./schema-check.ts";
import { memberOf, resolveRef } from "./schema-types.ts";
import type { Workflow, WorkflowTask } from "./workflow.ts";
import { formatUse } from "./workflow.ts";

/** Checks what tasks are given against what their types take, as far as it is known before anything runs. */
export function checkInputs(
  workflow: Workflow,
  places: readonly Place[],
  checked: Checked,
  uses: ReadonlyMap<WorkflowTask, ResolvedUse>,
  undos: ReadonlyMap<WorkflowTask, ResolvedUse>,
  problems: Diagnostic[],
): void {
  const byPath = new Map<string, Place>();
  for (const place of places) byPath.set(JSON.stringify(place.path), place);
  for (const task of workflow.tasks) {
    const use = uses.get(task);
    if (use !== undefined)
      checkOne(
        task.with,
        use.input,
        [...pathOfTask(task), "with"],
        pathOfTask(task),
        formatUse(task.uses),
        byPath,
        checked,
        problems,
      );
    const undo = undos.get(task);
    if (task.undo !== undefined && undo !== undefined) {
      checkOne(
        task.undo.with,
        undo.input,
        [...pathOfTask(task), "undo", "with"],
        [...pathOfTask(task), "undo"],
        formatUse(task.undo.uses),
        byPath,
        checked,
        problems,
      );
    }
  }
  for (const [i, trigger] of workflow.triggers.entries())
    checkTrigger(workflow, trigger.inputs, ["spec", "triggers", i, "inputs"], problems);
}

function checkOne(
  value: JsonObject,
  schema: JsonObject,
  at: Path,
  owner: Path,
  type: string,
  places: ReadonlyMap<string, Place>,
  checked: Checked,
  problems: Diagnostic[],
): void {
  const literal = literalPlaces(value, schema, at);
  const issues = checkValue(value, schema, {
    standIn: (part, path) => {
      if (typeof part !== "string" || !hasInterpolation(part)) return undefined;
      const pieces = split(part);
      const only = pieces[0];
      if (pieces.length === 1 && only?.kind === "text") return { type: "string", const: only.text };
      if (pieces.length > 1) return { type: "string" };
      const place = places.get(JSON.stringify([...at, ...path]));
      return (place === undefined ? undefined : checked.typeOf.get(place)) ?? "unknown";
    },
  });
  for (const issue of issues)
    if (!literal.some(({ path }) => samePath(path, [...at, ...issue.path])))
      problems.push(toDiagnostic(issue, at, owner, type, value));
  checkCelInputs(value, schema, at, problems);
  for (const { path, way } of literal) {
    problems.push({
      rule: "WF036",
      severity: "error",
      path,
      ...spanOfFirst(valueAt(value, path.slice(at.length))),
      ...(way === undefined
        ? {
            message: `\`${String(path.at(-1))}\` takes no expressions: text pasted into a script becomes code`,
            fix: "pass the value by `env` or `argv`",
            help: 'Put the value into `env`, such as `env: { TITLE: "${{ inputs.title }}" }`, and write `"$TITLE"` in the script.',
          }
        : {
            message: `\`${String(path.at(-1))}\` takes no expressions: pasted text becomes code`,
            fix: `pass the value by ${way}`,
            help: `\`maestro task show ${type}\` tells how values go in.`,
          }),
    });
  }
}

function toDiagnostic(issue: SchemaIssue, at: Path, owner: Path, type: string, value: JsonObject): Diagnostic {
  const path = [...at, ...issue.path];
  const name =
    issue.path.length === 0
      ? "`with`"
      : typeof issue.path.at(-1) === "number"
        ? `element ${String(issue.path.at(-1))} of \`${String(issue.path.at(-2) ?? "with")}\``
        : `\`${String(issue.path.at(-1))}\``;
  const help = `\`maestro task show ${type}\` describes what it takes.`;
  if (issue.kind === "unknown") {
    const message = `\`${type}\` takes no ${issue.message.replace(" is no field here", "")}`;
    return {
      rule: "WF010",
      severity: "error",
      path,
      key: true,
      message,
      ...(issue.name === undefined ? {} : { fix: `did you mean \`${issue.name}\`?` }),
      help,
    };
  }
  if (issue.kind === "missing") {
    const inside =
      issue.path.length === 0 ? `\`${type}\` needs \`${issue.name ?? ""}\`` : `${name} needs \`${issue.name ?? ""}\``;
    // Without a `with` there is nothing to point at but the task.
    return {
      rule: "WF042",
      severity: "error",
      path: issue.path.length === 0 && Object.keys(value).length === 0 ? owner : path,
      key: true,
      message: inside,
      fix: `add \`${issue.name ?? ""}\``,
      help,
    };
  }
  const rule: RuleId = issue.kind === "mismatch" ? "WF034" : "WF041";
  const fix = issue.name === undefined ? {} : { fix: `did you mean \`${issue.name}\`?` };
  return {
    rule,
    severity: "error",
    path: issue.path.length === 0 && Object.keys(value).length === 0 ? owner : path,
    message: `${name} ${issue.message}`,
    ...fix,
    help,
  };
}

interface LiteralPlace {
  readonly path: Path;
  /** How values go in instead, where the schema says so: `"x-maestro-literal": "`parameters`"`. */
  readonly way: string | undefined;
}

/** Strings with expressions in fields that take none (`x-maestro-literal`). */
function literalPlaces(value: JsonValue, schema: JsonObject, at: Path, root: JsonObject = schema): LiteralPlace[] {
  const here = resolveRef(schema, root);
  if (typeof value === "string") {
    const literal = here["x-maestro-literal"];
    const isMeant = literal === true || typeof literal === "string";
    return isMeant && hasInterpolation(value) && split(value).some((piece) => piece.kind !== "text")
      ? [{ path: at, way: typeof literal === "string" ? literal : undefined }]
      : [];
  }
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).flatMap((element, i) =>
      inside(here, "[]", root, (sub) => literalPlaces(element, sub, [...at, i], root)),
    );
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    inside(here, key, root, (sub) => literalPlaces(member, sub, [...at, key], root)),
  );
}

function inside(
  schema: JsonObject,
  name: string,
  root: JsonObject,
  then: (sub: JsonObject) => LiteralPlace[],
): LiteralPlace[] {
  const member = memberOf(schema, name, root);
  return member.kind === "schema" ? then(member.schema) : [];
}

function valueAt(value: JsonValue, path: Path): JsonValue {
  let at: JsonValue = value;
  for (const part of path)
    at = (isJsonObject(at) ? at[String(part)] : (at as readonly JsonValue[])[Number(part)]) ?? null;
  return at;
}

function spanOfFirst(text: JsonValue): Pick<Diagnostic, "span"> {
  if (typeof text !== "string") return {};
  const offset = text.indexOf("${{");
  const end = text.indexOf("}}", offset);
  return { span: { offset, length: (end === -1 ? text.length : end + 2) - offset } };
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

/** Defaults of the inputs, and what schedules give, against the inputs' own schemas. */
export function checkDefaults(workflow: Workflow, problems: Diagnostic[]): void {
  const properties = workflow.inputs["properties"];
  if (!isJsonObject(properties)) return;
  for (const [name, schema] of Object.entries(properties)) {
    if (!isJsonObject(schema) || schema["default"] === undefined) continue;
    for (const issue of checkValue(schema["default"], schema)) {
      const path = ["spec", "inputs", name, "default", ...issue.path];
      problems.push({
        rule: "WF044",
        severity: "error",
        path,
        message: `the default of \`${name}\` ${issue.path.length === 0 ? issue.message : `has a wrong \`${issue.path.join(".")}\`, which ${issue.message}`}`,
      });
    }
  }
}

function checkTrigger(workflow: Workflow, inputs: JsonObject, at: Path, problems: Diagnostic[]): void {
  for (const issue of checkValue(inputs, workflow.inputs)) {
    if (issue.kind === "missing")
      problems.push({
        rule: "WF042",
        severity: "error",
        path: at.slice(0, -1),
        key: true,
        message: `the trigger gives no \`${issue.name ?? ""}\`, which runs need`,
        fix: `add it under \`inputs\`, or give \`${issue.name ?? ""}\` a default`,
      });
    else if (issue.kind === "unknown")
      problems.push({
        rule: "WF032",
        severity: "error",
        path: [...at, ...issue.path],
        key: true,
        message: `there is no input \`${String(issue.path.at(-1))}\``,
        ...(issue.name === undefined ? {} : { fix: `did you mean \`${issue.name}\`?` }),
      });
    else
      problems.push({
        rule: "WF041",
        severity: "error",
        path: [...at, ...issue.path],
        message: `input \`${String(issue.path[0] ?? "")}\` ${issue.message}`,
      });
  }
}
