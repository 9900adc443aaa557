import type { Decision } from "../core/event.ts";
import type { GateRequest } from "./gate.ts";
import { missingStepUp, stepUpText } from "./obligations.ts";

/** What somebody who was denied does next. */
export function adviceOf({ id, rules, obligations }: Decision, { action, resource, ...rest }: GateRequest): string {
  const stepUp = missingStepUp(obligations ?? [], { action, resource, ...rest });
  const why = `\`maestro policy explain ${id}\` says why.`;
  if (stepUp !== undefined) return `Log in again with ${stepUpText(stepUp)}, then do the same again. ${why}`;
  if (rules.length > 0)
    return `Ask whoever owns ${rules.length === 1 ? "the rule" : "the rules"} ${rules.join(", ")}. ${why}`;
  const { namespace } = resource.properties;
  const where = namespace === "*" ? "" : ` in ${namespace}`;
  return `Ask an admin for a role that may do ${action.name}${where}: \`maestro policy who-can ${action.name} ${resource.type}:${resource.id}\` lists who can. ${why}`;
}
