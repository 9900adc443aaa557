import { access, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Digest } from "../../core/digest.ts";
import { MaestroError } from "../../core/problem.ts";
import { readNoteKey } from "../../provenance/ledger/note.ts";
import { PROOF_SUFFIX } from "../../provenance/ledger/proof.ts";
import { TIMESTAMP_SUFFIX } from "../../provenance/timestamp/request.ts";
import { readTrustRoot, TRUST_ROOT_FILE } from "../../provenance/trust.ts";
import { isWorkflowBundle, verifyWorkflow } from "../../provenance/verify-workflow.ts";
import { hashFile, verifyReceipt } from "../../provenance/verify.ts";
import type { VerifyRequest } from "../../provenance/verify.ts";
import { exitCodeOf, reportJson } from "../../provenance/verify-report.ts";
import type { AnyVerification } from "../../provenance/verify-report.ts";
import { usage } from "../cli.ts";
import type { Cli, Input } from "../cli.ts";
import { readNamed, readNamedBytes, unreadable } from "../named-file.ts";
import { isData, printLines, printObject } from "../output.ts";
import { verificationLines } from "../verification-lines.ts";

export async function run(cli: Cli, input: Input): Promise<number> {
  const request = await readRequest(cli, input);
  const files = input.args("file");
  let code = 0;
  const reports: object[] = [];
  for (const file of files) {
    const verification = (await isPackage(resolve(cli.cwd, file)))
      ? await verifyPackageAt(cli, input, file, request)
      : await verifyFile(cli, input, file, request);
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

/** A package is a folder or a tar. Errors: `invalid_request` where it cannot be read. */
async function isPackage(path: string): Promise<boolean> {
  const { isPackage: looksLikeOne } = await import("../../operations/disclosure/read-package.ts");
  return looksLikeOne(path);
}

async function verifyPackageAt(cli: Cli, input: Input, file: string, request: VerifyRequest): Promise<AnyVerification> {
  const verifier = await import("../verify-package.ts");
  return verifier.verifyPackageAt(cli, input, file, request);
}

async function verifyFile(cli: Cli, input: Input, file: string, request: VerifyRequest): Promise<AnyVerification> {
  if (input.text("salts") !== undefined) throw usage("--salts goes with a disclosure package; this is a single file.");
  const proof = input.text("proof") ?? (await fileBeside(resolve(cli.cwd, file), PROOF_SUFFIX));
  const timestamp = await readTimestamp(cli, input, resolve(cli.cwd, file));
  return verifyEither(await readNamedBytes(cli, file), {
    ...request,
    ...(proof === undefined ? {} : { proof: await readNamed(cli, proof) }),
    ...(timestamp === undefined ? {} : { timestamp }),
  });
}

/** `receipt.tlog-proof` beside `receipt.json` or `receipt.sigstore.json`: it is meant for it. */
async function fileBeside(file: string, suffix: string): Promise<string | undefined> {
  const path = `${file.replace(/(?:\.sigstore)?\.json$/, "")}${suffix}`;
  try {
    await access(path);
    return path;
  } catch {
    // There is none, which is nothing wrong.
    return undefined;
  }
}

/** Undefined where there is none, or nobody to believe. */
async function readTimestamp(cli: Cli, input: Input, file: string): Promise<VerifyRequest["timestamp"]> {
  const certificates = input.text("tsa");
  const given = input.text("timestamp");
  if (certificates === undefined && given !== undefined)
    throw usage("--timestamp goes with --tsa, the certificates of the authority to believe.");
  const path = given ?? (await fileBeside(file, TIMESTAMP_SUFFIX));
  if (certificates === undefined || path === undefined) return undefined;
  const { timestampCheck } = await import("../../provenance/timestamp/verify.ts");
  try {
    return { reply: await readNamedBytes(cli, path), check: await timestampCheck(await readNamed(cli, certificates)) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw usage(
      `--tsa ${certificates}: ${error.message}.`,
      "Name a file with the authority's certificates, or those above them (PEM).",
    );
  }
}

/** `--witness` and `--quorum`; the quorum is all of them where it is not given. */
function readWitnesses(input: Input): VerifyRequest["witnesses"] {
  const keys = input.texts("witness").map((text) => {
    try {
      const key = readNoteKey(text);
      if (key.kind === "witness") return key;
      throw new SyntaxError("it is the key of a log");
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw usage(`--witness ${text.slice(0, 80)} is not the key of a witness: ${error.message}.`);
    }
  });
  const quorum = input.integer("quorum", { min: 1, max: Math.max(1, keys.length) }) ?? keys.length;
  if (keys.length === 0 && input.text("quorum") !== undefined) throw usage("--quorum goes with --witness.");
  return keys.length === 0 ? undefined : { keys, quorum };
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
  const witnesses = readWitnesses(input);
  return {
    ...(witnesses === undefined ? {} : { witnesses }),
    trustRoot: await readTrust(cli, input.text("trust-root")),
    files: input.texts("subject").map((path) => ({ path: resolve(cli.cwd, path) })),
    ...(plan === undefined ? {} : planCheck(plan, plan.startsWith("sha256:") ? "" : await readNamed(cli, plan))),
    ...(events === undefined
      ? {}
      : { events: (await readNamed(cli, events)).split("\n").filter((line) => line !== "") }),
    ...(previous === undefined ? {} : { previous: await readNamedBytes(cli, previous) }),
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
    const fix = "Pass the signing installation's keys/trust-root.json with --trust-root FILE.";
    throw unreadable(`The trust root ${file}`, error, fix);
  }
}
