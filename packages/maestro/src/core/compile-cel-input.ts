import type { Reference } from "./cel-ast.ts";
import { spanOf } from "./compile-names.ts";
import { notAnExpression } from "./compile-places.ts";
import type { Diagnostic, Path } from "./diagnostic.ts";
import { parseExpression } from "./expression.ts";
import { ExpressionError } from "./expression-error.ts";
import { hasInterpolation } from "./interpolation.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { memberOf, resolveRef } from "./schema-types.ts";
import { suggest } from "./suggest.ts";

/**
 * Expressions that a task evaluates by itself, where its schema says so: `"x-maestro-cel": ["row", "inputs"]` lists the names
 * they may use. One that is a member of `with` too stands for what is given there.
 */
export function checkCelInputs(given: JsonObject, schema: JsonObject, at: Path, problems: Diagnostic[]): void {
  for (const { source, path, names } of celPlaces(given, schema, schema, at)) {
    try {
      for (const reference of parseExpression(source).references) {
        const problem = nameProblem(reference, names, given, schema);
        if (problem === undefined) continue;
        const { index, ...rest } = problem;
        problems.push({ severity: "error", path, span: spanOf(source, reference, index), ...rest });
      }
    } catch (thrown) {
      if (!(thrown instanceof ExpressionError)) throw thrown;
      problems.push(notAnExpression(path, thrown, 0));
    }
  }
}

interface CelPlace {
  readonly source: string;
  readonly path: Path;
  readonly names: readonly string[];
}

function celPlaces(value: JsonValue, schema: JsonObject, root: JsonObject, at: Path): readonly CelPlace[] {
  const here = resolveRef(schema, root);
  const names = here["x-maestro-cel"];
  if (typeof value === "string")
    // With `${{ … }}` in it nobody knows yet what it will be.
    return Array.isArray(names) && !hasInterpolation(value)
      ? [{ source: value, path: at, names: names as readonly string[] }]
      : formsOf(here).flatMap((form) => celPlaces(value, form, root, at));
  const members: readonly (readonly [key: string | number, member: JsonValue])[] = Array.isArray(value)
    ? (value as readonly JsonValue[]).map((member, i) => [i, member] as const)
    : isJsonObject(value)
      ? Object.entries(value)
      : [];
  return [here, ...formsOf(here)].flatMap((form) =>
    members.flatMap(([key, member]) => {
      const found = memberOf(form, typeof key === "number" ? "[]" : key, root);
      return found.kind === "schema" ? celPlaces(member, found.schema, root, [...at, key]) : [];
    }),
  );
}

function formsOf({ anyOf, oneOf }: JsonObject): readonly JsonObject[] {
  return [anyOf, oneOf].flatMap((list) => (Array.isArray(list) ? list.filter((form) => isJsonObject(form)) : []));
}

interface NameProblem extends Pick<Diagnostic, "rule" | "message" | "fix"> {
  /** Which part of the reference. */
  readonly index: number;
}

function nameProblem(
  { path, optional }: Reference,
  names: readonly string[],
  given: JsonObject,
  schema: JsonObject,
): NameProblem | undefined {
  const [root = "", member] = path;
  if (!names.includes(root))
    return { rule: "WF031", index: 0, ...worded(root, names, "is not known in this place; there are") };
  const isGiven = isJsonObject(schema["properties"]) && Object.hasOwn(schema["properties"], root);
  const values = given[root] ?? {};
  if (!isGiven || member === undefined || optional === true || !isJsonObject(values)) return undefined;
  if (Object.hasOwn(values, member)) return undefined;
  return {
    rule: "WF033",
    index: 1,
    ...worded(member, Object.keys(values), `is nothing that \`${root}\` holds; there are`),
  };
}

function worded(name: string, known: readonly string[], what: string): Pick<Diagnostic, "message" | "fix"> {
  const near = suggest(name, known);
  return {
    message: `\`${name}\` ${what} ${known.length === 0 ? "none" : known.join(", ")}`,
    ...(near === undefined ? {} : { fix: `did you mean \`${near}\`?` }),
  };
}
