import { access, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Digest } from "../../core/digest.ts";
import { MaestroError, messageOf } from "../../core/problem.ts";
import { PROOF_SUFFIX } from "../../provenance/ledger/proof.ts";
import { readTrustRoot, TRUST_ROOT_FILE } from "../../provenance/trust.ts";
import { isWorkflowBundle, verifyWorkflow } from "../../provenance/verify-workflow.ts";
import { hashFile, verifyReceipt } from "../../provenance/verify.ts";
import type { VerifyRequest } from "../../provenance/verify.ts";
import { exitCodeOf, reportJson } from "../../provenance/verify-report.ts";
import type { AnyVerification } from "../../provenance/verify-report.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { isData, printLines, printObject } from "../output.ts";
import { verificationLines } from "../verification-lines.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const request = await readRequest(cli, input);
  const files = input.args("file");
  let code = 0;
  const reports: object[] = [];
  for (const file of files) {
    const proof = input.text("proof") ?? (await proofBeside(resolve(cli.cwd, file)));
    const verification = await verifyEither(await readBytes(cli, file), {
      ...request,
      ...(proof === undefined ? {} : { proof: await readWhole(cli, proof) }),
    });
    code = Math.max(code, exitCodeOf(verification));
    if (isData(cli)) reports.push({ file, ...reportJson(verification) });
    else if (cli.output === "name") await printLines(cli, [verification.digest]);
    else await printLines(cli, [...(files.length > 1 ? [file] : []), ...verificationLines(cli, verification)]);
  }
  if (cli.output === "jsonl")
    await printLines(
      cli,
      reports.map((report) => JSON.stringify(report)),
    );
  else if (isData(cli))
    await printObject(
      cli,
      files.length === 1
        ? (reports[0] ?? {})
        : { apiVersion: "maestro/v1", kind: "VerificationList", receipts: reports },
    );
  return code;
}

/** `receipt.tlog-proof` beside `receipt.json` or `receipt.sigstore.json`: it is meant for it. */
async function proofBeside(file: string): Promise<string | undefined> {
  const path = `${file.replace(/(?:\.sigstore)?\.json$/, "")}${PROOF_SUFFIX}`;
  try {
    await access(path);
    return path;
  } catch {
    // There is none, which is nothing wrong.
    return undefined;
  }
}

/** A receipt, or the statement of a published workflow: each says itself which it is. */
async function verifyEither(bytes: Uint8Array, request: VerifyRequest): Promise<AnyVerification> {
  if (!isWorkflowBundle(bytes)) return verifyReceipt(bytes, request);
  const { run: _, status, ...expected } = request.expected ?? {};
  const odd = [
    ...(request.events === undefined ? [] : ["--events"]),
    ...(request.previous === undefined ? [] : ["--previous"]),
    ...(request.expected?.run === undefined ? [] : ["--run"]),
    ...(status === undefined ? [] : ["--status"]),
  ];
  if (odd.length > 0) throw usage(`${odd.join(", ")}: this is the statement of a published workflow, and has no run.`);
  const { trustRoot, plan, files = [] } = request;
  const hashed = await Promise.all(files.map(hashFile));
  return verifyWorkflow(bytes, { trustRoot, expected, files: hashed, ...(plan === undefined ? {} : { plan }) });
}

async function readRequest(cli: Cli, input: Input): Promise<VerifyRequest> {
  const expected = { run: input.text("run"), workflow: input.text("workflow"), status: input.text("status") };
  const plan = input.text("plan");
  const events = input.text("events");
  const previous = input.text("previous");
  return {
    trustRoot: await readTrust(cli, input.text("trust-root")),
    files: input.texts("subject").map((path) => ({ path: resolve(cli.cwd, path) })),
    ...(plan === undefined ? {} : planCheck(plan, plan.startsWith("sha256:") ? "" : await readWhole(cli, plan))),
    ...(events === undefined
      ? {}
      : { events: (await readWhole(cli, events)).split("\n").filter((line) => line !== "") }),
    ...(previous === undefined ? {} : { previous: await readBytes(cli, previous) }),
    expected: {
      ...Object.fromEntries(Object.entries(expected).filter(([, value]) => value !== undefined)),
      ...(plan?.startsWith("sha256:") === true ? { plan: plan as Digest } : {}),
    },
  };
}

function planCheck(plan: string, text: string): { readonly plan?: string } {
  return plan.startsWith("sha256:") ? {} : { plan: text };
}

async function readTrust(cli: Cli, path: string | undefined): Promise<VerifyRequest["trustRoot"]> {
  const file = path ?? join(cli.dataDir, "keys", TRUST_ROOT_FILE);
  try {
    return readTrustRoot(await readFile(resolve(cli.cwd, file), "utf8"), file);
  } catch (error) {
    if (error instanceof MaestroError) throw error;
    throw new MaestroError("invalid_request", `The trust root ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: "Pass the signing installation's keys/trust-root.json with --trust-root FILE.",
    });
  }
}

async function readWhole(cli: Cli, path: string): Promise<string> {
  return Buffer.from(await readBytes(cli, path)).toString("utf8");
}

async function readBytes(cli: Cli, path: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cli.cwd, path));
  } catch (error) {
    throw new MaestroError("invalid_request", `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: "Check the path and its permissions.",
    });
  }
}
