import { relative, resolve } from "node:path";
import { SentRequest } from "../../api/sent-request.ts";
import { SOCKET_ORIGIN, socketTransport, socketPath } from "../../api/socket.ts";
import { diagnose, mend } from "../../operations/doctor.ts";
import type { Check, Finding, Patient } from "../../operations/finding.ts";
import { bundlePages, writeBundle } from "../../operations/support-bundle.ts";
import { messageOf } from "../../core/problem.ts";
import { VERSION } from "../../version.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { readConfig } from "../config-file.ts";
import { count, size } from "../format.ts";
import { isData, printLines, printObject } from "../output.ts";
import { glyph, paint } from "../terminal/style.ts";
import type { ShownStatus } from "../terminal/style.ts";
import { safe } from "../terminal/text.ts";

const ASK_MS = 3_000;

/** Exit code 1 when a check failed; a warning is none. */
export async function run(cli: Cli, input: Input): Promise<number> {
  const bundle = input.text("bundle");
  const log = input.text("log");
  if (log !== undefined && bundle === undefined) throw usage("--log belongs to --bundle.");
  const patient = patientOf(cli);
  const checks = [configurationCheck(cli)];
  let findings = await diagnose(patient, checks);
  const mended = input.flag("fix") === true ? await mend(findings) : [];
  if (mended.length > 0) findings = await diagnose(patient, checks);
  const failed = findings.filter(({ status }) => status === "failed").length;
  if (isData(cli)) await printObject(cli, reportOf(findings, mended));
  else {
    await printLines(cli, [
      ...mended.map((line) => `mended  ${safe(line)}`),
      ...findings.flatMap((one) => lines(cli, one)),
    ]);
    const warnings = findings.filter(({ status }) => status === "warning").length;
    cli.terminal.say(`${count(findings.length, "check")}, ${failed} failed, ${count(warnings, "warning")}`);
  }
  if (bundle !== undefined) await makeBundle(cli, patient, findings, { path: resolve(cli.cwd, bundle), log });
  return failed > 0 ? 1 : 0;
}

function patientOf(cli: Cli): Patient {
  const { dataDir, target, terminal } = cli;
  const socket = socketPath(dataDir);
  const passphrase = terminal.env["MAESTRO_KEY_PASSPHRASE"];
  let answer: ReturnType<Patient["ask"]> | undefined;
  return {
    dataDir,
    chosenBy: target.kind === "data" ? target.data.origin : "",
    version: VERSION,
    now: Date.now(),
    socket,
    ask: () => (answer ??= askHealth(socket)),
    async measureStrict() {
      const { measureStrict } = await import("../../serve.ts");
      return measureStrict();
    },
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

async function askHealth(socket: string): ReturnType<Patient["ask"]> {
  try {
    const request = new SentRequest(`${SOCKET_ORIGIN}/v1/health`, { signal: AbortSignal.timeout(ASK_MS) });
    const response = await socketTransport(socket)(request);
    const { pid, version } = (await response.json()) as { readonly pid?: number; readonly version?: string };
    return pid === undefined || version === undefined ? undefined : { pid, version };
  } catch {
    return undefined; // Nobody is there, or somebody who hangs: either way it does not answer, and the check says so.
  }
}

function configurationCheck(cli: Cli): Check {
  return async () => {
    const check = "configuration";
    try {
      const { path, current, contexts } = readConfig(cli.terminal.env);
      const names = Object.keys(contexts);
      if (current !== undefined && !names.includes(current))
        return [
          {
            check,
            status: "failed",
            detail: `${path} says that the current context is ${current}, and there is none of that name`,
            fix: "Choose one: `maestro config use NAME`.",
          },
        ];
      return [
        {
          check,
          status: "ok",
          detail:
            names.length === 0 ? "no contexts" : `${count(names.length, "context")}, current: ${current ?? "none"}`,
        },
      ];
    } catch (error) {
      return [
        { check, status: "failed", detail: messageOf(error), fix: "Correct the file: `maestro config view` names it." },
      ];
    }
  };
}

const SHOWN = { ok: "succeeded", info: "skipped", warning: "waiting", failed: "failed" } as const satisfies Readonly<
  Record<Finding["status"], ShownStatus>
>;

function lines({ terminal }: Cli, { check, status, detail, fix }: Finding): readonly string[] {
  const text = `${check.padEnd(17)} ${safe(detail)}`;
  const advice = fix === undefined ? [] : [safe(fix)];
  if (!terminal.outIsTty)
    return [`${status.padEnd(8)}${text}`, ...advice.map((line) => `${" ".repeat(8)}${"fix:".padEnd(17)} ${line}`)];
  const style = terminal.out;
  return [
    `${glyph(style, SHOWN[status])} ${status === "failed" ? paint(style, "bold", text) : text}`,
    ...advice.map((line) => paint(style, "gray", `  ${"fix:".padEnd(17)} ${line}`)),
  ];
}

function reportOf(findings: readonly Finding[], mended: readonly string[]): object {
  const ok = findings.every(({ status }) => status !== "failed");
  const checks = findings.map(({ check, status, detail, fix }) => ({ check, status, detail, fix: fix ?? null }));
  return { apiVersion: "maestro/v1", kind: "DoctorReport", ok, checks, mended };
}

async function makeBundle(
  cli: Cli,
  patient: Patient,
  findings: readonly Finding[],
  to: { readonly path: string; readonly log: string | undefined },
): Promise<void> {
  const { terminal } = cli;
  const settings = { dataDir: cli.dataDir, chosenBy: patient.chosenBy, locale: terminal.env["LANG"] ?? null };
  const log = to.log === undefined ? {} : { log: resolve(cli.cwd, to.log) };
  const pages = await bundlePages({ patient, findings, settings, env: terminal.env, ...log });
  terminal.say("The bundle holds, without inputs, outputs, task logs and secrets:");
  for (const { name, text } of pages) terminal.say(`  ${name.padEnd(20)} ${size(Buffer.byteLength(text))}`);
  const bytes = await writeBundle(to.path, pages, patient.now);
  terminal.say(
    `wrote ${relative(cli.cwd, to.path)}, ${size(bytes)}; look at it before you hand it on: tar xzOf ${relative(cli.cwd, to.path)}`,
  );
}
