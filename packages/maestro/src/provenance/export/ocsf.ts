import type { JsonObject } from "../../core/json.ts";
import type { AuditRecord, ExportPlace } from "./record.ts";

// OCSF 1.8.0, for systems that collect security events: API Activity, Authorize Session, Detection Finding.

const VERSION = "1.8.0";

const API_ACTIVITY = { category_uid: 6, class_uid: 6003 };
const AUTHORIZE_SESSION = { category_uid: 3, class_uid: 3003 };
const DETECTION_FINDING = { category_uid: 2, class_uid: 2004 };

/** What the schema calls create, read, update and delete, by the verb of an action; others are 99, other. */
const ACTIVITIES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(["start", "publish", "lease", "execute", "issue", "exchange", "own"].map((verb) => [verb, 1])),
  ...Object.fromEntries(
    ["read", "list", "ask", "export", "disclose", "replay", "compile", "search"].map((verb) => [verb, 2]),
  ),
  ...Object.fromEntries(["give", "cancel", "retry", "signal", "manage", "run", "break-glass"].map((verb) => [verb, 3])),
  ...Object.fromEntries(["remove", "revoke", "release"].map((verb) => [verb, 4])),
};
const OTHER = 99;

/** Of a session that begins: the roles it comes with. */
const SESSION_ACTIONS: ReadonlySet<string> = new Set(["session.start", "session.exchange", "session.redeem"]);

const INFORMATIONAL = 1;
const LOW = 2;
const MEDIUM = 3;
const HIGH = 4;
const SUCCESS = 1;
const FAILURE = 2;

/** One event of the schema; what it has no place for is in `unmapped`, so that nothing is lost. */
export function auditOcsf(record: AuditRecord, place: ExportPlace): JsonObject {
  const { kind, allow, action, actor } = record;
  if (kind === "security" && !allow) return finding(record, place);
  if (SESSION_ACTIONS.has(action) && allow && actor.roles.length > 0) return session(record, place);
  return apiActivity(record, place);
}

function apiActivity(record: AuditRecord, place: ExportPlace): JsonObject {
  const { action, request, code, resource, namespace, detail } = record;
  const session = detail?.["session"];
  return {
    ...common(record, place, API_ACTIVITY, ACTIVITIES[action.split(".")[1] ?? ""] ?? OTHER),
    actor: { user: userOf(record), ...(typeof session === "string" ? { session: { uid: session } } : {}) },
    api: {
      operation: action,
      service: { name: "summit-maestro" },
      ...(request === undefined ? {} : { request: { uid: request } }),
      ...(code === undefined ? {} : { response: { error: code } }),
    },
    src_endpoint: endpointOf(record),
    resources: [
      {
        type: resource.type,
        // The schema wants a name or an id, and the installation as a whole has neither.
        uid: resource.id === "" ? place.source : resource.id,
        ...(namespace === null ? {} : { namespace }),
      },
    ],
  };
}

function session(record: AuditRecord, place: ExportPlace): JsonObject {
  const uid = record.detail?.["session"];
  return {
    // 1: privileges are assigned. Later versions have a 3 for roles.
    ...common(record, place, AUTHORIZE_SESSION, 1),
    user: userOf(record),
    privileges: [...record.actor.roles],
    session: { ...(typeof uid === "string" ? { uid } : {}), issuer: place.source },
    src_endpoint: endpointOf(record),
  };
}

function finding(record: AuditRecord, place: ExportPlace): JsonObject {
  const { id, action, at, resource, detail } = record;
  const said = detail?.["detail"];
  return {
    // 1: a finding is made.
    ...common(record, place, DETECTION_FINDING, 1),
    finding_info: {
      uid: id,
      title: `${action}: ${resource.type} ${resource.id}`,
      created_time: at,
      ...(typeof said === "string" ? { desc: said } : {}),
      types: [action],
    },
    resources: [{ type: resource.type, uid: resource.id === "" ? place.source : resource.id }],
  };
}

function common(
  record: AuditRecord,
  { source, version }: ExportPlace,
  kind: { readonly category_uid: number; readonly class_uid: number },
  activity: number,
): JsonObject {
  const { place, id, at, lastAt, count, allow, code, request, action } = record;
  return {
    ...kind,
    activity_id: activity,
    ...(activity === OTHER ? { activity_name: action } : {}),
    type_uid: kind.class_uid * 100 + activity,
    time: at,
    ...(count === 1 ? {} : { count, start_time: at, end_time: lastAt }),
    severity_id: severityOf(record),
    status_id: allow && code === undefined ? SUCCESS : FAILURE,
    ...(code === undefined ? {} : { status_code: code }),
    message: sentenceOf(record),
    metadata: {
      version: VERSION,
      product: { name: "Summit Maestro", vendor_name: "Summit Maestro", version, uid: source },
      uid: id,
      sequence: place,
      log_name: "audit",
      event_code: action,
      ...(request === undefined ? {} : { correlation_uid: request }),
    },
    unmapped: record.whole,
  };
}

function severityOf({ kind, allow, action }: AuditRecord): number {
  if (kind === "security") return allow ? MEDIUM : HIGH;
  if (action === "policy.break-glass") return HIGH;
  return allow ? INFORMATIONAL : LOW;
}

function sentenceOf({ actor, action, resource, allow, count }: AuditRecord): string {
  const who = actor.id === "" ? actor.type : `${actor.type} ${actor.id}`;
  const what = resource.id === "" ? resource.type : `${resource.type} ${resource.id}`;
  return `${who} ${allow ? "did" : "was refused"} ${action} on ${what}${count === 1 ? "" : `, ${count} times`}`;
}

/** 0 unknown, 1 user, 3 system, 4 service. */
const USER_TYPES: Readonly<Record<string, number>> = { user: 1, service: 4, run: 3, schedule: 3 };

function userOf({ actor }: AuditRecord): JsonObject {
  return { uid: actor.id === "" ? actor.type : actor.id, type: actor.type, type_id: USER_TYPES[actor.type] ?? 0 };
}

function endpointOf({ from, detail }: AuditRecord): JsonObject {
  const via = detail?.["via"];
  return from === undefined ? { name: typeof via === "string" ? via : "local" } : { ip: from };
}
