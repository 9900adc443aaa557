// The limits of policies, for generate-limits.ts: a new one without a sentence here does not compile.
import type { BREAKER } from "../packages/maestro/src/policy/breaker.ts";
import type { CEDAR_LIMITS } from "../packages/maestro/src/policy/cedar-bundle.ts";
import type { POINT_LIMITS } from "../packages/maestro/src/policy/decision-point.ts";
import type { POLICY_FILE_LIMITS } from "../packages/maestro/src/policy/policy-file.ts";
import type { FILE_LIMITS } from "../packages/maestro/src/policy/policy-files.ts";
import type { WASM_LIMITS } from "../packages/maestro/src/policy/rego-wasm.ts";
import type { VERDICT_LIMITS } from "../packages/maestro/src/policy/verdict.ts";

type Meaning = readonly [what: string, unit: "count" | "bytes" | "ms", beyond: string];
type Meanings<T> = Readonly<Record<keyof T, Meaning>>;

const REFUSED = "`policy_unusable`";
const DENIED = "the answer is no";

export const POLICY_FILE: Meanings<typeof POLICY_FILE_LIMITS> = {
  bytes: ["policy.yaml", "bytes", REFUSED],
  evaluators: ["policies that are in force together", "count", REFUSED],
  shadow: ["policies on trial together", "count", REFUSED],
};

export const POLICY_FILES: Meanings<typeof FILE_LIMITS> = {
  files: ["files of a policy", "count", REFUSED],
  bytes: ["one of them", "bytes", REFUSED],
  totalBytes: ["all of them together, or the data of compiled Rego", "bytes", REFUSED],
};

export const CEDAR: Meanings<typeof CEDAR_LIMITS> = { rules: ["policies of a folder in Cedar", "count", REFUSED] };

export const WASM: Meanings<typeof WASM_LIMITS> = {
  bytes: ["a compiled policy", "bytes", REFUSED],
  firstPages: ["pages of 64 KiB that its memory begins with", "count", REFUSED],
  memoryPages: ["… and may grow to", "count", DENIED],
  inputBytes: ["a request to it", "bytes", DENIED],
};

export const POINT: Meanings<typeof POINT_LIMITS> = {
  timeoutMs: ["a decision point elsewhere, until its answer is whole; `timeoutMs` says otherwise", "ms", DENIED],
  longestTimeoutMs: ["… which may be at most", "ms", REFUSED],
  answerBytes: ["its answer", "bytes", DENIED],
  answerDepth: ["… arrays and objects in one another", "count", DENIED],
  headerBytes: ["… headers", "bytes", DENIED],
  tokenBytes: ["the token in `tokenFile`", "bytes", DENIED],
  connections: ["connections to it", "count", "questions wait"],
  questions: ["questions to it under way", "count", DENIED],
};

export const BREAKS: Meanings<typeof BREAKER> = {
  failures: ["failures of it in a row", "count", "it is left alone, and the answer is no at once"],
  openMs: ["… at first for", "ms", "one question is let through; doubled when that fails"],
  longestMs: ["… at most for", "ms", ""],
};

export const VERDICT: Meanings<typeof VERDICT_LIMITS> = {
  reasons: ["reasons in an answer", "count", DENIED],
  reasonCharacters: ["… characters of one", "count", DENIED],
  rules: ["rules in an answer", "count", DENIED],
  ruleCharacters: ["… characters of one", "count", DENIED],
  obligations: ["obligations in an answer", "count", DENIED],
};
