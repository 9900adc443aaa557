import { isJsonObject } from "../../core/json.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import type { Cli, Input } from "../cli.ts";
import { sourceOf } from "../known-types.ts";
import { isData, printLines, printObject } from "../output.ts";
import { findTaskType } from "../task-type.ts";
import { paint } from "../terminal/style.ts";
import { safe } from "../terminal/text.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const known = await findTaskType(cli, input.arg("name"));
  const task = known.description;
  const source = await sourceOf(known);
  if (isData(cli)) {
    await printObject(cli, { apiVersion: "maestro/v1", kind: "TaskType", task: { ...task, source } });
    return 0;
  }
  if (cli.output === "name") {
    await printLines(cli, [`${task.name}@${task.version}`]);
    return 0;
  }
  const style = cli.terminal.out;
  const { stringify } = await import("yaml");
  const example = stringify({ uses: `${task.name}@${task.version}`, with: task.example }, { lineWidth: 0 });
  await printLines(cli, [
    `${paint(style, "bold", `${task.name}@${task.version}`)}  ${task.title}`,
    `effects: ${task.effects.length === 0 ? "none" : task.effects.join(", ")}   runs: ${task.runs}`,
    ...(task.program === undefined ? [] : [`program: ${safe(source)}`, `digest:  ${task.program}`]),
    "",
    ...task.docs.trim().split("\n").map(safe),
    "",
    paint(style, "bold", "with:"),
    ...propertyLines(task.input),
    "",
    paint(style, "bold", "output:"),
    ...propertyLines(task.output),
    "",
    paint(style, "bold", "example:"),
    ...example
      .trimEnd()
      .split("\n")
      .map((line) => `  ${line}`),
  ]);
  return 0;
}

function propertyLines(schema: JsonObject): readonly string[] {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const entries = Object.entries(properties);
  if (entries.length === 0)
    return [`  ${typeof schema["description"] === "string" ? schema["description"] : typeText(schema)}`];
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, property]) => {
    const about = isJsonObject(property) && typeof property["description"] === "string" ? property["description"] : "";
    const byDefault =
      isJsonObject(property) && property["default"] !== undefined
        ? ` (default: ${JSON.stringify(property["default"])})`
        : "";
    return `  ${name.padEnd(width)}  ${typeText(property)}${required.includes(name) ? ", required" : ""}${byDefault}${about === "" ? "" : `  ${about}`}`;
  });
}

function typeText(schema: JsonValue): string {
  if (!isJsonObject(schema)) return "any";
  const type = schema["type"];
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(" | ");
  return typeof type === "string" ? type : Array.isArray(type) ? type.join(" or ") : "any";
}
