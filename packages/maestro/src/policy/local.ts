import { digestOf } from "../core/digest.ts";
import type { Decision } from "../core/event.ts";
import type { Gate, GateRequest } from "./gate.ts";

interface Rule {
  readonly id: string;
  readonly why: string;
  /** A sentence when the rule forbids the request. */
  forbids(request: GateRequest, owner: string): string | undefined;
}

/**
 * The built-in policy of a local installation: its owner may run runbooks for a purpose they declare, under an authority
 * where they require one, and may start each effect of them; runs may start child runs in the owner's name. Nobody else may do anything.
 */
const RULES: readonly Rule[] = [
  {
    id: "local.owner-only",
    why: "Without an identity provider only the owner of the data directory is known.",
    forbids: ({ subject }, owner) =>
      subject.type === "user" && subject.id === owner
        ? undefined
        : `${subject.type} ${subject.id} is not the owner of this installation (${owner})`,
  },
  {
    id: "local.purpose-declared",
    why: "A run says why it happens, in a word its runbook knows.",
    forbids: ({ action, resource, context }) => {
      const purposes = resource.properties["purposes"];
      if (action.name !== "run.start" || !Array.isArray(purposes) || purposes.includes(context.purpose))
        return undefined;
      return context.purpose === ""
        ? `no purpose is given; the runbook allows ${purposes.join(", ")}`
        : `purpose ${context.purpose} is not one of ${purposes.join(", ")}`;
    },
  },
  {
    id: "local.authority-given",
    why: "Where the runbook asks for a mandate, a run names its ticket, approval or legal basis.",
    forbids: ({ action, resource, context }) =>
      action.name === "run.start" &&
      resource.properties["authorityRequired"] === true &&
      context.authority.trim() === ""
        ? "the runbook requires an authority (a ticket, an approval, a legal basis) and none is given"
        : undefined,
  },
];

/** Evaluates in process, so it answers at once. `id` makes decision ids. */
export function localGate(owner: string, id: () => string): Gate {
  const policyDigest = digestOf({
    engine: "local@1",
    owner,
    rules: RULES.map((rule) => ({ id: rule.id, why: rule.why })),
  });
  return {
    decide(request): Decision {
      const rules: string[] = [];
      const reasons: string[] = [];
      for (const rule of RULES) {
        const reason = rule.forbids(request, owner);
        if (reason === undefined) continue;
        rules.push(rule.id);
        reasons.push(reason);
      }
      const allow = reasons.length === 0;
      return {
        id: id(),
        allow,
        reasons: allow ? ["the owner of the installation asks"] : reasons,
        rules: allow ? ["local.owner-only"] : rules,
        policyDigest,
        requestDigest: digestOf(request),
        engine: "local@1",
      };
    },
  };
}
