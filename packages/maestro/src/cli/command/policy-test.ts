import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { MaestroError } from "../../core/problem.ts";
import { CASE_FILE, readCases } from "../../policy/cases.ts";
import type { PolicyCase } from "../../policy/cases.ts";
import { testPolicy } from "../../policy/test-policy.ts";
import type { PolicyTestReport } from "../../policy/test-policy.ts";
import { junitXml } from "../../testing/junit.ts";
import type { Cli, Input } from "../cli.ts";
import { count } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";
import { readPolicyFiles } from "../policy-folder.ts";
import { glyph } from "../terminal/style.ts";
import { safe } from "../terminal/text.ts";

/** Needs no control plane. Exit code 1 where a case fails, or with --mutate where a rule could be left out unnoticed. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const folder = resolve(cli.cwd, input.optionalArg("folder") ?? relative(cli.cwd, join(cli.dataDir, "policy")));
  const mutate = input.flag("mutate") === true;
  const [files, cases] = [await readPolicyFiles(cli, folder), await casesIn(cli, folder)];
  const report = await testPolicy(files, cases, { at: Date.now(), mutate });
  if (mutate && report.rules.length === 0)
    throw new MaestroError("invalid_request", "The rules of a compiled policy cannot be left out one by one.", {
      fix: "Test it without --mutate, or write it in Cedar; `opa test --coverage` measures Rego.",
    });
  const junit = input.text("junit");
  if (junit !== undefined) await writeFile(resolve(cli.cwd, junit), junitOf(report));
  const failed = report.cases.filter(({ ok }) => !ok);
  const survivors = report.rules.filter(({ survives }) => survives === true);
  const isGood = failed.length === 0 && survivors.length === 0;
  if (isData(cli)) await printObject(cli, { apiVersion: "maestro/v1", kind: "PolicyTest", ok: isGood, ...report });
  else await show(cli, report);
  return isGood ? 0 : 1;
}

async function show(cli: Cli, report: PolicyTestReport): Promise<void> {
  const style = cli.terminal.out;
  const failed = report.cases.filter(({ ok }) => !ok);
  const survivors = report.rules.filter(({ survives }) => survives === true);
  const uncovered = report.rules.filter(({ covered }) => !covered);
  await printLines(cli, [
    ...failed.map(
      ({ name, file, message }) => `${glyph(style, "failed")} ${safe(name)} (${safe(file)}): ${safe(message ?? "")}`,
    ),
    ...uncovered.map(({ id }) => `${glyph(style, "waiting")} rule ${safe(id)} decides no case`),
    ...survivors.map(
      ({ id }) => `${glyph(style, "failed")} rule ${safe(id)} could be left out, and no case would notice`,
    ),
    `${count(report.cases.length, "case")}, ${failed.length} failed`,
    ...(report.rules.length === 0
      ? []
      : [`${report.rules.length - uncovered.length} of ${count(report.rules.length, "rule")} decide a case`]),
    ...(report.rules.some(({ survives }) => survives !== null)
      ? [
          `${report.rules.length - survivors.length} of ${count(report.rules.length, "rule")} are missed when they are left out`,
        ]
      : []),
  ]);
}

async function casesIn(cli: Cli, folder: string): Promise<readonly PolicyCase[]> {
  const names = (await readdir(folder)).filter((name) => CASE_FILE.test(name)).toSorted();
  if (names.length === 0)
    throw new MaestroError("invalid_request", `There are no cases in ${relative(cli.cwd, folder) || "."}.`, {
      fix: "Write cases.yaml: docs/guides/policy-commands.md has one; `maestro policy init` writes those of the default policy.",
    });
  const all: PolicyCase[] = [];
  for (const name of names) all.push(...(await readCases(await readFile(join(folder, name), "utf8"), name)));
  return all;
}

function junitOf({ cases }: PolicyTestReport): string {
  const files = [...new Set(cases.map(({ file }) => file))];
  return junitXml(
    files.map((name) => ({
      name,
      cases: cases
        .filter(({ file }) => file === name)
        .map((one) => ({
          name: one.name,
          status: one.ok ? ("passed" as const) : ("failed" as const),
          kind: "failure" as const,
          message: one.message ?? "",
          text: one.message ?? "",
          seconds: 0,
          line: 1,
        })),
    })),
  );
}
