// The limits of policies, for generate-limits.ts: a new one without a sentence here does not compile.
import { AUTHZEN_LIMITS } from "../packages/maestro/src/api/authzen.ts";
import type { BREAK_GLASS_LIMITS } from "../packages/maestro/src/policy/break-glass.ts";
import { BREAKER } from "../packages/maestro/src/policy/breaker.ts";
import { CANDIDATE_LIMITS } from "../packages/maestro/src/policy/candidate.ts";
import { CASE_LIMITS } from "../packages/maestro/src/policy/cases.ts";
import { CEDAR_LIMITS } from "../packages/maestro/src/policy/cedar-bundle.ts";
import { POINT_LIMITS } from "../packages/maestro/src/policy/decision-point.ts";
import { NOTICE_LIMITS } from "../packages/maestro/src/policy/notices.ts";
import { OBLIGATION_LIMITS } from "../packages/maestro/src/policy/obligations.ts";
import { POLICY_FILE_LIMITS } from "../packages/maestro/src/policy/policy-file.ts";
import { FILE_LIMITS } from "../packages/maestro/src/policy/policy-files.ts";
import { QUESTION_LIMITS } from "../packages/maestro/src/policy/question.ts";
import { RECORDED_LIMITS } from "../packages/maestro/src/policy/recorded.ts";
import { WASM_LIMITS } from "../packages/maestro/src/policy/rego-wasm.ts";
import { VERDICT_LIMITS } from "../packages/maestro/src/policy/verdict.ts";

type Meaning = readonly [what: string, unit: "count" | "bytes" | "ms", beyond: string];
type Meanings<T> = Readonly<Record<keyof T, Meaning>>;

const REFUSED = "`policy_unusable`";
const DENIED = "the answer is no";

const POLICY_FILE: Meanings<typeof POLICY_FILE_LIMITS> = {
  bytes: ["policy.yaml", "bytes", REFUSED],
  evaluators: ["policies that are in force together", "count", REFUSED],
  shadow: ["policies on trial together", "count", REFUSED],
};

const POLICY_FILES: Meanings<typeof FILE_LIMITS> = {
  files: ["files of a policy", "count", REFUSED],
  bytes: ["one of them", "bytes", REFUSED],
  totalBytes: ["all of them together, or the data of compiled Rego", "bytes", REFUSED],
};

const CEDAR: Meanings<typeof CEDAR_LIMITS> = { rules: ["policies of a folder in Cedar", "count", REFUSED] };

const WASM: Meanings<typeof WASM_LIMITS> = {
  bytes: ["a compiled policy", "bytes", REFUSED],
  firstPages: ["pages of 64 KiB that its memory begins with", "count", REFUSED],
  memoryPages: ["… and may grow to", "count", DENIED],
  inputBytes: ["a request to it", "bytes", DENIED],
};

const POINT: Meanings<typeof POINT_LIMITS> = {
  timeoutMs: ["a decision point elsewhere, until its answer is whole; `timeoutMs` says otherwise", "ms", DENIED],
  longestTimeoutMs: ["… which may be at most", "ms", REFUSED],
  answerBytes: ["its answer", "bytes", DENIED],
  answerDepth: ["… arrays and objects in one another", "count", DENIED],
  headerBytes: ["… headers", "bytes", DENIED],
  tokenBytes: ["the token in `tokenFile`", "bytes", DENIED],
  connections: ["connections to it", "count", "questions wait"],
  questions: ["questions to it under way", "count", DENIED],
};

const BREAKS: Meanings<typeof BREAKER> = {
  failures: ["failures of it in a row", "count", "it is left alone, and the answer is no at once"],
  openMs: ["… at first for", "ms", "one question is let through; doubled when that fails"],
  longestMs: ["… at most for", "ms", ""],
};

