import type { Actor } from "./event.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./json.ts";

/** Of an initiator's properties: the roles in the namespaces that runs inside of the run will be in, by namespace. */
const ELSEWHERE = "rolesElsewhere";

/** The initiator of a run whose runbooks lie in several namespaces: roles are of one, and a child run must not have another's. */
export function initiatorOfSeveral(initiator: Actor, elsewhere: Readonly<Record<string, readonly string[]>>): Actor {
  return { ...initiator, properties: { ...initiator.properties, [ELSEWHERE]: elsewhere } };
}

/** The same in the namespace of a child run. Of whom it is not known what they are there, they are nothing; an owner is it everywhere. */
export function initiatorIn(initiator: Actor, from: string, to: string): Actor {
  if (from === to || initiator.roles.includes("owner")) return initiator;
  const { [ELSEWHERE]: elsewhere } = initiator.properties ?? {};
  return { ...initiator, roles: isJsonObject(elsewhere) ? textsOf(elsewhere, to) : [] };
}

function textsOf(elsewhere: JsonObject, namespace: string): readonly string[] {
  const roles = Object.hasOwn(elsewhere, namespace) ? elsewhere[namespace] : undefined;
  return Array.isArray(roles) ? roles.filter((role): role is string => typeof role === "string") : [];
}
