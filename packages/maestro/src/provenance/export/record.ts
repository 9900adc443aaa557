import type { JsonObject, JsonValue } from "../../core/json.ts";
import { isJsonObject } from "../../core/json.ts";
import type { StoredAuditRow } from "../../store/audit.ts";

/** A row of the audit, read back from its text. */
export interface AuditRecord {
  readonly place: number;
  readonly id: string;
  /** Epoch milliseconds; of the last where several are counted. */
  readonly at: number;
  readonly lastAt: number;
  readonly count: number;
  readonly kind: string;
  readonly actor: { readonly type: string; readonly id: string; readonly roles: readonly string[] };
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly namespace: string | null;
  readonly allow: boolean;
  readonly from: string | undefined;
  readonly request: string | undefined;
  readonly code: string | undefined;
  readonly traceparent: string | undefined;
  readonly run: string | undefined;
  readonly decision: JsonObject | undefined;
  readonly detail: JsonObject | undefined;
  /** All of it. */
  readonly whole: JsonObject;
}

/** Where the exports say they come from. */
export interface ExportPlace {
  /** The installation, as receipts name it. */
  readonly source: string;
  /** Of Maestro. */
  readonly version: string;
}

export function readRecord({ place, text, at, kind, action, allow, namespace }: StoredAuditRow): AuditRecord {
  const parsed = JSON.parse(text) as JsonValue;
  const whole = isJsonObject(parsed) ? parsed : {};
  const actor = objectIn(whole["actor"]);
  const resource = objectIn(whole["resource"]);
  const roles = actor["roles"];
  return {
    place,
    id: textIn(whole["id"]) ?? `${place}`,
    at,
    lastAt: typeof whole["lastAt"] === "number" ? whole["lastAt"] : at,
    count: typeof whole["count"] === "number" ? whole["count"] : 1,
    kind,
    actor: {
      type: textIn(actor["type"]) ?? "unknown",
      id: textIn(actor["id"]) ?? "",
      roles: Array.isArray(roles) ? roles.filter((role) => typeof role === "string") : [],
    },
    action,
    resource: { type: textIn(resource["type"]) ?? "", id: textIn(resource["id"]) ?? "" },
    namespace,
    allow,
    from: textIn(whole["from"]),
    request: textIn(whole["request"]),
    code: textIn(whole["code"]),
    traceparent: textIn(whole["traceparent"]),
    run: textIn(whole["run"]),
    decision: isJsonObject(whole["decision"]) ? whole["decision"] : undefined,
    detail: isJsonObject(whole["detail"]) ? whole["detail"] : undefined,
    whole,
  };
}

function objectIn(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function textIn(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