const VERDICT: Meanings<typeof VERDICT_LIMITS> = {
  reasons: ["reasons in an answer", "count", DENIED],
  reasonCharacters: ["… characters of one", "count", DENIED],
  rules: ["rules in an answer", "count", DENIED],
  ruleCharacters: ["… characters of one", "count", DENIED],
  obligations: ["obligations in an answer", "count", DENIED],
};

const OBLIGATION: Meanings<typeof OBLIGATION_LIMITS> = {
  paths: ["places that one obligation hides", "count", DENIED],
  channels: ["channels that one tells", "count", DENIED],
  values: ["`acr_values` or `amr_values` of one", "count", DENIED],
  textCharacters: ["characters of the body of a notice", "count", "it is cut"],
};

const NOTICE: Meanings<typeof NOTICE_LIMITS> = {
  waiting: ["notices that wait to be delivered", "count", "a further one is given up, aloud"],
  tries: ["tries of one", "count", "it is given up, aloud"],
  firstPauseMs: ["the pause after the first; four times as long with each", "ms", ""],
  longestPauseMs: ["… at most", "ms", ""],
};

export const BREAK_GLASS: Meanings<Omit<typeof BREAK_GLASS_LIMITS, "reasonCharacters">> = {
  open: ["open at once", "count", "`conflict`"],
  shortestMs: ["the shortest", "ms", "`invalid_request`"],
  defaultLongestMs: ["the longest, where policy.yaml does not say", "ms", "`invalid_request`"],
  longestMs: ["… and what it may say at most", "ms", REFUSED],
  coalesceMs: ["uses of one are told once in", "ms", "the next notice has how many there were"],
  lookMs: ["between two looks at the clock while one is open", "ms", "that one is over is told this much late at most"],
};

const CANDIDATE: Meanings<typeof CANDIDATE_LIMITS> = {
  bytes: ["a policy that is asked without being in force", "bytes", "`invalid_request`"],
  files: ["… its files", "count", "`invalid_request`"],
  ms: ["… all questions to it", "ms", REFUSED],
  testMs: ["… all cases of `maestro policy test`", "ms", REFUSED],
  memoryMb: ["… MiB of its thread", "count", REFUSED],
  atOnce: ["… such policies at once", "count", "`overloaded`"],
};

const RECORDED: Meanings<typeof RECORDED_LIMITS> = {
  questions: ["different questions that a comparison asks again", "count", "the oldest are left out"],
  entries: ["… entries of the ledger, and of the audit, that it looks at", "count", "the oldest are left out"],
};

const CASE: Meanings<typeof CASE_LIMITS> = {
  cases: ["cases in a file for `maestro policy test`", "count", REFUSED],
  bytes: ["… the file", "bytes", REFUSED],
};

const AUTHZEN: Meanings<typeof AUTHZEN_LIMITS> = {
  evaluations: ["questions of one `POST /access/v1/evaluations`", "count", "`invalid_request`"],
  page: ["results on a page of a search", "count", "`next_token` leads on"],
};

const QUESTION: Meanings<typeof QUESTION_LIMITS> = {
  memberCharacters: [
    "JSON of `context`, and of each `properties`, of a question that somebody asks",
    "count",
    "`invalid_request`",
  ],
};

/** Each table with its limits, in the order of the page. */
export const POLICIES: readonly (readonly [Meanings<Record<string, number>>, Readonly<Record<string, number>>])[] = [
  [POLICY_FILE, POLICY_FILE_LIMITS],
  [POLICY_FILES, FILE_LIMITS],
  [CEDAR, CEDAR_LIMITS],
  [WASM, WASM_LIMITS],
  [POINT, POINT_LIMITS],
  [BREAKS, BREAKER],
  [VERDICT, VERDICT_LIMITS],
  [OBLIGATION, OBLIGATION_LIMITS],
  [NOTICE, NOTICE_LIMITS],
  [CASE, CASE_LIMITS],
  [CANDIDATE, CANDIDATE_LIMITS],
  [RECORDED, RECORDED_LIMITS],
  [QUESTION, QUESTION_LIMITS],
  [AUTHZEN, AUTHZEN_LIMITS],
];
