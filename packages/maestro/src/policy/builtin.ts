import { digestOf } from "../core/digest.ts";
import type { Evaluator, PolicyRule, Verdict } from "./evaluator.ts";
import type { GateRequest } from "./gate.ts";

/** What each role may do. The same policy stands as Cedar and as Rego in `policies/`, for those who want to change it: npm run docs. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  member: ["policy.ask", "session.own", "system.read", "task.read"],
  viewer: VIEW(),
  operator: [
    ...VIEW(),
    "artifact.read",
    "identity.token",
    "plan.compile",
    "run.start",
    "run.cancel",
    "run.replay",
    "run.retry",
    "run.signal",
    "secret.lease",
    "task.execute",
  ],
  author: [...VIEW(), "artifact.read", "catalog.publish", "plan.compile", "run.replay"],
  approver: [...VIEW(), "approval.give", "artifact.read"],
  auditor: [...VIEW(), "artifact.read", "audit.export", "audit.read", "ledger.read", "receipt.disclose", "run.replay"],
  admin: [
    ...VIEW(),
    "audit.read",
    "hold.manage",
    "ledger.read",
    "policy.break-glass",
    "policy.manage",
    "retention.run",
    "session.manage",
    "task.manage",
  ],
};

function VIEW(): readonly string[] {
  return [
    "approval.list",
    "catalog.read",
    "log.read",
    "metrics.read",
    "policy.ask",
    "policy.read",
    "receipt.export",
    "receipt.read",
    "run.list",
    "run.read",
    "session.own",
    "system.read",
    "task.read",
  ];
}

/** Every action there is; what nobody but the owner may do would stand in a list of its own. */
export const ACTIONS: ReadonlySet<string> = new Set(Object.values(ALLOWED).flat());

interface Rule {
  readonly id: string;
  readonly why: string;
  readonly fix: string;
  /** A sentence when the rule forbids the request. */
  forbids(request: GateRequest): string | undefined;
}

const FORBIDDEN: readonly Rule[] = [
  {
    id: "purpose-declared",
    why: "A run says why it happens, in a word its runbook knows.",
    fix: "Name one of the runbook's purposes with --purpose.",
    forbids: ({ action, resource, context }) => {
      if (action.name !== "run.start") return undefined;
      const purposes = resource.properties["purposes"];
      // Without the list nobody knows what is allowed, and what nobody knows is denied.
      if (!isTexts(purposes)) return "the question does not say which purposes the runbook allows";
      if (purposes.includes(context.purpose)) return undefined;
      return context.purpose === ""
        ? `no purpose is given; the runbook allows ${purposes.join(", ")}`
        : `purpose ${context.purpose} is not one of ${purposes.join(", ")}`;
    },
  },
  {
    id: "authority-given",
    why: "Where the runbook asks for a mandate, a run names its ticket, approval or legal basis.",
    fix: "Name it with --authority.",
    forbids: ({ action, resource, context }) => {
      if (action.name !== "run.start" || resource.properties["authorityRequired"] === false) return undefined;
      return typeof context.authority === "string" && context.authority !== ""
        ? undefined
        : "the runbook requires an authority (a ticket, an approval, a legal basis) and none is given";
    },
  },
];

/** The default policy, evaluated in process without loading an engine: the owner may do everything, roles what they are for, nobody else anything. */
export function builtinEvaluator(): Evaluator {
  const document = {
    engine: "builtin@1",
    allowed: ALLOWED,
    forbidden: FORBIDDEN.map(({ id, why }) => ({ id, why })),
  };
  return {
    engine: "builtin@1",
    policyDigest: digestOf(document),
    repeatable: true,
    evaluate,
    sources: () => [{ document, files: [] }],
    rules: RULES,
  };
}

const RULES: ReadonlyMap<string, PolicyRule> = new Map(
  [
    ...["owner", ...Object.keys(ALLOWED)].map((role) => ({
      id: `role-${role}`,
      effect: "permit" as const,
      why: role === "owner" ? "The owner may do everything." : `${role} may do ${ALLOWED[role]?.join(", ")}.`,
    })),
    ...FORBIDDEN.map(({ id, why, fix }) => ({ id, effect: "forbid" as const, why, fix })),
  ].map((rule) => [rule.id, rule]),
);

function evaluate(request: GateRequest): Verdict {
  const { subject, action } = request;
  const broken = FORBIDDEN.flatMap((rule) => {
    const reason = rule.forbids(request);
    return reason === undefined ? [] : [{ id: rule.id, reason }];
  });
  const roles = isTexts(subject.properties.roles) ? subject.properties.roles : [];
  const role =
    roles.includes("owner") && isAction(action.name) ? "owner" : roles.find((one) => mayDo(one, action.name));
  if (role === undefined) {
    const able = Object.keys(ALLOWED).filter((one) => mayDo(one, action.name));
    return {
      allow: false,
      rules: broken.map(({ id }) => id),
      reasons: [
        isAction(action.name)
          ? `${subject.type} ${subject.id} has no role here that may do ${action.name}; it takes ${[...able, "owner"].join(" or ")}`
          : `no action is called ${action.name}`,
        ...broken.map(({ reason }) => reason),
      ],
    };
  }
  if (broken.length > 0)
    return { allow: false, rules: broken.map(({ id }) => id), reasons: broken.map(({ reason }) => reason) };
  return { allow: true, rules: [`role-${role}`], reasons: [`${role} may do ${action.name}`] };
}

function mayDo(role: string, action: string): boolean {
  return Object.hasOwn(ALLOWED, role) && (ALLOWED[role]?.includes(action) ?? false);
}

function isAction(name: string): boolean {
  return ACTIONS.has(name);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
