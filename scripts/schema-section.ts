// Tables of reference pages from the schemas of our own formats.
import { type JsonObject, type JsonValue, isJsonObject } from "../packages/maestro/src/core/json.ts";
import { resolveRef } from "../packages/maestro/src/core/schema-types.ts";

/** A table of an object's fields, then a section for each field that has fields of its own. */
export function schemaSection(root: JsonObject, path: string, schema: JsonObject, level: number, more = ""): string {
  const properties = schema["properties"];
  if (!isJsonObject(properties)) return "";
  const required = new Set(Array.isArray(schema["required"]) ? (schema["required"] as readonly string[]) : []);
  const entries = Object.entries(properties).flatMap(([name, given]) =>
    isJsonObject(given) ? [[name, resolveRef(given, root)] as const] : [],
  );
  const rows = entries.map(
    ([name, field]) =>
      `| \`${name}\` | ${typeText(field, root)} | ${required.has(name) ? "required" : defaultText(field)} | ${cell(word(field["description"] ?? ""))}${exampleText(field)} |`,
  );
  const title = path === "" ? "The document" : `\`${path}\``;
  const head = `${"#".repeat(level)} ${title}\n\n${word(schema["description"] ?? "")}${more === "" ? "" : ` ${more}`}\n\n| field | type | default | meaning |\n|---|---|---|---|\n${rows.join("\n")}\n\n`;
  const nested = entries
    .filter(([name]) => !(path === "spec.inputs.NAME" && name === "items"))
    .map(([name, field]) => {
      const at = path === "" ? name : `${path}.${name}`;
      const items = field["items"];
      if (isJsonObject(items) && isJsonObject(items["properties"]))
        return schemaSection(root, `${at}[]`, items, Math.min(level + 1, 4));
      return schemaSection(root, at, field, Math.min(level + 1, 4));
    });
  return head + nested.join("");
}

function word(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? "");
}

function typeText(field: JsonObject, root: JsonObject): string {
  if (field["const"] !== undefined) return `\`${word(field["const"])}\``;
  if (Array.isArray(field["enum"]))
    return (field["enum"] as readonly JsonValue[])
      .map((value) => `\`${value === null ? "null" : word(value)}\``)
      .join(", ");
  const limits = limitText(field);
  return `${kindText(field, root)}${limits === "" ? "" : ` (${limits})`}`;
}

function kindText(field: JsonObject, root?: JsonObject): string {
  if (field["x-maestro"] === "expression") return "expression";
  const pattern = typeof field["pattern"] === "string" ? field["pattern"] : "";
  if (pattern.includes("+ms)")) return "duration";
  if (pattern.includes("KiB")) return "size";
  const { type } = field;
  if (type === "array")
    return isJsonObject(field["items"]) && field["items"]["type"] === "string" ? "list of texts" : "list";
  if (type === "object") return "map";
  return (
    { string: "text", integer: "whole number", number: "number", boolean: "true or false" }[word(type)] ??
    (Array.isArray(field["anyOf"]) ? kindsText(field["anyOf"] as readonly JsonObject[], root) : "any")
  );
}

/** `text or map`, of alternatives. */
function kindsText(alternatives: readonly JsonObject[], root: JsonObject = {}): string {
  const kinds = alternatives.map((one) => {
    const { type, enum: choices } = resolveRef(one, root);
    if (type === "array") return "list";
    if (type === "null") return "null";
    return type === "object" && choices === undefined ? "map" : "text";
  });
  return [...new Set(kinds)].join(" or ");
}

function limitText(field: JsonObject): string {
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, minItems, maxItems, minProperties, maxProperties } =
    field;
  const parts: string[] = [];
  if (minimum !== undefined || maximum !== undefined)
    parts.push(
      `${maximum === undefined ? "at least " : ""}${minimum === undefined ? "" : word(minimum)}${maximum === undefined ? "" : ` to ${word(maximum)}`}`,
    );
  if (exclusiveMinimum !== undefined) parts.push(`more than ${word(exclusiveMinimum)}`);
  if (maxLength !== undefined && !kindIsUnit(field)) parts.push(`up to ${word(maxLength)} characters`);
  if (minLength === 1 && maxLength === undefined) parts.push("not empty");
  if (maxItems !== undefined)
    parts.push(
      `${minItems === undefined ? "" : `${word(minItems)} to `}${minItems === undefined ? "up to " : ""}${word(maxItems)}`,
    );
  if (maxProperties !== undefined)
    parts.push(`${minProperties === undefined ? "up to " : `${word(minProperties)} to `}${word(maxProperties)}`);
  return parts.join(", ");
}

function kindIsUnit(field: JsonObject): boolean {
  return ["duration", "size", "expression"].includes(kindText(field));
}

function defaultText(field: JsonObject): string {
  return field["default"] === undefined ? "" : `\`${JSON.stringify(field["default"])}\``;
}

function exampleText(field: JsonObject): string {
  const [first] = Array.isArray(field["examples"]) ? (field["examples"] as readonly JsonValue[]) : [];
  if (first === undefined || typeof first === "boolean" || field["enum"] !== undefined || field["const"] !== undefined)
    return "";
  const text = JSON.stringify(first);
  return text.length > 100 ? "" : ` Example: \`${cell(text)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
