import type { Decision } from "../core/event.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import type { AuditStore } from "../store/audit.ts";
import type { GateRequest, Occasion } from "./gate.ts";

/** Somebody of whom this installation knows. */
export interface KnownSubject {
  readonly type: string;
  readonly id: string;
  /** As they were when they were here last, in the namespace they were asked about. */
  readonly roles: readonly string[];
  /** Null: not yet; it is known by the settings. */
  readonly seenAt: number | null;
}

export const WHO_LIMITS = { rows: 20_000, subjects: 2_000 } as const;
const PAGE = 1_000;

/** Who has been here and may be asked about a namespace, the last one first: by the audit, with the roles they had in it. */
export async function knownSubjects(audit: AuditStore, namespace: string): Promise<readonly KnownSubject[]> {
  const known = new Map<string, KnownSubject>();
  let before: number | undefined;
  for (let looked = 0; looked < WHO_LIMITS.rows && known.size < WHO_LIMITS.subjects; looked += PAGE) {
    const rows = await audit.list({ limit: PAGE, ...(before === undefined ? {} : { before }) });
    for (const { at, text, namespace: where } of rows) {
      // Roles are of a namespace: those that somebody has elsewhere say nothing here, those everywhere do.
      if (where !== namespace && where !== null) continue;
      const { actor } = JSON.parse(text) as { readonly actor?: JsonValue };
      const one = subjectOf(actor, at);
      if (one === undefined) continue;
      const key = `${one.type}:${one.id}`;
      const newer = known.get(key);
      // A row of the installation as a whole has fewer roles than one of the namespace.
      if (newer === undefined || (newer.roles.length < one.roles.length && where === namespace)) known.set(key, one);
    }
    if (rows.length < PAGE) break;
    before = rows.at(-1)?.place;
  }
  return [...known.values()];
}

function subjectOf(actor: JsonValue | undefined, at: number): KnownSubject | undefined {
  if (!isJsonObject(actor)) return undefined;
  const { type, id, roles } = actor;
  if (typeof type !== "string" || typeof id !== "string" || type === "unknown" || id === "") return undefined;
  const names = Array.isArray(roles) ? (roles as readonly JsonValue[]).filter((one) => typeof one === "string") : [];
  return { type, id, roles: names, seenAt: at };
}

type Consider = (request: GateRequest, occasion: Occasion) => Decision | Promise<Decision>;

/** Of the candidates those who may. */
export async function whoMay<
  T extends { readonly type: string; readonly id: string; readonly roles: readonly string[] },
>(
  consider: Consider,
  request: GateRequest,
  candidates: readonly T[],
  at: number,
): Promise<readonly (T & { readonly rules: readonly string[] })[]> {
  const able: (T & { readonly rules: readonly string[] })[] = [];
  for (const one of candidates) {
    const subject = {
      type: one.type as GateRequest["subject"]["type"],
      id: one.id,
      properties: { ...request.subject.properties, roles: one.roles },
    };
    const { allow, rules } = await consider({ ...request, subject }, { at });
    if (allow) able.push({ ...one, rules });
  }
  return able;
}
