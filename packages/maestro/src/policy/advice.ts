import type { Decision } from "../core/event.ts";
import { NO_ANSWER } from "./gate.ts";
import type { GateRequest } from "./gate.ts";
import { missingStepUp, stepUpText } from "./obligations.ts";

/** What somebody who was denied does next. */
export function adviceOf(decision: Decision, request: GateRequest): string {
  return `${nextOf(decision, request)} \`maestro policy explain ${decision.id}\` says why.`;
}

/** The same for whoever reads the explanation. `fixes`: what the rules that decided say themselves, where that is known. */
export function nextOf(
  { rules, reasons, obligations }: Decision,
  request: GateRequest,
  fixes: readonly string[] = [],
): string {
  const { action, resource } = request;
  const stepUp = missingStepUp(obligations ?? [], request);
  if (stepUp !== undefined) return `Log in again with ${stepUpText(stepUp)}, then do the same again.`;
  if (rules.length > 0) {
    const owner = `Ask whoever owns ${rules.length === 1 ? "the rule" : "the rules"} ${rules.join(", ")}`;
    return fixes.length === 0 ? `${owner}.` : `${fixes.join(" ")} ${owner} where that does not help.`;
  }
  if (reasons.some((reason) => reason.startsWith(NO_ANSWER)))
    return "Nothing is allowed until the policy answers: see `maestro doctor`, or ask whoever operates it. In an emergency there is `maestro policy break-glass`.";
  const { namespace } = resource.properties;
  const where = namespace === "*" ? "" : ` in ${namespace}`;
  return `Ask an admin for a role that may do ${action.name}${where}: \`maestro policy who-can ${action.name} ${inShell(`${resource.type}:${resource.id}`)}\` lists who can.`;
}

/** A word that shells leave as it is: `*` is a pattern to them. */
function inShell(word: string): string {
  return /^[\w:./@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
