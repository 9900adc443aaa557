import type { Digest } from "../core/digest.ts";
import type { Actor } from "../core/event.ts";
import { initiatorOfSeveral } from "../core/initiator.ts";
import type { Plan } from "../core/plan.ts";
import { rolesIn } from "../identity/caller.ts";
import type { Store, StoredPlan } from "../store/store.ts";
import type { Access } from "./access.ts";

/** Who starts a run of this plan: with their roles in its namespace, and in those of all runbooks that it uses. */
export async function initiatorOf(
  store: Pick<Store, "planGet">,
  access: Pick<Access, "actor" | "caller">,
  plan: Pick<StoredPlan, "namespace" | "digest" | "text">,
): Promise<Actor> {
  const own = access.actor(plan.namespace);
  const namespaces = await namespacesOf(store, plan);
  if (namespaces.size === 1) return own;
  return initiatorOfSeveral(
    own,
    Object.fromEntries([...namespaces].toSorted().map((name) => [name, rolesIn(access.caller, name)])),
  );
}

/** Of the plan and of all plans inside of it: each names the next by its digest, so they end. */
async function namespacesOf(
  store: Pick<Store, "planGet">,
  plan: Pick<StoredPlan, "namespace" | "digest" | "text">,
): Promise<ReadonlySet<string>> {
  const found = new Set([plan.namespace]);
  const seen = new Set<Digest>([plan.digest]);
  const open = [plan.text];
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    // Most plans use none, and are not read for that.
    if (!text.includes('"runbook"')) continue;
    for (const { uses } of (JSON.parse(text) as Plan).tasks) {
      if (uses.kind !== "runbook") continue;
      found.add(uses.namespace);
      if (seen.has(uses.planDigest)) continue;
      seen.add(uses.planDigest);
      const inner = await store.planGet(uses.planDigest);
      if (inner !== undefined) open.push(inner.text);
    }
  }
  return found;
}
