import {
  string,
  integer,
  boolean,
  anything,
  anyObject,
  time,
  orNull,
  listOf,
  oneOf,
  ref,
  members,
  answer,
} from "./schema-parts.ts";

/** Of policies, as parts of other schemas. */
export const POLICY_PARTS = {
  Explanation: members({
    decision: string,
    at: time,
    "run?": string,
    "task?": string,
    allow: boolean,
    mode: oneOf("enforced", "break-glass"),
    sentence: string,
    facts: listOf(members({ name: string, value: anything })),
    rules: listOf(members({ id: string, "effect?": string, "why?": string, "fix?": string, "file?": string })),
    reasons: listOf(string),
    obligations: listOf(members({ id: string, type: string, properties: anyObject })),
    shadow: listOf(anyObject),
    "advice?": string,
    engine: string,
    policyDigest: string,
    isCurrent: boolean,
  }),
  BreakGlass: members({
    id: string,
    subject: string,
    namespace: string,
    reason: string,
    from: time,
    until: time,
    endedAt: orNull(time),
    endedBy: orNull(string),
    "open?": boolean,
  }),
} as const;

/** What is answered about policies. */
export const POLICY_ANSWERS = {
  Policy: answer("Policy", {
    engine: string,
    policyDigest: string,
    environment: string,
    rules: listOf(
      members({
        id: string,
        effect: string,
        why: orNull(string),
        fix: orNull(string),
        file: orNull(string),
        shadow: boolean,
      }),
    ),
    shadows: listOf(
      members({
        engine: string,
        policyDigest: string,
        agreed: integer,
        differed: integer,
        failed: integer,
        late: integer,
      }),
    ),
    channels: listOf(string),
    breakGlass: members({ longestMs: integer, open: listOf(ref("BreakGlass")) }),
  }),
  PolicyAnswer: answer("PolicyAnswer", {
    allow: boolean,
    policyDigest: string,
    engine: string,
    explanation: ref("Explanation"),
    unknown: listOf(string),
  }),
  PolicyDifference: answer("PolicyDifference", {
    asked: integer,
    decisions: integer,
    past: integer,
    missing: integer,
    cut: boolean,
    policies: listOf(members({ engine: string, policyDigest: string, unanswered: integer, flips: listOf(anyObject) })),
  }),
  PolicyReload: answer("PolicyReload", { engine: string, before: string, after: string, restart: listOf(string) }),
  DecisionExplanation: answer("DecisionExplanation", { explanation: ref("Explanation") }),
  RunDecisions: answer("RunDecisions", { run: string, explanations: listOf(ref("Explanation")) }),
  WhoCan: answer("WhoCan", {
    action: string,
    namespace: string,
    roles: listOf(members({ role: string, rules: listOf(string) })),
    subjects: listOf(
      members({ type: string, id: string, roles: listOf(string), seenAt: orNull(time), rules: listOf(string) }),
    ),
    unknown: listOf(string),
  }),
  BreakGlassAnswer: answer("BreakGlass", { breakGlass: ref("BreakGlass") }),
  BreakGlassList: answer("BreakGlassList", { breakGlasses: listOf(ref("BreakGlass")) }),
  AuthzenDecision: members({ decision: boolean, "context?": anyObject }),
  AuthzenDecisions: {
    anyOf: [
      members({ evaluations: listOf(members({ decision: boolean, "context?": anyObject })) }),
      members({ decision: boolean, "context?": anyObject }),
    ],
  },
  AuthzenResults: members({ results: listOf(anyObject), "page?": members({ next_token: string }) }),
  AuthzenConfiguration: members({ policy_decision_point: string, access_evaluation_endpoint: string }),
  ErrorHelp: answer("ErrorHelp", {
    code: string,
    class: string,
    title: string,
    fix: string,
    status: integer,
    exitCode: integer,
  }),
} as const;
