import type { Actor } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import type { GateSubject } from "../policy/gate.ts";

/**
 * What a role allows is the policy's; these are the names it knows. `owner` is the user of the data directory, and `member`
 * of the installation is who has a part in any of its namespaces.
 */
export const ROLES = ["viewer", "operator", "author", "approver", "auditor", "admin", "owner", "member"] as const;

/** Stands for every namespace, also those to come. */
export const EVERY_NAMESPACE = "*";

/** Who asks, as far as it was proved. */
export interface Caller {
  readonly type: Actor["type"];
  /** Unique: of an identity provider `NAME:SUBJECT`, NAME being what the configuration calls the issuer. */
  readonly id: string;
  readonly grants: readonly Grant[];
  /** What the gate sees beside the roles: `iss`, `acr`, `amr`, `org`, `clearance`. */
  readonly properties: JsonObject;
  /** How it was proved. */
  readonly via: "socket" | "token" | "session" | "oidc" | "none";
  /** Of a session, its id. */
  readonly session?: string;
}

export interface Grant {
  /** Or `*`. */
  readonly namespace: string;
  readonly roles: readonly string[];
}

/** Sorted, without doubles. */
export function rolesIn(caller: Caller, namespace: string): readonly string[] {
  const roles = caller.grants.flatMap((grant) =>
    grant.namespace === namespace || grant.namespace === EVERY_NAMESPACE ? grant.roles : [],
  );
  if (namespace === EVERY_NAMESPACE && caller.grants.length > 0) roles.push("member");
  return [...new Set(roles)].sort();
}

/** The namespaces that a grant names; `*` is not among them. Sorted. */
export function namespacesOf(caller: Caller): readonly string[] {
  const named = caller.grants.map(({ namespace }) => namespace).filter((name) => name !== EVERY_NAMESPACE);
  return [...new Set(named)].sort();
}

/** As histories and receipts name who did something in a namespace. */
export function actorIn(caller: Caller, namespace: string): Actor {
  const { type, id, properties } = caller;
  const roles = rolesIn(caller, namespace);
  return Object.keys(properties).length === 0 ? { type, id, roles } : { type, id, roles, properties };
}

export function subjectIn(caller: Caller, namespace: string): GateSubject {
  return {
    type: caller.type,
    id: caller.id,
    properties: { ...caller.properties, roles: rolesIn(caller, namespace) },
  };
}

/** The user of the data directory: on its control socket, or with the token from the file that only this user can read. */
export function ownerCaller(id: string, via: "socket" | "token"): Caller {
  return { type: "user", id, grants: [{ namespace: EVERY_NAMESPACE, roles: ["owner"] }], properties: {}, via };
}
