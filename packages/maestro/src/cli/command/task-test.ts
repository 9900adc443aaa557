import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { isJsonObject } from "../../core/json.ts";
import type { JsonObject } from "../../core/json.ts";
import { messageOf } from "../../core/problem.ts";
import { startResident } from "../../runner/resident.ts";
import { checkProgram } from "../../task/external-check.ts";
import type { Check } from "../../task/external-check.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { count } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";
import { paint } from "../terminal/style.ts";
import { safe } from "../terminal/text.ts";

const SECONDS = { min: 1, max: 3600 };
const LOOK = { passed: ["✓", "green"], failed: ["✗", "red"], skipped: ["›", "gray"] } as const;

export async function run(cli: Cli, input: Input): Promise<number> {
  const seconds = input.integer("timeout", SECONDS);
  const given = inputOf(input.text("input"));
  const marker = `check.${process.pid}-${randomBytes(6).toString("hex")}.1`;
  const checks = await checkProgram({
    path: resolve(cli.cwd, input.arg("path")),
    env: input.texts("env"),
    effects: input.flag("effects") === true,
    ...(given === undefined ? {} : { input: given }),
    ...(seconds === undefined ? {} : { executeMs: seconds * 1000 }),
    start: (command) => startResident(command, { marker }),
    environment: (name) => cli.terminal.env[name],
  });
  const failed = checks.filter(({ result }) => result === "failed").length;
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "TaskTest", ok: failed === 0, checks });
  else
    await printLines(
      cli,
      checks.flatMap((check) => linesOf(cli, check)),
    );
  if (!isData(cli))
    cli.terminal.say(`${count(checks.length, "check")}: ${failed === 0 ? "none failed" : `${failed} failed`}`);
  return failed === 0 ? 0 : 1;
}

function linesOf(cli: Cli, { name, result, detail, fix }: Check): readonly string[] {
  const [glyph, format] = LOOK[result];
  const style = cli.terminal.out;
  const head = paint(style, format, `${style.unicode ? `${glyph} ` : ""}${result.padEnd(7)}`);
  const [first = "", ...rest] = detail.split("\n").map(safe);
  const about = result === "failed" || first === "" ? "" : ` (${first})`;
  return [
    `${head}  ${name}${about}`,
    ...(result === "failed"
      ? [`    found  ${first}`, ...rest.map((line) => `           ${line}`), `    fix    ${fix ?? ""}`]
      : []),
  ];
}

function inputOf(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw usage(`--input is not JSON: ${messageOf(error)}`);
  }
  throw usage("--input takes a JSON object, what `with` would be.");
}
