import { sha256, type Digest } from "../core/digest.ts";
import { parseStrict } from "../core/strict-json.ts";
import { checkPlan } from "./check-against.ts";
import { checkBundle, checkKeyTime, checkSignature, decode, withoutFinalNewline } from "./check-signed.ts";
import { CheckFailed, climb, type Check, type CheckId } from "./ladder.ts";
import type { HashedFile } from "./check-against.ts";
import type { TrustRoot } from "./trust.ts";
import { readWorkflowStatement, WORKFLOW_STATEMENT, type WorkflowClaims } from "./workflow-statement.ts";

/** What the statement of a published workflow is checked against. Only the trust root is needed. */
export interface VerifyWorkflowRequest {
  readonly trustRoot: TrustRoot;
  readonly expected?: {
    readonly digest?: Digest;
    /** `namespace/name@version`. */
    readonly workflow?: string;
    readonly plan?: Digest;
    readonly manifest?: Digest;
  };
  /** The plan as JSON text; white space and member order do not matter. */
  readonly plan?: string;
  /** Must be the plan's canonical text, the manifest's canonical form, or the manifest as it was published. */
  readonly files?: readonly HashedFile[];
}

export interface WorkflowVerification {
  readonly verified: boolean;
  /** Of the bundle's bytes. */
  readonly digest: Digest;
  readonly checks: readonly Check[];
  /** Null when nothing that it says may be believed. */
  readonly claims: WorkflowClaims | null;
  readonly keyid: string | null;
}

const RUNGS: readonly { readonly id: CheckId; readonly title: string }[] = [
  { id: "readable", title: "is one well-formed document" },
  { id: "bundle", title: "is a Sigstore bundle v0.3, with nothing beside it" },
  { id: "digest", title: "is the one that was asked for" },
  { id: "payload-type", title: "carries an in-toto statement" },
  { id: "key", title: "names a key of the trust root" },
  { id: "signature", title: "was signed by that key" },
  { id: "statement", title: "says what a published workflow is" },
  { id: "signer", title: "was signed for its builder while the key was valid" },
  { id: "expected", title: "says what was expected of it" },
  { id: "subjects", title: "covers the files" },
  { id: "plan", title: "is about this plan" },
];

/** Whether these bytes claim to be the statement of a published workflow; what they are is for `verifyWorkflow` to say. */
export function isWorkflowBundle(bytes: Uint8Array): boolean {
  try {
    const bundle = JSON.parse(Buffer.from(bytes).toString("utf8")) as { dsseEnvelope?: { payload?: unknown } } | null;
    const payload = Buffer.from(String(bundle?.dsseEnvelope?.payload), "base64").toString("utf8");
    const statement = JSON.parse(payload) as { predicateType?: unknown } | null;
    return statement?.predicateType === WORKFLOW_STATEMENT;
  } catch (error) {
    // Whatever it is, it is not one of these; the checks of a receipt say what is wrong with it.
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Verifies the statement of a published workflow, offline. Never throws for what is wrong with it. */
export function verifyWorkflow(bytes: Uint8Array, request: VerifyWorkflowRequest): WorkflowVerification {
  let keyid: string | null = null;
  let claims: WorkflowClaims | null = null;
  const { expected, files = [] } = request;
  const checks = climb((ladder) => {
    const signed = checkBundle(ladder, bytes, expected?.digest);
    const key = checkSignature(ladder, signed, request.trustRoot);
    const said = ladder.check("statement", () => {
      const value = readWorkflowStatement(parseStrict(decode(signed.payload)));
      return { value, detail: value.workflow };
    });
    ladder.check("signer", () => checkKeyTime(key, said.builder, said.publishedAt, "it was published"));
    keyid = key.keyid;
    claims = said;
    const names = (["workflow", "plan", "manifest"] as const).filter((name) => expected?.[name] !== undefined);
    if (names.length === 0) ladder.skip("expected", "nothing was said to be expected");
    else
      ladder.check("expected", () => {
        for (const name of names)
          if (said[name] !== expected?.[name])
            throw new CheckFailed(`${name} is ${said[name]}, expected was ${expected?.[name]}`);
        return { value: undefined, detail: names.map((name) => `${name} ${said[name]}`).join(", ") };
      });
    if (files.length === 0) ladder.skip("subjects", "no files were given");
    else
      ladder.check("subjects", () => {
        const known: readonly string[] = [said.plan, said.manifest, said.source];
        const stray = files.find((file) => !known.includes(file.digest));
        if (stray !== undefined)
          throw new CheckFailed(
            `${stray.path} has the digest ${stray.digest}, which is neither the plan's nor the manifest's`,
          );
        return { value: undefined, detail: files.map((file) => file.path).join(", ") };
      });
    checkPlan(ladder, said, request.plan);
  }, RUNGS);
  return {
    verified: checks.every((check) => check.status !== "failed"),
    digest: sha256(withoutFinalNewline(bytes)),
    checks,
    claims,
    keyid,
  };
}
