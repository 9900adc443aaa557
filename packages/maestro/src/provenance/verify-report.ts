import type { JsonObject } from "../core/json.ts";
import { EXIT_CODES } from "../core/problem.ts";
import type { Check } from "./ladder.ts";
import type { PackageVerification } from "./disclosure/verify-package.ts";
import type { WorkflowVerification } from "./verify-workflow.ts";
import type { Verification } from "./verify.ts";

/** Of a receipt, of the statement of a published workflow, or of a disclosure package. */
export type AnyVerification = Verification | WorkflowVerification | PackageVerification;

/** One line of the terminal report. Whoever prints it chooses glyph, colour and width; `text` says everything in words. */
export type ReportLine =
  | {
      readonly kind: "check";
      readonly status: Check["status"];
      readonly title: string;
      readonly detail: string;
      readonly text: string;
    }
  | { readonly kind: "fact"; readonly name: string; readonly value: string; readonly text: string }
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "verdict"; readonly verified: boolean; readonly text: string };

/** `maestro verify`: 0 verified, 7 not. (2, a wrong question, is thrown as `invalid_request`.) */
export function exitCodeOf(verification: AnyVerification): number {
  return verification.verified ? 0 : EXIT_CODES.verification;
}

/** The ladder as lines: checks in order, what the receipt says if it may be believed, what it means, the verdict. */
export function reportLines(verification: AnyVerification): readonly ReportLine[] {
  const lines: ReportLine[] = verification.checks.map(({ status, title, detail }) => ({
    kind: "check",
    status,
    title,
    detail,
    text: `${WORDS[status]}  ${title}: ${detail}`,
  }));
  if (verification.verified) {
    lines.push(
      ...factsOf(verification).map(([name, value]): ReportLine => ({
        kind: "fact",
        name,
        value,
        text: `${name}: ${value}`,
      })),
    );
    lines.push(...notesOf(verification).map((text): ReportLine => ({ kind: "note", text })));
  }
  lines.push({ kind: "verdict", verified: verification.verified, text: verdictOf(verification) });
  return lines;
}

/** The same as data, versioned: `maestro verify -o json`. */
export function reportJson(verification: AnyVerification): JsonObject {
  return {
    apiVersion: "maestro/v1",
    kind: "Verification",
    verified: verification.verified,
    verdict: verdictOf(verification),
    digest: verification.digest,
    keyid: verification.keyid,
    checks: verification.checks.map(({ id, title, status, detail }) => ({ id, title, status, detail })),
    claims: verification.verified && verification.claims !== null ? { ...verification.claims } : null,
    notes: verification.verified ? notesOf(verification) : [],
  };
}

/** Three outcomes only, and "not checked" never counts as a tick. */
function verdictOf({ checks }: AnyVerification): string {
  const failed = checks.find((check) => check.status === "failed");
  if (failed !== undefined) return `Failed: ${failed.id}: ${failed.detail}.`;
  const left = checks.filter((check) => check.status === "skipped").map((check) => check.id);
  const made = checks.length - left.length;
  return `Verified: ${made} checks passed${left.length === 0 ? "" : `; not checked: ${left.join(", ")}`}.`;
}

function factsOf({ digest, keyid, claims }: AnyVerification): readonly (readonly [name: string, value: string])[] {
  if (claims === null) return [];
  const signed = ["signed by", `${claims.builder}, key ${keyid ?? ""}`] as const;
  if ("recipient" in claims)
    return [
      ["package", digest],
      ["recipient", claims.recipient],
      ["purpose", claims.purpose],
      ["authority", claims.authority],
      ["license", claims.licenses.join(", ")],
      ...claims.runs.map(({ run, workflow, status }) => ["run", `${run} ${status}, ${workflow}`] as const),
      ["redacted", `${claims.redactions} ${claims.redactions === 1 ? "value" : "values"}`],
      ...claims.revealed.map(
        ({ path, pointer, value }) => ["revealed", `${path}#${pointer} = ${JSON.stringify(value)}`] as const,
      ),
      signed,
    ];
  if (!("run" in claims))
    return [
      ["statement", digest],
      [
        "workflow",
        `${claims.workflow}, published by ${claims.publishedBy} at ${new Date(claims.publishedAt).toISOString()}`,
      ],
      ["plan", claims.plan],
      ["manifest", claims.manifest],
      ["source", claims.source],
      signed,
    ];
  return [
    ["receipt", digest],
    ["run", `${claims.run} ${claims.status}, ended ${new Date(claims.endedAt).toISOString()}`],
    ["workflow", `${claims.workflow} ${claims.workflowDigest}`],
    ["plan", claims.plan],
    ["history", `${claims.events} events, ${claims.tasks} tasks`],
    ["decisions", `${claims.asked} asked, ${claims.denied} denied`],
    ["isolation", claims.isolation === null ? "no task ran a command" : `weakest measured: ${claims.isolation}`],
    signed,
  ];
}

const WORDS: Readonly<Record<Check["status"], string>> = { passed: "passed", failed: "FAILED", skipped: "not checked" };

/** What a signature by the installation itself is worth, said every time so that nobody has to guess. */
function notesOf({ claims, checks }: AnyVerification): readonly string[] {
  const isStamped = checks.some(({ id, status }) => id === "timestamp" && status === "passed");
  const [subject, document] =
    claims === null || "run" in claims
      ? ["the run", "receipt"]
      : "recipient" in claims
        ? ["these runs", "package"]
        : ["this workflow", "statement"];
  return [
    `It proves that the holder of this key wrote exactly this about ${subject}, and that nobody changed it since.`,
    isStamped
      ? "It does not prove that what the holder wrote is true. The times in it are the signer's own; that it was there by the time of the timestamp, the authority says."
      : "It does not prove that what the holder wrote is true, nor when it was signed: the times are the signer's own, without a timestamp authority.",
    `It is worth as much as the trust root: get that from the installation by a way of its own, not together with the ${document}.`,
  ];
}
