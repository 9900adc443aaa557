import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { DecisionPoint } from "./decision-point.ts";
import type { DecisionPointSettings } from "./decision-point.ts";
import type { Evaluator } from "./evaluator.ts";
import { UNKNOWN_POLICY } from "./evaluator.ts";
import { occasionContext, occasionHeaders } from "./occasion.ts";
import { denialOf, readVerdict } from "./verdict.ts";

export interface OpaSettings extends DecisionPointSettings {
  /** Of the rule that decides, `maestro/authz/decision`. */
  readonly path: string;
}

/**
 * The Open Policy Agent over its REST API. Its bundles can change at any moment, so no answer is remembered; each names the
 * revisions it was made by.
 */
export function opaEvaluator(settings: OpaSettings, now: () => number): Evaluator {
  const point = new DecisionPoint(settings, now);
  const path = `/v1/data/${settings.path}?provenance=true`;
  return {
    engine: `opa@${new URL(settings.url).origin}/v1/data/${settings.path}`,
    policyDigest: UNKNOWN_POLICY,
    repeatable: false,
    async evaluate(request, occasion) {
      const input = { ...request, context: { ...request.context, ...occasionContext(occasion) } };
      const answer = await point.ask("POST", path, occasionHeaders(occasion), { input });
      const verdict = readVerdict(answer["result"]);
      return {
        ...verdict,
        reasons: verdict.allow ? verdict.reasons : denialOf(request.action.name, verdict.reasons),
        policyDigest: revisionDigest(answer["provenance"], settings.path),
      };
    },
    close: async () => point.close(),
  };
}

/** Of the bundles' revisions, where it has bundles and they have revisions. */
function revisionDigest(provenance: JsonValue | undefined, path: string): Digest {
  const bundles = isJsonObject(provenance) ? provenance["bundles"] : undefined;
  if (!isJsonObject(bundles)) return UNKNOWN_POLICY;
  const revisions: Record<string, JsonValue> = {};
  for (const [name, bundle] of Object.entries(bundles)) {
    const revision = isJsonObject(bundle) ? bundle["revision"] : undefined;
    if (typeof revision !== "string" || revision === "") return UNKNOWN_POLICY;
    revisions[name] = revision;
  }
  const told: JsonObject = { engine: "opa", path, bundles: revisions };
  return Object.keys(revisions).length === 0 ? UNKNOWN_POLICY : digestOf(told);
}
