import { join } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { makeId } from "../core/id.ts";
import { messageOf } from "../core/problem.ts";
import type { AuditEntry, AuditTrail } from "../provenance/audit.ts";
import type { BreakGlassRow } from "../store/break-glass.ts";
import type { Store } from "../store/store.ts";
import { BreakGlass } from "./break-glass.ts";
import type { BreakGlassEvent, BreakGlassParts } from "./break-glass.ts";
import { ACTIONS } from "./builtin.ts";
import { openChannels } from "./channels.ts";
import { LivePolicy } from "./live-policy.ts";
import { Notices } from "./notices.ts";
import { openGate } from "./open-gate.ts";
import type { OpenGate } from "./open-gate.ts";
import { RecentDecisions } from "./recent.ts";
import { Shadows } from "./shadow.ts";

export interface DeskParts {
  readonly dataDir: string;
  readonly store: Pick<Store, "breakGlass">;
  readonly audit: Pick<AuditTrail, "write" | "note">;
  /** The installation, as receipts name it. */
  readonly source: string;
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** A variable of the engine's environment, for keys that policy.yaml names. */
  readonly environment: (name: string) => string | undefined;
  readonly log: (level: "warn" | "error", message: string, fields: Readonly<Record<string, string | number>>) => void;
  /** Nothing is sent. */
  readonly passive: boolean;
  /** As in BreakGlassParts; default: a timer that keeps no process alive. */
  readonly wake?: BreakGlassParts["wake"];
}

/** All that the policy of a data directory is: what is enforced, what is on trial, who went past it and whom it tells. */
export interface PolicyDesk {
  readonly live: LivePolicy;
  readonly gate: OpenGate;
  readonly shadows: Shadows;
  readonly breakGlass: BreakGlass;
  readonly recent: RecentDecisions;
  readonly notices: Pick<Notices, "waiting" | "names">;
  /** The names that policies can be asked about. */
  readonly actions: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Errors: `policy_unusable`, and as of the store. */
export async function openDesk(parts: DeskParts): Promise<PolicyDesk> {
  const { dataDir, source, now, randomBytes, log } = parts;
  const live = await LivePolicy.open({ dataDir, now });
  // In whatever numbers: equal ones within a minute are one row.
  const note = (action: string, about: string, namespace: string | null, detail: JsonObject): void =>
    parts.audit.note({
      kind: "security",
      actor: { type: "service", id: source },
      action,
      resource: { type: "policy", id: about },
      namespace,
      allow: true,
      detail,
    });
  const notices = new Notices({
    channels: openChannels(live.settings.notify, parts),
    spool: join(dataDir, "notices"),
    source,
    now,
    newId: () => makeId("n", now(), randomBytes(10)),
    failed: ({ id, channel, why }) => {
      log("error", "a notice that a policy wants sent was not delivered", { notice: id, channel, why });
      note("policy.notice-failed", channel, null, { notice: id, channel, why });
    },
  });
  if (!parts.passive) notices.resume();
  const shadows = new Shadows({
    evaluators: () => live.shadow,
    late: (verdict, request) =>
      note("policy.shadow-late", request.action.name, request.resource.properties.namespace, {
        ...verdict,
        action: request.action.name,
        subject: `${request.subject.type}:${request.subject.id}`,
      }),
  });
  const breakGlass = await BreakGlass.open({
    store: parts.store.breakGlass,
    now,
    newId: () => makeId("b", now(), randomBytes(10)),
    longestMs: live.settings.breakGlassLongestMs,
    told: (event) => tell(parts, notices, event),
    failed: (error) => log("error", "the end of an emergency could not be kept", { error: messageOf(error) }),
    // Whoever only looks leaves it to the next engine.
    ...(parts.passive ? {} : { wake: parts.wake ?? unheldTimer }),
  });
  const recent = new RecentDecisions();
  const gate = openGate({
    evaluator: live,
    newId: () => makeId("d", now(), randomBytes(10)),
    notices,
    breakGlass,
    shadows,
    // Who was allowed rarely asks why, and finds it recorded.
    decided: (decision, request, occasion) => {
      if (!decision.allow || decision.mode !== undefined) recent.add(decision, request, occasion);
    },
  });
  return {
    live,
    gate,
    shadows,
    breakGlass,
    recent,
    notices,
    actions: ACTIONS,
    async close() {
      await breakGlass.close();
      await notices.close();
      await live.close();
    },
  };
}

function unheldTimer(ms: number, look: () => void): () => void {
  const timer = setTimeout(look, ms).unref();
  return () => clearTimeout(timer);
}

/** An emergency is written in the log, in the audit and to everybody whom policy.yaml names. */
function tell(parts: DeskParts, notices: Notices, event: BreakGlassEvent): void {
  const { kind, row, uses } = event;
  const { id, subject, namespace, reason } = row;
  const counted = uses === undefined ? {} : { uses };
  parts.log("error", SAID[kind], {
    breakGlass: id,
    subject,
    namespace,
    reason,
    ...counted,
    until: new Date(row.until).toISOString(),
  });
  const told: JsonObject = {
    ...row,
    ...counted,
    ...(event.kind === "used"
      ? { action: event.request.action.name, resource: event.request.resource.id, decision: event.decision.id }
      : {}),
  };
  notices.send([...notices.names], `policy.break-glass-${kind}`, told);
  const [type = "user", ...rest] = subject.split(":");
  keep(parts, {
    kind: "security",
    actor: { type: actorType(type), id: rest.join(":") },
    action: `policy.break-glass-${kind}`,
    resource: { type: "break-glass", id },
    namespace: namespace === "*" ? null : namespace,
    allow: true,
    ...(event.kind === "used" ? { decision: event.decision, question: event.request } : {}),
    detail: { ...told },
  });
}

const SAID: Readonly<Record<BreakGlassEvent["kind"], string>> = {
  opened: "somebody goes past the policy from now on",
  used: "the policy was gone past",
  ended: "nobody goes past the policy by this any more",
};

function actorType(text: string): AuditEntry["actor"]["type"] {
  return text === "user" || text === "service" || text === "run" || text === "schedule" ? text : "unknown";
}

/** A gate answers at once: what cannot be written is said aloud. */
function keep({ audit, log }: DeskParts, entry: AuditEntry): void {
  audit
    .write(entry)
    .catch((error: unknown) =>
      log("error", "the audit could not be written", { action: entry.action, error: messageOf(error) }),
    );
}

/** For people. */
export function breakGlassText({ id, subject, namespace, until }: BreakGlassRow): string {
  const where = namespace === "*" ? "everywhere" : `in ${namespace}`;
  return `${subject} goes past the policy ${where} until ${new Date(until).toISOString().replace(/\.\d+Z$/, "Z")} by ${id}`;
}
